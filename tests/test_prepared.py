"""Prepared batches: arrays like any other that remember their photos."""

import copy
import pickle

import numpy as np
import pytest

import networks
import optogram as og
from optogram.pictures.prepared import PreparedPhotos

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "unit")


@pytest.fixture
def x(net):
    photos = [np.full((40, 20 + 20 * i, 3), 50 * i, np.uint8) for i in range(3)]
    return net.prepare(photos, "crop")


def test_a_batch_remembers_what_is_seen_of_each_photo(x):
    assert isinstance(x, np.ndarray)
    assert (x.dtype, x.shape, x.flags.c_contiguous) == (np.float32, (3, 16, 16, 3), True)
    assert x.fit == "crop" and x.photo_size.tolist() == [[40, 20], [40, 40], [40, 60]]
    np.testing.assert_allclose(
        x.seen, [[0.25, 0, 0.75, 1], [0, 0, 1, 1], [0, 1 / 6, 1, 5 / 6]], rtol=1e-6
    )


@pytest.mark.parametrize(
    "key", [slice(1, 3), [1, 2], np.array([1, 2]), np.array([False, True, True])]
)
def test_parts_of_a_batch_remember(x, key):
    assert x[key].seen.tolist() == x.seen[1:].tolist()
    assert x[key].photo_size.tolist() == x.photo_size[1:].tolist() and x[key].fit == "crop"


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda x: x.copy(), lambda x: pickle.loads(pickle.dumps(x))],
)
def test_copies_remember(x, copied):
    found = copied(x)
    assert found is not x and type(found) is PreparedPhotos
    np.testing.assert_array_equal(found, x)
    assert found.seen.tolist() == x.seen.tolist() and found.fit == "crop"


def test_preparing_again_remembers(net, x):
    assert net.prepare(x).seen.tolist() == x.seen.tolist()
    assert net.prepare(x[:2]).fit == "crop"


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 0,
        lambda x: 2 * x,
        lambda x: np.clip(x, 0, 1),
        lambda x: x[0],
        lambda x: x[:, ::-1],
        lambda x: x[..., 0],
        lambda x: x[None],
        lambda x: x.mean(axis=0),
        lambda x: np.stack(list(x)),
    ],
)
def test_whatever_moves_or_changes_pixels_is_a_plain_array(x, change):
    assert type(change(x)) is np.ndarray


def test_numbers_are_numbers(x):
    assert isinstance(x.max(), np.floating) and isinstance(x[0, 0, 0, 0], np.floating)
    assert not hasattr(x.swapaxes(1, 2), "seen") or x.swapaxes(1, 2).seen is None


def test_arrays_without_memory_stay_plain(net, x):
    assert type(net.prepare(np.asarray(x))) is np.ndarray
