"""How a network ends: where its scores are read."""
