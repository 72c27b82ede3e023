"""How much memory a call may take becomes how many examples it holds at a time."""

import sys
import threading
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import optogram as og
from optogram.errors import InputError
from optogram.interpreters import memory, room
from optogram.interpreters.cgroups import free_in_groups
from optogram.interpreters.ends import outputs
from optogram.interpreters.memory import allowance, batches


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2GB", 2e9), ("500 MB", 5e8), ("1.5g", 1.5e9), (" 64 kB ", 64e3), ("100", 100), (7e6, 7e6)],
)
def test_amounts_are_read(text, amount):
    assert allowance(text) == amount


@pytest.mark.parametrize("wrong", ["much", "", "2 GB please", "-1GB", 0, -5, np.nan, "0MB", "1KiB"])
def test_what_is_no_amount_is_refused(wrong):
    with pytest.raises(InputError, match="2GB"):
        allowance(wrong)


def test_by_default_a_part_of_what_is_free():
    assert 1e6 < allowance(None) < 1e15


@pytest.mark.parametrize(
    ("count", "bytes_each", "memory"), [(170, 10, 300), (7, 1, 1e9), (5, 9, 1)]
)
def test_batches_cover_everything_once_within_the_memory(count, bytes_each, memory):
    parts = list(batches(count, bytes_each, memory))
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(count))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) == 1 or max(lengths) * bytes_each <= memory
    assert len(set(lengths[:-1])) <= 1 and lengths[-1] <= lengths[0]


def test_the_last_batch_wastes_little():
    lengths = [part.stop - part.start for part in batches(33, 1, 32)]
    assert lengths == [17, 16]


def test_nothing_makes_no_batches():
    assert list(batches(0, 1, 1)) == []


# -- what others have taken ------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """A machine of a thousand bytes."""
    monkeypatch.setattr(memory, "free", lambda: 1000)


def in_another_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_calls_in_several_threads_share_one_budget(machine):
    with memory.taking(100):
        assert allowance(None) == 250  # it is this call's own
        assert in_another_thread(lambda: allowance(None)) == 150
        with memory.taking(500):
            assert in_another_thread(lambda: allowance(None)) == 1
        assert in_another_thread(lambda: allowance(700)) == 700  # what is asked for is had
    assert in_another_thread(lambda: allowance(None)) == 250


def test_what_batches_take_is_given_back_also_after_an_exception(machine):
    def left():
        return in_another_thread(lambda: allowance(None))

    parts = batches(8, 10, 40)
    assert left() == 250
    next(parts)
    assert left() == 210
    assert len(list(parts)) == 1 and left() == 250
    with pytest.raises(ZeroDivisionError):
        for _ in batches(8, 10, 40):
            assert left() == 210
            raise ZeroDivisionError
    assert left() == 250


def test_threads_that_compute_at_once_take_one_quarter_together(machine):
    lock, held, most = threading.Barrier(4), [], []

    def work():
        for part in batches(40, 10, None):
            lock.wait(10)
            most.append((part.stop - part.start) * 10)
            lock.wait(10)
            break
        held.append(True)

    starts = [threading.Thread(target=work) for _ in range(4)]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()
    # Whoever finds nothing left goes on with one example.
    assert len(held) == 4 and sum(most) <= 250 + 4 * 10


def test_what_is_beside_a_batch_is_no_room_for_it():
    lengths = [part.stop - part.start for part in batches(20, 10, 100, beside=60)]
    assert lengths == [4] * 5


# -- what the machine leaves -----------------------------------------------------------------------


def groups(root, lines, mounts, limits):
    """A machine's folders as Linux shows them."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("\n".join(lines))
    (root / "proc/self/mountinfo").write_text("\n".join(mounts))
    for place, files in limits.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (root / place / name).write_text(f"{text}\n")
    return root


SECOND = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
FIRST = "36 25 0:31 {} /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory"


def test_the_tightest_of_nested_groups_counts(tmp_path):
    used = {"memory.current": 300, "memory.stat": "anon 5\ninactive_file 100"}
    limits = {
        "sys/fs/cgroup": {"memory.current": 5},
        "sys/fs/cgroup/user": {"memory.max": 1000} | used,
        "sys/fs/cgroup/user/mine": {"memory.max": "max"} | used,
        "sys/fs/cgroup/user/mine/inner": {"memory.max": 900, "memory.current": 50},
    }
    root = groups(tmp_path, ["0::/user/mine/inner"], [SECOND], limits)
    assert free_in_groups(root) == 800


def test_version_1_and_containers_that_do_not_see_their_own_name(tmp_path):
    stat = {"memory.stat": "total_inactive_file 0"}
    inner = {"memory.limit_in_bytes": 700, "memory.usage_in_bytes": 100} | stat
    root = groups(
        tmp_path / "named",
        ["4:cpu:/x", "3:memory:/docker/abc"],
        [FIRST.format("/docker/abc")],
        {"sys/fs/cgroup/memory": inner},
    )
    assert free_in_groups(root) == 600
    outer = inner | {"memory.limit_in_bytes": 9223372036854771712}
    root = groups(
        tmp_path / "unlimited",
        ["3:memory:/a/b"],
        [FIRST.format("/")],
        {"sys/fs/cgroup/memory": outer, "sys/fs/cgroup/memory/a": inner},
    )
    assert free_in_groups(root) == 600
    root = groups(
        tmp_path / "hidden",
        ["3:memory:/host/name"],
        [FIRST.format("/")],
        {"sys/fs/cgroup/memory": inner},
    )
    assert free_in_groups(root) == 600


def test_where_there_are_no_groups_nothing_limits(tmp_path):
    assert free_in_groups(tmp_path) is None
    root = groups(tmp_path / "groups", ["0::/"], [SECOND, "nonsense"], {})
    assert free_in_groups(root) is None


@pytest.mark.parametrize(("groups", "device"), [(None, 400), (400, None), (400, 900), (900, 400)])
def test_the_least_of_machine_groups_and_device_is_free(monkeypatch, groups, device):
    current = memory.backend.current()
    monkeypatch.setattr(memory, "free_in_groups", lambda: groups)
    monkeypatch.setattr(current, "free_memory", lambda: device)
    assert memory.free() == 400
    assert allowance(None) == 100


def test_the_device_of_the_backend_says_what_is_free_on_it(monkeypatch):
    current = memory.backend.current()
    if current.NAME == "tensorflow":
        monkeypatch.setattr(current, "_place", lambda: "GPU:0")
        monkeypatch.setattr(current, "_limits", lambda: {"CPU:0": 1, "GPU:0": 1000})
        info = SimpleNamespace(get_memory_info=lambda place: {"current": 300, "peak": 500})
        monkeypatch.setattr(current.tf.config, "experimental", info)
    elif current.NAME == "jax":
        stats = {"bytes_limit": 1000, "bytes_in_use": 300}
        monkeypatch.setattr(current, "_device", lambda: SimpleNamespace(memory_stats=lambda: stats))
    else:
        monkeypatch.setattr(current, "_device", lambda: SimpleNamespace(type="cuda"))
        cuda = SimpleNamespace(
            mem_get_info=lambda device: (600, 2000),
            memory_reserved=lambda device: 500,
            memory_allocated=lambda device: 400,
        )
        monkeypatch.setattr(current.torch, "cuda", cuda)
    assert current.free_memory() == 700


# -- what calls take -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wide():
    """One layer of 16 maps, each as large as the image."""
    x = image = keras.Input((96, 96, 3))
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="conv")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return og.Network(keras.Model(image, keras.layers.Dense(3)(x)), "unit")


def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the largest size of a process")
def test_a_result_is_in_memory_once(wide):
    photos = np.random.default_rng(0).random((256, 96, 96, 3), np.float32)
    og.feature_maps(wide, photos[:8], "conv", memory="10MB")  # compiles for as many at a time
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    maps = og.feature_maps(wide, photos, "conv", memory="10MB")["conv"].values
    assert maps.nbytes > 150e6
    assert resident("VmHWM") - before < 1.5 * maps.nbytes


@pytest.mark.parametrize("method", [og.layercam, og.gradcam_plus_plus])
def test_gradients_at_a_layer_do_not_pile_up(wide, method):
    photos = np.random.default_rng(0).random((48, 96, 96, 3), np.float32)
    method(wide, photos[:1], layer="conv", memory=1)
    tracemalloc.start()
    try:
        found = method(wide, photos, layer="conv", memory="8MB")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    gradients = 16 * found.values.nbytes
    assert most < gradients


def test_one_image_that_does_not_fit_is_refused(wide, monkeypatch):
    monkeypatch.setattr(room, "free", lambda: 1_000_000)
    with pytest.raises(InputError, match=r"'conv:pre' alone makes 589.8 kB.*\(96, 96, 16\)"):
        wide.predict(np.zeros((96, 96, 3), np.uint8))


def test_a_network_that_is_probed_as_it_is_opened_is_not_where_there_is_no_room(monkeypatch):
    class Whole(keras.layers.Layer):
        def build(self, shape):
            self.add_weight(name="unused")  # so that nothing but a run tells what it returns

        def call(self, x):
            return keras.ops.softmax(x)

    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, Whole()(x))
    assert og.Network(model, "unit").head.is_hidden
    monkeypatch.setattr(outputs, "free", lambda: 100)
    assert not og.Network(model, "unit").head.is_hidden
