"""Work that is divided into units, computed here or on a cluster, and kept in a Zarr store."""
