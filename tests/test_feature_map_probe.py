"""Maps of a layer with a patch moved at will over one photo."""

import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("everything"), "none")


def probed(net, layer):
    x = networks.images_for(net.model)[:1]
    height, width = x.shape[1:3]
    probe = og.feature_map_probe(
        net, x, layer, patch=(4, 5), fill=0.3, fill_space="network", margin=1
    )
    clean = og.feature_maps(net, x, layer)[layer].values
    assert probe.nbytes > clean.nbytes and (np.asarray(probe.fill) == np.float32(0.3)).all()
    np.testing.assert_allclose(probe.maps, clean[0], atol=1e-5)
    for y, left in ((0, 0), (3, 7), (-3, 2), (height - 1, width - 1)):
        covered = x.copy()
        covered[:, max(0, y - 1) : max(0, y + 5), max(0, left - 1) : max(0, left + 6)] = 0.3
        found, expected = probe(y, left), og.feature_maps(net, covered, layer)[layer].values
        np.testing.assert_allclose(found.values, expected, atol=1e-5)
        np.testing.assert_allclose(found.difference, expected - clean, atol=2e-5)
        np.testing.assert_array_equal(found.images, net.display(covered))
        top, left, bottom, right = found.box
        assert (covered[:, top:bottom, left:right] == np.float32(0.3)).all()
    return probe


@pytest.mark.parametrize("layer", ["fused", "concat"])
def test_a_probe_gives_the_maps_of_the_covered_image(net, layer):
    probed(net, layer)


def test_a_probe_on_windows(monkeypatch):
    from optogram.interpreters.windowed import costs

    for name in ("BYTE", "_CALL", "_SLACK"):
        monkeypatch.setattr(costs, name, 0.0)
    probe = probed(og.Network(networks.build("everything"), "none"), "depthwise")
    assert probe._windowed is not None
    # What the patch cannot reach has not been computed again.
    assert not probe(0, 0).difference[:, 8:, 8:].any()


def test_later_positions_compile_nothing(net):
    x = networks.images_for(net.model)[:1]
    probe = og.feature_map_probe(net, x, "concat", patch=4)
    before = dict(net._programs._things)
    for y in range(-3, 9, 4):
        probe(y, 5)
    assert net._programs._things.keys() == before.keys()


def test_segmentation_networks_and_photos(tmp_path):
    net = og.Network(networks.build("segmentation"), "unit")
    photo = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    found = og.feature_map_probe(net, photo, "conv1", patch=6)(4, 4)
    changes = np.abs(found.difference[0]).mean(axis=(0, 1))
    assert found.most_changed(2).tolist() == np.argsort(-changes)[:2].tolist()
    assert "OccludedMaps (feature_map_probe) of" in repr(found) and "\n" not in repr(found)
    assert found.photo_size.tolist() == [[32, 48]]
    again = og.load_result(found.save(tmp_path / "maps.npz"))
    np.testing.assert_array_equal(again.difference, found.difference)
    assert again.plot(2).tobytes() == found.plot(2).tobytes()
    assert found.plot(2).width > found.mosaic().width // 4


def test_probes_that_cannot_be(net):
    x = networks.images_for(net.model)
    with pytest.raises(InputError, match="one image, got 2"):
        og.feature_map_probe(net, x, "fused")
    with pytest.raises(InputError, match="no feature maps"):
        og.feature_map_probe(net, x[:1], "predictions")
    with pytest.raises(InputError, match="patch"):
        og.feature_map_probe(net, x[:1], "fused", patch=0)
    probe = og.feature_map_probe(net, x[:1], "fused", patch=4)
    for place in ((-4, 0), (0, 999)):
        with pytest.raises(InputError, match="outside the image"):
            probe(*place)
    assert repr(probe) == "<FeatureMapProbe of everything at fused: maps (12, 12, 6), patch 4×4>"
