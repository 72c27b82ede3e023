"""One measure of attribution maps a file; ``result/measures.py`` has their names."""
