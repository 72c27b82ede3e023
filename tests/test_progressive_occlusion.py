"""Maps that come at once and get better, and one patch moved at will."""

import numpy as np
import pytest

import literal
import networks
import optogram as og
from optogram.errors import InputError
from optogram.methods.occluding.refinement import Refinement

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("everything"), "none")


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model)


# -- what comes next, and what the rest may be -----------------------------------------------------


def refined(values):
    """(which cells each round computed, the estimate after it), for maps that are all known."""
    refinement = Refinement(len(values), values.shape[1:])
    while len(cells := refinement.next()):
        refinement.learn(cells, values[:, cells[:, 0], cells[:, 1]])
        yield cells, refinement.estimate()


@pytest.mark.parametrize("shape", [(53, 53), (40, 9), (1, 30), (3, 3), (1, 1)])
def test_refinement_ends_with_all_that_is_known(shape):
    values = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    rounds = list(refined(values))
    cells = np.concatenate([cells for cells, _ in rounds])
    assert len(np.unique(cells, axis=0)) == len(cells) == values[0].size
    np.testing.assert_array_equal(rounds[-1][1], values)


def test_a_plane_is_known_at_once():
    rows, columns = np.mgrid[:53, :61]
    values = (rows * 2.0 - columns)[None].astype(np.float32)
    cells, estimate = next(refined(values))
    assert len(cells) < values[0].size / 20
    np.testing.assert_allclose(estimate, values, atol=1e-4)


def test_cells_come_first_where_the_map_changes():
    values = np.zeros((1, 64, 64), np.float32)
    values[0, :20, :20] = np.random.default_rng(0).normal(size=(20, 20))
    found = [cells for cells, _ in refined(values)]
    early = np.concatenate(found[1:4])
    assert (early < 28).all(axis=1).mean() > 2 * (28 / 64) ** 2


def test_estimates_get_better():
    rows, columns = np.mgrid[:64, :64] / 64
    values = np.sin(7 * rows * columns)[None].astype(np.float32)
    errors = [np.abs(estimate - values).max() for _, estimate in refined(values)]
    assert errors[-1] == 0
    assert errors[0] > errors[len(errors) // 2]


# -- maps ------------------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_the_expected_error_covers_what_is_interpolated():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:30, :26] / 6
    shares = []
    for _ in range(8):
        a, b, c, d = rng.uniform(0.3, 1.5, 4)
        exact = (np.sin(a * rows + c) * np.cos(b * columns + d) + 0.1 * rows)[None]
        exact = (exact + rng.normal(0, 0.05, exact.shape)).astype(np.float32)
        refinement = Refinement(1, exact.shape[1:])
        assert np.isinf(refinement.error()).all()
        while len(cells := refinement.next()):
            refinement.learn(cells, exact[:, *cells.T])
            away, error = np.abs(refinement.estimate() - exact), refinement.error()
            assert (error[:, refinement.known] == 0).all()
            assert (error[:, ~refinement.known] > 0).all()
            shares.append(np.mean(away <= error + 1e-6))
    assert np.mean(shares) >= 0.95
    assert error.max() == 0


def test_the_error_is_no_larger_than_needed():
    rows, columns = np.mgrid[:24, :24]
    plane = (rows + 2.0 * columns)[None].astype(np.float32)
    refinement = Refinement(1, plane.shape[1:])
    cells = refinement.next()
    refinement.learn(cells, plane[:, *cells.T])
    cells = refinement.next()
    refinement.learn(cells, plane[:, *cells.T])
    assert refinement.error().max() < 1e-3 * np.ptp(plane)


def test_the_last_map_is_that_of_occlusion(net, x):
    arguments = {"patch": 2, "stride": 1, "fill": 0.2, "fill_space": "network"}
    told = []
    found = list(
        og.progressive_occlusion(
            net, x[0][None], [0, 1], **arguments, progress=lambda *done: told.append(done[:2])
        )
    )
    whole = og.occlusion(net, x[0][None], [0, 1], **arguments)
    assert len(found) > 2
    np.testing.assert_allclose(found[-1].values, whole.values, atol=1e-5)
    assert found[-1].exact.all()
    assert found[-1].warnings == whole.warnings
    assert told[-1] == (whole.exact.size, whole.exact.size)
    shares = [result.exact.mean() for result in found]
    assert shares == sorted(shares)
    for result in found[:-1]:
        assert result.values.shape == whole.values.shape
        np.testing.assert_allclose(
            result.values[:, result.exact], whole.values[:, result.exact], atol=1e-5
        )
        assert any("% of the cells are exact" in warning for warning in result.warnings)
        assert not result.exact.all()


def test_unfinished_maps_are_saved_and_drawn(net, x, tmp_path):
    first = next(og.progressive_occlusion(net, x[0][None], 1, patch=2, stride=1))
    first.save(tmp_path / "first.npz")
    np.testing.assert_array_equal(og.load_result(tmp_path / "first.npz").exact, first.exact)
    assert first.plot().size[0] > 100


def test_what_is_known_is_not_computed_again(net, x, monkeypatch):
    from optogram.methods.occluding.covering import Covering

    given = {"patch": 4, "stride": 1}
    maps = list(og.progressive_occlusion(net, x[:1], 1, **given))
    assert len(maps) > 2
    computed = []
    real = Covering.scores

    def counted(self, image, places, *rest):
        computed.append(len(places))
        return real(self, image, places, *rest)

    monkeypatch.setattr(Covering, "scores", counted)
    told = []
    further = og.progressive_occlusion(
        net, x[:1], 1, **given, known=maps[0], progress=lambda *progress: told.append(progress)
    )
    last = list(further)[-1]
    np.testing.assert_allclose(last.values, maps[-1].values, atol=1e-5)
    assert last.exact.all() and sum(computed) == (~maps[0].exact).sum()
    assert told[0][0] >= maps[0].exact.sum() and told[-1][0] == told[-1][1]
    computed.clear()
    (same,) = og.progressive_occlusion(net, x[:1], 1, **given, known=maps[-1])
    np.testing.assert_array_equal(same.values, maps[-1].values)
    assert computed == []
    for changes in ({"patch": 5}, {"fill": 0.0}, {"stride": 2}):
        with pytest.raises(InputError, match="known is a map of another"):
            og.progressive_occlusion(net, x[:1], 1, **{**given, **changes}, known=maps[0])
    for image, target in ((x[:1], 0), (x[:1] * 0.5, 1)):
        with pytest.raises(InputError, match="known is a map of another"):
            og.progressive_occlusion(net, image, target, **given, known=maps[0])


def test_maps_of_several_targets_are_continued(net, x):
    given = {"target": [0, 1], "patch": 4, "stride": 1}
    first, *later = og.progressive_occlusion(net, x[:1], **given)
    *_, last = og.progressive_occlusion(net, x[:1], **given, known=first)
    np.testing.assert_allclose(last.values, later[-1].values, atol=1e-5)


def test_several_images_are_not_refined(net, x):
    with pytest.raises(InputError, match="one image, got 2"):
        og.progressive_occlusion(net, x, 1)
    with pytest.raises(InputError, match="patch"):
        og.progressive_occlusion(net, x[:1], 1, patch=99)  # at once, not at the first map


# -- a probe ---------------------------------------------------------------------------------------


@pytest.mark.each_backend
@pytest.mark.parametrize("name", ["everything", "binary"])
def test_a_probe_says_what_the_network_says_of_the_covered_image(name):
    net = og.Network(networks.build(name), "none")
    x = networks.images_for(net.model)[:1]
    height, width = x.shape[1:3]
    probe = og.occlusion_probe(net, x, patch=(4, 5), fill=0.3, fill_space="network", margin=1)
    assert (probe.size, probe.patch) == ((height, width), (4, 5))
    expected = net.head.probabilities(literal.logits(net.model, x[0])[None])[0]
    np.testing.assert_allclose(probe.probabilities, expected, atol=1e-5)
    for y, left in ((0, 0), (3, 7), (-3, 2), (height - 1, width - 1), (height - 4, -4)):
        covered = x[0].copy()
        covered[max(0, y - 1) : max(0, y + 5), max(0, left - 1) : max(0, left + 6)] = 0.3
        expected = net.head.probabilities(literal.logits(net.model, covered)[None])[0]
        np.testing.assert_allclose(probe(y, left), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["fused", "segmentation"])
def test_scores_of_a_probe_are_those_of_the_covered_image(name):
    net = og.Network(networks.build(name), "unit")
    x = networks.images_for(net.model)[:1]
    probe = og.occlusion_probe(net, x, patch=4, fill="blur")
    np.testing.assert_allclose(probe.score, net.scores(x)[0], atol=1e-5)
    covered = x.copy()
    covered[:, 2:6, 0:3] = probe.fill[:, 2:6, 0:3]
    np.testing.assert_allclose(probe.scores(2, -1), net.scores(covered)[0], atol=1e-5)
    expected = net.head.probabilities(net.scores(covered))[0]
    np.testing.assert_allclose(probe(2, -1), expected, atol=1e-5)
    assert probe.nbytes >= 2 * x.nbytes


@pytest.mark.each_backend
def test_a_probe_on_windows(monkeypatch):
    from optogram.interpreters.windowed import costs

    for name in ("BYTE", "_CALL", "_SLACK"):
        monkeypatch.setattr(costs, name, 0.0)
    test_a_probe_says_what_the_network_says_of_the_covered_image("everything")


def test_probes_that_cannot_be(net, x):
    with pytest.raises(InputError, match="one image, got 2"):
        og.occlusion_probe(net, x)
    probe = og.occlusion_probe(net, x[:1], patch=4)
    for place in ((-4, 0), (0, 999)):
        with pytest.raises(InputError, match="outside the image"):
            probe(*place)
    with pytest.raises(InputError, match="patch"):
        og.occlusion_probe(net, x[:1], patch=0)
