"""Perturbations for sanity checks: of pixels by rank, and of weights."""
