"""What the methods that factorize activations share."""
