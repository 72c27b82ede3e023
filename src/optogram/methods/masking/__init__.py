"""Scores of many masked copies of an image, until a map of them has converged."""
