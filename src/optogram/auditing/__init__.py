"""The audit of a classifier on labeled photos: errors, labels, duplicates, shortcuts."""
