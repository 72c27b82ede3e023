"""Stores read without optogram, and compared."""

import numpy as np
import zarr


def everything_in(place):
    """All arrays of a store, by path."""
    root = zarr.open_group(str(place), mode="r")
    return {
        name: member[...]
        for name, member in root.members(max_depth=None)
        if isinstance(member, zarr.Array)
    }


def assert_same_store(found, expected):
    """Assert that two stores have the same arrays, with the same values."""
    found, expected = everything_in(found), everything_in(expected)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
