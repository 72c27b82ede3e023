"""Scores of images with a part occluded."""
