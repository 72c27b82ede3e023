"""What walks the list of steps: each interpreter carries something of its own along."""
