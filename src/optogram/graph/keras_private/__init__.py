"""All access to private parts of Keras."""
