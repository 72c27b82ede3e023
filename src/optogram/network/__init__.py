"""Opening a model: its steps, their geometry, what goes in and what its answers are called."""
