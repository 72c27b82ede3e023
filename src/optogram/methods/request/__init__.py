"""Parts that all methods share: validating arguments, computing scores, building results."""
