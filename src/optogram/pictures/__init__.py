"""Photos in: read, brought to size, prepared. Free of Keras."""
