"""Recipes as files: what finishing should do, written down, named and versioned."""
