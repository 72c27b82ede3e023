"""What sanity checks change: pixels by rank, and weights."""
