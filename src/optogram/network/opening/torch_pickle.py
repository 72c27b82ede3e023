"""Weights out of ``torch.save`` files of the older format (PyTorch before 1.6), without PyTorch.

Such a file is five pickles (magic number, protocol version, system facts, the object, the list
of storage keys), then each storage: an int64 element count and the elements, little-endian.
In the object a tensor is a call of ``torch._utils._rebuild_tensor_v2`` upon a storage named by
a persistent id. Source of the layout: ``torch/serialization.py``, ``_legacy_save``.
"""

import io
import math
import pickle
import pickletools
import struct
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from optogram.errors import ModelError
from optogram.words import with_article

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_ZIP_SIGNATURE = b"PK\x03\x04"
_COUNT = struct.Struct("<q")
_MOST_DIMENSIONS = 32  # what every supported NumPy can hold

# What the unpickler hands out is immutable (strings, named tuples): a hostile pickle can neither
# call it nor alter it after it was checked.
_STORAGE_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


class _Storage(NamedTuple):
    """A storage as announced by a persistent id; its elements come later in the file."""

    key: str
    dtype: str
    count: int  # type: ignore[assignment]


class _Tensor(NamedTuple):
    """A tensor as the pickle describes it: a strided window of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _TensorUnpickler(pickle.Unpickler):
    """Admits the few globals that a state dict needs; refuses all others without running them."""

    def find_class(self, module: str, name: str) -> object:
        """The stand-in for a global; ModelError for one that weights do not need."""
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise ModelError(
            f"The weights file asks for {module}.{name}, which is not needed for tensors; nothing "
            "was run: use a file from a source that you trust, with a state dict only."
        )

    def persistent_load(self, pid: object) -> _Storage:
        """Read ``("storage", type, key, device, element count, view)``."""
        match pid:
            case ("storage", str(dtype), str(key), str(), int(count), None) if (
                dtype in _STORAGE_DTYPES.values() and count >= 0
            ):
                return _Storage(key, dtype, count)
        raise pickle.UnpicklingError("a storage is described in an unknown way")

    def _tensor(
        self,
        storage: _Storage,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        *_gradient_facts: object,
    ) -> _Tensor:
        tensor = _Tensor(storage, offset, tuple(shape), tuple(strides))
        if not isinstance(storage, _Storage) or not _fits(tensor):
            raise pickle.UnpicklingError("a tensor lies outside its storage")
        return tensor


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read a state dict that ``torch.save`` wrote in its older format, before zip files.

    Parameters
    ----------
    path
        The ``.pth`` or ``.pt`` file. It is never executed: the unpickler knows only
        ``OrderedDict``, tensors and their storages.

    Returns
    -------
    dict
        The tensors by name, in the order of the file: contiguous arrays with the shapes
        that PyTorch gave them, in the machine's byte order.

    Raises
    ------
    ModelError
        The file cannot be read, has another format, asks for any other global, is damaged, or
        holds something other than named tensors that fit their storages.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"The weights file {path} cannot be read ({error.strerror}); check the path."
        ) from error
    if data.startswith(_ZIP_SIGNATURE):
        raise ModelError(
            f"{path.name} is a torch.save file of the newer zip format, and only the older one "
            "is read; save it again with torch.save(..., _use_new_zipfile_serialization=False)."
        )
    stream = io.BytesIO(data)
    _check_header(stream, path.name)
    tensors = _named_tensors(_load(stream, path.name), path.name)
    storages = _read_storages(data, stream, tensors, path.name)
    return {name: _as_array(tensor, storages) for name, tensor in tensors.items()}


def _fits(tensor: _Tensor) -> bool:
    """Whether the window is well formed, not empty, and inside its storage."""
    numbers = (tensor.offset, *tensor.shape, *tensor.strides)
    if any(type(number) is not int or number < 0 for number in numbers):
        return False
    if len(tensor.shape) != len(tensor.strides) or len(tensor.shape) > _MOST_DIMENSIONS:
        return False
    if not 0 < math.prod(tensor.shape) <= tensor.storage.count:
        return False
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    return last < tensor.storage.count


def _unpickle(stream: io.BytesIO) -> object:
    """Unpickle the next object; raises whatever pickle raises."""
    start = stream.tell()
    for opcode, argument, position in pickletools.genops(stream):
        # The unpickler makes room for every memo slot up to the one named: damage asks for 64 GB.
        memo_slot = argument if opcode.name in ("PUT", "LONG_BINPUT") else None
        if memo_slot is not None and memo_slot > (position or 0) - start:
            raise pickle.UnpicklingError(f"memo slot {argument} at byte {position}")
    stream.seek(start)
    return _TensorUnpickler(stream, encoding="utf-8").load()


def _load(stream: io.BytesIO, name: str) -> object:
    """Unpickle the next object; ModelError where that fails."""
    try:
        return _unpickle(stream)
    except ModelError:
        raise
    except Exception as error:  # pickle documents that damaged data can raise anything
        raise _damaged(name, str(error) or type(error).__name__) from error


def _check_header(stream: io.BytesIO, name: str) -> None:
    """Read the first three pickles; ModelError unless they are those of a torch.save file."""
    other_format = ModelError(
        f"{name} is not a torch.save file of the older format, which begins with a pickled magic "
        "number; give the .pth file of a state dict."
    )
    try:
        magic = _unpickle(stream)
    except ModelError:
        raise
    except Exception as error:  # as in _load
        raise other_format from error
    if magic != _MAGIC_NUMBER:
        raise other_format
    version = _load(stream, name)
    if version != _PROTOCOL_VERSION:
        raise ModelError(
            f"{name} has torch.save protocol {version!r}, and only {_PROTOCOL_VERSION} is read; "
            "save the state dict again with PyTorch."
        )
    system = _load(stream, name)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _damaged(name, "no little-endian byte order announced")


def _named_tensors(content: object, name: str) -> dict[str, _Tensor]:
    """Return ``content`` where it is a flat state dict; else ModelError."""
    if not isinstance(content, dict):
        raise ModelError(
            f"{name} holds {with_article(type(content).__name__)}, expected a state dict (names "
            "and tensors); "
            "save model.state_dict() alone."
        )
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, _Tensor):
            raise ModelError(
                f"{name} holds {with_article(type(value).__name__)} under {key!r}, expected only "
                "named "
                "tensors; save model.state_dict() alone."
            )
    return content


def _read_storages(
    data: bytes, stream: io.BytesIO, tensors: dict[str, _Tensor], name: str
) -> dict[str, np.ndarray]:
    """Return the storages that ``tensors`` need, by key: read-only views of ``data``."""
    announced = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if any(announced[tensor.storage.key] != tensor.storage for tensor in tensors.values()):
        raise _damaged(name, "one storage announced in two ways")
    keys = _load(stream, name)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(announced):
        raise _damaged(name, "its list of storages does not match its tensors")
    storages = {}
    position = stream.tell()
    for key in keys:
        storage = announced[str(key)]
        start = position + _COUNT.size
        position = start + storage.count * np.dtype(storage.dtype).itemsize
        if position > len(data):
            raise _damaged(name, f"storage {storage.key} runs past the end of the file")
        if _COUNT.unpack_from(data, start - _COUNT.size) != (storage.count,):
            raise _damaged(name, f"storage {storage.key} has not the announced element count")
        storages[storage.key] = np.frombuffer(data, storage.dtype, storage.count, start)
    return storages


def _as_array(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Copy one tensor out of its storage; its bounds were checked when it was unpickled."""
    flat = storages[tensor.storage.key]
    strides = [stride * flat.itemsize for stride in tensor.strides]
    window = np.lib.stride_tricks.as_strided(
        flat[tensor.offset :], tensor.shape, strides, writeable=False
    )
    return np.array(window, dtype=flat.dtype.newbyteorder("="), order="C")


def _damaged(name: str, reason: str) -> ModelError:
    return ModelError(f"{name} is damaged or cut short ({reason}); get the file again.")
