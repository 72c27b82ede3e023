"""The opened network: what a person is told of it."""
