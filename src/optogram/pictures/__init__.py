"""Photos: reading, resizing, preprocessing. Free of Keras."""
