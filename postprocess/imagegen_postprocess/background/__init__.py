"""Cut-outs: which pixels belong to the product, and in what share."""
