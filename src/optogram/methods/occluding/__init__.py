"""Scores of images with a part taken away."""
