"""Surveys: what every unit of a network does over a folder of photos, kept in a store."""
