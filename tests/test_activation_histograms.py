"""Histograms of activations over many photos, in one pass."""

import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og
from optogram.errors import InputError, PhotoError
from optogram.methods.activation_histograms import _Counts

pytestmark = pytest.mark.once

PHOTOS = list(np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8))


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("fused"), "unit")


def require_exact(found, values):
    """``found`` (filters, bins) and its edges count all ``values`` (n, filters)."""
    counts, edges = found
    for filter_, own in enumerate(values.T):
        assert own.min() >= edges[filter_, 0] and own.max() < edges[filter_, -1]
        places = np.searchsorted(edges[filter_], own, side="right") - 1
        expected = np.bincount(places, minlength=counts.shape[1])
        np.testing.assert_array_equal(counts[filter_], expected)


@pytest.mark.parametrize("bins", [2, 7, 64])
def test_counts_are_exact_and_do_not_depend_on_the_order(bins):
    rng = np.random.default_rng(1)
    scales = np.array([1e-6, 1.0, 50.0, 3.0, 1.0, 1.0, 2.0])
    values = (rng.normal(size=(400, 7)) * scales * rng.exponential(size=(400, 1))).astype("f4")
    values[:, 3] = np.maximum(values[:, 3], 0)
    values[:, 4], values[:, 5] = 0, 0.3
    values[:, 6] += 1000
    found = []
    for order in (np.arange(400), np.argsort(values[:, 1]), np.argsort(-np.abs(values[:, 2]))):
        counts = _Counts(7, bins)
        for part in np.array_split(values[order], 9):
            counts.add(part)
        require_exact((counts.counts, counts.edges), values)
        found.append(counts)
    for other in found[1:]:
        np.testing.assert_array_equal(other.counts, found[0].counts)
        np.testing.assert_array_equal(other.edges, found[0].edges)
    if bins == 64:  # at least half of the bins are used where values vary
        used = [int(np.flatnonzero(row).max()) for row in found[0].counts]
        assert all(used[i] >= 30 for i in (0, 1, 2, 3, 6))


def test_photos_of_a_list_a_folder_and_a_stream(net, tmp_path):
    values = og.feature_maps(net, PHOTOS, "conv1")["conv1"].values
    flat = values.reshape(-1, values.shape[-1])
    told = []
    found = og.activation_histograms(
        net, "conv1", PHOTOS, bins=16, progress=lambda *step: told.append(step)
    )
    assert told[-1][:2] == (5, 5)
    assert (found.values.sum(axis=1) == len(flat)).all() and found.photos == 5
    np.testing.assert_allclose(found.mean, flat.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.zeros, (flat == 0).mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(found.maximum, flat.max(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.minimum, flat.min(axis=0), atol=1e-6)
    for number, photo in enumerate(PHOTOS):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    for photos in (tmp_path, (photo for photo in PHOTOS)):
        again = og.activation_histograms(net, "conv1", photos, bins=16)
        np.testing.assert_array_equal(again.edges, found.edges)
        assert np.abs(again.values - found.values).sum() < 10, "but for rounding at the edges"
    folder = og.activation_histograms(net, "conv1", tmp_path)
    assert folder.photos == 5 and len(folder.unread) == 1 and "torn.png" in folder.warnings[-1]
    with pytest.raises(PhotoError, match=r"torn\.png"):
        og.activation_histograms(net, "conv1", [tmp_path / "torn.png"])


def test_it_is_saved_described_and_plotted(net, tmp_path):
    found = og.activation_histograms(net, "conv1", PHOTOS[:2])
    assert repr(found).startswith("<ActivationHistograms of sequential") and "conv1" in repr(found)
    again = og.load_result(found.save(tmp_path / "histograms.npz"))
    assert repr(again) == repr(found)
    np.testing.assert_array_equal(again.edges, found.edges)
    assert again.plot([1, 3]).size[0] > 500
    for filters in ([4], [], [-1]):
        with pytest.raises(InputError, match="filters must be 1 to 60 numbers from 0 to 3"):
            found.plot(filters)


@pytest.mark.parametrize(
    ("layer", "photos", "more", "words"),
    [
        ("predictions", PHOTOS, {}, "no feature maps"),
        ("conv1", [], {}, "at least one"),
        ("conv1", iter(()), {}, "empty stream"),
        ("conv1", PHOTOS, {"bins": 1}, "bins must be"),
        ("conv1", PHOTOS, {"size": (0, 3)}, "size"),
        ("conv1", [np.zeros((1, 9, 9, 3), np.float32)], {}, "expected 16×16"),
    ],
)
def test_what_cannot_be_counted(net, layer, photos, more, words):
    with pytest.raises(InputError, match=words):
        og.activation_histograms(net, layer, photos, **more)
