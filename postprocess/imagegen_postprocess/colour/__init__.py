"""Colour: transfer curve, white balance, exposure."""
