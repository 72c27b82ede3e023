"""Gradient ascent: the parts of `maximize`."""
