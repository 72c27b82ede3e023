"""The version, part of the provenance of every result."""

__version__ = "0.1.0"
