"""Interpreters of the list of steps: forward, gradients, geometry and others."""
