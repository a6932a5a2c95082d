"""Wire types only: what JSON goes in and out. They import nothing of ours and are never passed below this
floor."""
