"""Marketplaces: what each asks of a picture, as data, and what of it a file meets."""
