"""Measures of attribution maps: each against its formula, computed literally."""

import numpy as np
import pytest

import literal_measures as literal
from optogram.errors import InputError
from optogram.evaluating.boxes import boxes_of, on_input
from optogram.evaluating.maps import Map
from optogram.evaluating.measures import fidelity, infidelity, localization, randomization, road
from optogram.evaluating.measures.sensitivity import max_sensitivity, noisy
from optogram.evaluating.measures.sparseness import sparseness
from optogram.methods.sanity.perturbation import ranking

pytestmark = pytest.mark.once


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_imputed_pixels_are_means_of_their_neighbors(rng, share):
    x = rng.normal(0, 1, (9, 12, 3)).astype(np.float32)
    removed = rng.random((9, 12)) < share
    found = road.imputed(x, removed)
    np.testing.assert_allclose(found, literal.road_imputed(x, removed), atol=1e-5)
    np.testing.assert_array_equal(found[~removed], x[~removed])


def test_imputing_continues_a_slope_and_knows_its_ends():
    slope = np.broadcast_to(np.arange(11, dtype=np.float32)[:, None, None], (11, 8, 1))
    removed = np.zeros((11, 8), bool)
    removed[3:7, 2:6] = True
    np.testing.assert_allclose(road.imputed(slope, removed), slope, atol=1e-5)
    np.testing.assert_array_equal(road.imputed(slope, np.zeros((11, 8), bool)), slope)
    np.testing.assert_allclose(road.imputed(slope, np.ones((11, 8), bool)), 5)


def test_road_removes_the_least_relevant_first_then_the_most(rng):
    x, heat = rng.normal(0, 1, (10, 10, 3)).astype(np.float32), rng.random((10, 10))
    variants = road.road_variants(x, ranking(heat, rng), 2.0, (0,))
    assert variants.count == 14
    order = np.sort(heat.ravel())
    for number, percent in enumerate(road.PERCENTAGES):
        for first, gone in ((0, heat < order[percent % 100]), (7, heat >= order[-percent])):
            made = variants.make(first + number)
            expected = literal.road_imputed(x, gone)
            np.testing.assert_array_equal(made[~gone], x[~gone])
            left = made[gone] - expected[gone]
            assert 0.01 < left.std() < 0.03  # the noise, 1 % of the range of 2
    scores = np.concatenate([np.full(7, 0.9), np.full(7, 0.3)])
    assert road.road(scores) == pytest.approx(0.3)


def test_mu_fidelity_is_pearsons_correlation_over_subsets(rng):
    signed = rng.normal(0, 1, (20, 31))
    parts = fidelity.subsets((20, 31), 40, (0, 1))
    drops = rng.normal(0, 1, 40)
    sums = [signed[part].sum() for part in parts]
    assert fidelity.mu_fidelity(signed, parts, drops) == pytest.approx(literal.pearson(sums, drops))
    assert fidelity.mu_fidelity(signed, parts, 3 * np.array(sums) + 1) == pytest.approx(1)
    assert fidelity.mu_fidelity(np.ones((20, 31)), parts, np.zeros(40)) == 0
    assert fidelity.mu_fidelity(np.zeros((20, 31)), parts, drops) == 0


def test_subsets_have_a_fifth_of_the_cells_of_a_grid():
    parts = fidelity.subsets((18, 27), 30, (0,))
    cells = parts[:, ::2, ::3]
    np.testing.assert_array_equal(parts, cells.repeat(2, axis=1).repeat(3, axis=2))
    assert set(cells.sum(axis=(1, 2))) == {16}  # of 81
    assert cells.any(axis=0).all()
    small = fidelity.subsets((4, 5), 10, (0,))
    assert set(small.sum(axis=(1, 2))) == {4}  # of 20 pixels, each a cell


def test_infidelity_is_what_the_best_multiple_of_the_map_misses(rng):
    signed, removed = rng.normal(0, 1, (16, 12)), rng.normal(0, 1, (16, 12, 3))
    parts = infidelity.squares((16, 12), 60, (0,))
    predicted = np.array([signed[part].sum() for part in parts])
    drops = predicted + rng.normal(0, 3, 60)
    found = infidelity.infidelity(Map.plain(signed), removed, parts, drops)
    assert found == pytest.approx(literal.infidelity(predicted, drops), rel=1e-3)
    assert infidelity.infidelity(Map.plain(signed), removed, parts, 7 * predicted) == pytest.approx(
        0, abs=1e-9
    )
    assert infidelity.infidelity(Map.plain(signed), removed, parts, -predicted) == 1
    gradient = rng.normal(0, 1, (16, 12, 3))
    of_gradient = Map(signed, signed, gradient, signed)
    told = np.array([(gradient * removed)[part].sum() for part in parts])
    assert infidelity.infidelity(of_gradient, removed, parts, told) == pytest.approx(0, abs=1e-9)


def test_squares_are_whole_and_of_many_sizes():
    squares = infidelity.squares((20, 30), 200, (0,))
    rows, columns = squares.any(axis=2).sum(axis=1), squares.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(rows, columns)
    np.testing.assert_array_equal(squares.sum(axis=(1, 2)), rows * columns)
    assert rows.min() == 2 and rows.max() == 10  # a tenth and a half of 20
    assert squares[:, 0].any() and squares[:, -1].any() and squares[:, :, -1].any()


def test_sparseness_is_the_gini_index(rng):
    heat = rng.normal(0, 1, (7, 9))
    assert sparseness(heat) == pytest.approx(literal.gini(heat))
    assert sparseness(np.full((5, 4), -2.0)) == pytest.approx(0)
    one = np.zeros((10, 10))
    one[3, 4] = 5
    assert sparseness(one) == pytest.approx(0.99)
    assert np.isnan(sparseness(np.zeros((3, 3))))


def test_max_sensitivity_is_the_largest_relative_change(rng):
    values, around = rng.normal(0, 1, (4, 5, 3)), rng.normal(0, 1, (6, 4, 5, 3))
    expected = max(
        np.sqrt(np.sum((one - values) ** 2)) / np.sqrt(np.sum(values**2)) for one in around
    )
    assert max_sensitivity(values, around) == pytest.approx(expected)
    near = noisy(np.zeros((30, 30, 3), np.float32), 10.0, 2, (0,))
    assert 0.19 < np.abs(near).max() <= 0.2  # 2 % of the range
    assert np.isnan(max_sensitivity(np.zeros(3), np.ones((2, 3))))


def test_complexity_is_the_entropy_of_a_histogram(rng):
    own, again = rng.normal(0, 1, (40, 40)) ** 3, rng.random((40, 40))
    assert randomization.complexity(own) == pytest.approx(literal.entropy(own))
    change = (literal.entropy(again) - literal.entropy(own)) / literal.entropy(own)
    assert randomization.complexity_change(own, again) == pytest.approx(change)
    assert change > 0
    assert np.isnan(randomization.complexity_change(np.ones((3, 3)), again))


def test_the_pointing_game_allows_15_pixels_of_a_large_photo_and_4_percent_of_a_small_one():
    heat = np.zeros((100, 200))
    heat[40, 90] = 1  # centered at (40.5, 90.5)
    assert localization.pointing_game(heat, [(40, 90, 41, 91)], (1, 1)) == 1
    assert localization.pointing_game(heat, [(40, 93, 50, 99)], (4, 6)) == 1  # 2.5 · 6 = 15
    assert localization.pointing_game(heat, [(40, 93, 50, 99)], (4, 6.1)) == 0
    assert localization.pointing_game(heat, [(40, 94.4, 50, 99)], (1, 1)) == 1  # 4 of 100 pixels
    assert localization.pointing_game(heat, [(40, 94.6, 50, 99)], (1, 1)) == 0
    assert localization.pointing_game(heat, [(80, 0, 90, 1), (0, 0, 99, 199)], (50, 50)) == 1


def test_energy_is_the_share_of_the_positive_sum_in_the_box(rng):
    heat = rng.normal(0, 1, (12, 9))
    box = (2, 3, 7, 8)
    assert localization.box_energy(heat, [box]) == pytest.approx(literal.energy(heat, box))
    half = localization.box_energy(np.ones((4, 4)), [(0.5, 0, 2.5, 4)])
    assert half == pytest.approx(0.5)
    both = localization.box_energy(np.ones((4, 4)), [(0, 0, 2, 4), (1, 0, 3, 4)])
    assert both == pytest.approx(0.75)  # what both cover counts once
    assert np.isnan(localization.box_energy(-np.ones((3, 3)), [box]))


def test_boxes_of_a_table_belong_to_photos(tmp_path):
    table = tmp_path / "boxes.csv"
    table.write_text("photo,left,top,right,bottom\nb.png,1,2,30,40\nb.png,5,6,7,8\n")
    names = ["a/a.png", "a/b.png"]
    assert boxes_of(table, names) == {"a/b.png": ((2, 1, 40, 30), (6, 5, 8, 7))}
    assert boxes_of({"a/a.png": (0, 0, 1, 1)}, names) == {"a/a.png": ((0, 0, 1, 1),)}
    assert boxes_of([None, [(0, 0, 1, 1), (2, 2, 3, 3)]], names) == {
        "a/b.png": ((0, 0, 1, 1), (2, 2, 3, 3))
    }
    for wrong, words in (
        ({"c.png": (0, 0, 1, 1)}, "none of the 2 photos"),
        ({"a.png": (3, 0, 1, 1)}, "top < bottom"),
        ({"a.png": (3, 0, 1)}, "must be top, left, bottom, right"),
        ([(0, 0, 1, 1)], "a box for each of the 2 photos"),
        (tmp_path / "none.csv", "No file"),
    ):
        with pytest.raises(InputError, match=words):
            boxes_of(wrong, names)
    table.write_text("photo,left,top\nb.png,1,2\n")
    with pytest.raises(InputError, match="its header is 'photo', 'left', 'top'"):
        boxes_of(table, names)


def test_boxes_move_with_the_photo():
    class Photo:
        size, seen = (100, 400), (0.0, 0.25, 1.0, 0.75)  # the middle 200 pixels

    ((top, left, bottom, right),), pixel = on_input([(50, 100, 100, 200)], Photo, (10, 10))
    assert (top, left, bottom, right) == (5, 0, 10, 5)
    assert pixel == (10, 20)
    assert on_input([(1, 2, 3, 4)], None, (10, 10)) == ([(1, 2, 3, 4)], (1, 1))
