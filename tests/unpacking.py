"""Packed answers of the explorer, read again as its documentation describes them."""

import json
import struct

import numpy as np


def unpacked(content, start=0):
    """(what the answer says, its arrays by name; scaled numbers as they were)."""
    return _unpacked(content, start)[:2]


def event(content):
    """A message on the socket: (what it says, the answer in it or None)."""
    about, _, end = _unpacked(content, 0)
    return about, unpacked(content, end) if end < len(content) else None


def _unpacked(content, start):
    assert content[start : start + 4] == b"OGA1"
    (length,) = struct.unpack_from("<I", content, start + 4)
    about = json.loads(content[start + 8 : start + 8 + length].decode("utf-8"))
    end = first = start + -(-(8 + length) // 8) * 8
    arrays = {}
    for entry in about.pop("arrays"):
        assert entry["offset"] % 8 == 0
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        shape = entry["shape"]
        count = int(np.prod(shape))
        at = first + entry["offset"]
        values = np.frombuffer(content, dtype, count, at).reshape(shape)
        if "low" in entry:
            each = (-1, *[1] * (values.ndim - 1))
            low, high = (np.reshape(entry[end], each) for end in ("low", "high"))
            values = low + (high - low) * values / 255
        arrays[entry["name"]] = values
        end = at + -(-count * dtype.itemsize // 8) * 8
    return about, arrays, end
