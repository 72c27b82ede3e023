"""Which attribution method suits a network: methods by measures, over photos."""
