"""The list of steps that a network is, and what each step does."""
