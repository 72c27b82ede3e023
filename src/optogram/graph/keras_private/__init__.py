"""All that touches Keras's private side."""
