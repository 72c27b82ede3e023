"""Opening a network by name or from a file."""
