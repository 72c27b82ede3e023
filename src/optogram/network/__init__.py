"""Opened networks: layers, labels, predictions."""
