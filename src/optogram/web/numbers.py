"""The numbers of an answer as a plain ``.npz`` file, for those who read it with NumPy."""

import io
import json
import re
import struct
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from optogram.web.packing import MAGIC

NPZ = "application/x-npz"
_LONGEST_NAME = 120


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(what the header says, arrays by name) of a packed answer; scaled numbers as float32."""
    start = len(MAGIC) + struct.calcsize("<I")
    (length,) = struct.unpack_from("<I", content, len(MAGIC))
    about = json.loads(content[start : start + length])
    first = -(-(start + length) // 8) * 8
    arrays = {}
    for each in about.pop("arrays"):
        count = int(np.prod(each["shape"]))
        found = np.frombuffer(content, each["dtype"], count, first + each["offset"])
        found = found.reshape(each["shape"])
        if "low" in each:
            ends = [np.array(each[name]) for name in ("low", "high")]
            low, high = (end.reshape(-1, *[1] * (found.ndim - 1)) for end in ends)
            found = (low + (high - low) * found / 255).astype(np.float32)
        arrays[each["name"]] = found
    return about, arrays


def as_npz(content: bytes) -> bytes:
    """A packed answer as an ``.npz`` file; ``about`` is its header, as JSON."""
    about, arrays = unpacked(content)
    file = io.BytesIO()
    header = np.array(json.dumps(about, ensure_ascii=False))
    np.savez_compressed(file, about=header, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def file_name(parts: Iterable[str], ending: str = ".npz") -> str:
    """A name for a file, of texts that may be anything; it names no folder and hides nothing."""
    shown = "-".join(filter(None, parts))
    kept = "".join(each if unicodedata.category(each)[0] in "LNMPSZ" else "_" for each in shown)
    named = re.sub(r'[/\\:*?"<>|\s]+', "_", kept).lstrip("-. ")[:_LONGEST_NAME].rstrip(". ")
    return (named or "numbers") + ending


def stem(name: str) -> str:
    """The name of a photo without its ending."""
    return Path(name).stem


def disposition(name: str) -> str:
    """The header ``Content-Disposition`` for a file with any name: the browser saves it."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
