"""The end of a network: logits, probabilities and classes."""
