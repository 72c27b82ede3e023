"""Activation atlases: the parts of `activation_atlas`."""
