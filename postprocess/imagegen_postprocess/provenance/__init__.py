"""Provenance: what a file says of how its picture came to be."""
