"""Attribution maps of many photos, kept in a Zarr store."""
