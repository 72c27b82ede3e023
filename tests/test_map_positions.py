"""Photos and maps, pixel by pixel: receptive fields, the units of a pixel, histograms."""

import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError

pytestmark = pytest.mark.once

PHOTO = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("strided"), "unit")  # images of 17×16


@pytest.fixture(scope="module")
def maps(net):
    return og.feature_maps(net, PHOTO, ["same2", "valid"])


def test_the_receptive_field_is_all_that_changes_an_element(net):
    x = networks.images_for(net.model, 1)
    found = og.feature_maps(net, x, "valid")["valid"]
    row, column = 4, 2
    height, width = x.shape[1:3]
    others = np.repeat(x, height * width, axis=0)  # in each, one pixel is another
    for number, other in enumerate(others):
        other[divmod(number, width)] = 1 - other[divmod(number, width)]
    values = og.feature_maps(net, others, "valid")["valid"].values[:, row, column]
    changing = (
        np.abs(values - found.values[0, row, column]).max(axis=1).reshape(height, width) > 1e-6
    )
    top, left, bottom, right = map(int, found.receptive_field(row, column, size="network"))
    assert changing[top:bottom, left:right].mean() > 0.5
    changing[top:bottom, left:right] = False
    assert not changing.any()


def test_receptive_fields_on_the_photo(net, maps):
    same = maps["same2"]  # 9×8 of stride 2: the map's element (i, j) sees 2i − 1 … 2i + 1
    assert same.receptive_field(0, 0, size="network") == (0, 0, 2, 3)
    assert same.receptive_field(4, 3, size="network") == (7, 6, 10, 9)
    up, across = 32 / 17, 64 / 16
    expected = (7 * up, 6 * across, 10 * up, 9 * across)
    assert same.receptive_field(4, 3) == pytest.approx(expected)
    assert same.receptive_field(4, 3, size=(64, 128)) == pytest.approx([2 * e for e in expected])


def test_receptive_fields_of_cropped_and_padded_photos(net):
    cropped = og.feature_maps(net, PHOTO, "same2", fit="crop")["same2"]
    top, left, bottom, right = cropped.receptive_field(4, 3)
    scale = 32 / 17  # of the 32×30 pixels in the middle
    assert (top, bottom) == pytest.approx((7 * scale, 10 * scale), abs=0.01)
    middle = 32 + (6 + 1.5 - 8) * scale
    assert (left + right) / 2 == pytest.approx(middle, abs=0.6)
    with pytest.raises(InputError, match="did not see the pixel"):
        cropped.cell_at(0, 0)
    padded = og.feature_maps(net, PHOTO, "same2", fit="pad")["same2"]
    top, _, bottom, _ = padded.receptive_field(0, 0)
    assert top < 0 and bottom < 0, "padding above the photo"


def test_cells_are_where_overlays_draw_them(maps):
    same = maps["same2"]
    assert [same.cell_at(y, x) for y, x in ((0, 0), (31, 63), (16, 32))] == [(0, 0), (8, 7), (4, 4)]
    assert same.cell_at(16, 0, size="network") == (8, 0)
    for y, x in ((32, 0), (0, -1)):
        with pytest.raises(InputError, match="did not see the pixel"):
            same.cell_at(y, x)


def test_the_units_that_fire_most_at_a_pixel(maps):
    same = maps["same2"]
    row, column = same.cell_at(20, 40)
    at = same.values[0, row, column].astype(float)
    found = same.strongest_at(20, 40, 2)
    assert [one.channel for one in found] == np.argsort(-at, kind="stable")[:2].tolist()
    assert found[0].value == pytest.approx(at.max())
    scores = (at - same.values[0].mean(axis=(0, 1))) / same.values[0].std(axis=(0, 1))
    by_score = same.strongest_at(20, 40, by="z-score")
    assert [one.channel for one in by_score] == np.argsort(-scores, kind="stable").tolist()
    for one in by_score:
        assert one.z_score == pytest.approx(scores[one.channel], abs=1e-4)
    with pytest.raises(InputError, match="by must be"):
        same.strongest_at(0, 0, by="mean")


def test_prepared_batches_are_addressed_in_their_own_pixels(net):
    found = og.feature_maps(net, networks.images_for(net.model, 1), "same2")["same2"]
    assert found.cell_at(3, 3, size="network") == (1, 1)
    with pytest.raises(InputError, match="size of the photo is not known"):
        found.strongest_at(3, 3)


def test_a_histogram_counts_every_position(maps):
    same = maps["same2"]
    counts, edges = same.histogram(1, bins=7)
    values = same.values[0, ..., 1]
    assert counts.sum() == values.size and len(edges) == 8
    assert (edges[0], edges[-1]) == (pytest.approx(values.min()), pytest.approx(values.max()))
    above = same.histogram(1, bins=[-1, 0.01, 100])[0]
    assert above.tolist() == [(values < 0.01).sum(), (values >= 0.01).sum()]
    for bins in (0, [1], [2, 1], "auto", [0, float("nan")]):
        with pytest.raises(InputError, match="bins must be"):
            same.histogram(1, bins=bins)
    with pytest.raises(InputError, match="4 maps"):
        same.histogram(4)


def test_fields_are_saved(maps, tmp_path):
    again = og.load_result(maps["valid"].save(tmp_path / "maps.npz"))
    assert again.receptive_field(1, 2) == maps["valid"].receptive_field(1, 2)
