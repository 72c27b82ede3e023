"""Answers as bytes: one JSON header, then arrays, each at a multiple of eight bytes.

The layout, little-endian: four bytes ``OGA1``; the length of the header as uint32; the header in
UTF-8; padding to a multiple of eight; the arrays. The header's ``arrays`` lists name, dtype, shape
and offset (from the end of the padding) of each. An array of dtype ``uint8`` may have ``low`` and
``high``, one each for the whole array or one for each item of its first axis: the numbers stand for
``low + (high - low) * value / 255``.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC = b"OGA1"
_DTYPES = ("uint8", "int32", "float16", "float32")


@dataclass(frozen=True)
class Scaled:
    """Numbers as uint8 with their range.

    Attributes
    ----------
    values : ndarray of uint8
        The scaled numbers.
    low, high : list of float
        The range, one for the whole array or one for each item of the first axis.
    """

    values: np.ndarray
    low: list[float]
    high: list[float]


def scaled(values: np.ndarray, *, each: bool = False) -> Scaled:
    """``values`` as uint8, over the range of all, or of each item of the first axis.

    NaN and infinite numbers become the lowest value.
    """
    values = np.asarray(values, np.float32)
    values = np.where(np.isfinite(values), values, np.nan)
    axes = tuple(range(1, values.ndim)) if each else None
    with np.errstate(all="ignore"):
        low = np.nan_to_num(np.fmin.reduce(values, axis=axes, keepdims=True))
        high = np.nan_to_num(np.fmax.reduce(values, axis=axes, keepdims=True))
    extent = np.where(high > low, high - low, 1)
    unit = np.nan_to_num((values - low) / extent)
    return Scaled(np.rint(255 * unit).astype(np.uint8), low.ravel().tolist(), high.ravel().tolist())


def as_bytes(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """``values`` as uint8, 0 for ``low`` and 255 for ``high``; those beyond are cut."""
    unit = (np.asarray(values, np.float32) - low) / (high - low if high > low else 1)
    return np.rint(255 * np.clip(np.nan_to_num(unit), 0, 1)).astype(np.uint8)


@dataclass(frozen=True)
class Answer:
    """The answer to a question.

    Attributes
    ----------
    about : mapping
        What JSON can hold.
    arrays : mapping of str to ndarray or Scaled
        Numbers: uint8, int32, float16 or float32; other floats become float32.
    """

    about: Mapping[str, Any]
    arrays: Mapping[str, "np.ndarray | Scaled"] = field(default_factory=dict)


def packed(answer: Answer, **more: Any) -> bytes:
    """``answer`` as bytes; ``more`` goes into the header."""
    listed, parts, offset = [], [], 0
    for name, given in answer.arrays.items():
        values = given.values if isinstance(given, Scaled) else _plain(np.asarray(given))
        entry: dict[str, Any] = {
            "name": name,
            "dtype": values.dtype.name,
            "shape": values.shape,
            "offset": offset,
        }
        if isinstance(given, Scaled):
            entry |= {"low": given.low, "high": given.high}
        content = np.ascontiguousarray(values).tobytes()
        content += bytes(-len(content) % 8)
        listed.append(entry)
        parts.append(content)
        offset += len(content)
    header = json.dumps(
        {**_finite(dict(answer.about)), **more, "arrays": listed}, separators=(",", ":")
    ).encode()
    start = MAGIC + struct.pack("<I", len(header)) + header
    return b"".join([start, bytes(-len(start) % 8), *parts])


def plain(answer: Answer) -> bytes:
    """What ``answer`` says without its arrays, as JSON."""
    return json.dumps(_finite(dict(answer.about)), separators=(",", ":")).encode()


def _plain(values: np.ndarray) -> np.ndarray:
    """``values`` with a dtype that the page can read."""
    if values.dtype.name in _DTYPES:
        return values
    return values.astype(np.int32 if values.dtype.kind in "iub" else np.float32)


def _finite(value: Any) -> Any:
    """``value`` as JSON can hold it: NaN and infinity become null, NumPy's numbers Python's."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
