"""A network as a list of steps, and properties of the steps."""
