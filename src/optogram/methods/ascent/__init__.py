"""Climbing a score by its gradient: what `maximize` is made of."""
