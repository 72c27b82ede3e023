"""Units that differ between two photos or two networks, compared with plain NumPy and Keras."""

import keras
import numpy as np
import pytest
from keras import layers

import networks
import optogram as og

MEASURES = ("mean", "maximum", "maps", "weights")


@pytest.fixture(scope="module")
def pair():
    """Two networks of the same architecture, and two prepared photos."""
    nets = [og.Network(networks.build("fused", seed), "unit") for seed in (0, 1)]
    return *nets, networks.images_for(nets[0].model)


def outputs(net, name, x):
    """The output of a layer, from Keras alone: (positions, units) of each image."""
    model = keras.Model(net.model.inputs, net.model.get_layer(name).output)
    found = np.asarray(keras.ops.convert_to_numpy(model(x)), np.float64)
    return found.reshape(len(x), -1, found.shape[-1])


def expected(a, b):
    """mean, maximum and 1 − correlation of maps (positions, units), as the docstring says."""
    size = np.sqrt(np.mean(a**2, axis=0)) + np.sqrt(np.mean(b**2, axis=0))
    peak = np.abs(a).max(axis=0) + np.abs(b).max(axis=0)
    found = []
    for apart, typical in (
        (np.abs(b.mean(axis=0) - a.mean(axis=0)), size),
        (np.abs(b.max(axis=0) - a.max(axis=0)), peak),
    ):
        least = 0.1 * np.median(typical[typical > 0])
        found.append(apart / np.maximum(typical, least))
    correlations = [
        np.corrcoef(one, two)[0, 1] if one.std() and two.std() else float(one.std() == two.std())
        for one, two in zip(a.T, b.T, strict=True)
    ]
    return np.column_stack([*found, 1 - np.array(correlations)])


@pytest.mark.each_backend
def test_two_photos(pair):
    net, _, x = pair
    found = og.unit_differences(net, x[:1], other_image=x[1:])
    assert found.layers == found.other_layers == ("conv1", "conv2", "conv3")
    assert found.measures == ("mean", "maximum")
    assert np.isnan(found.values[:, 2:]).all()
    for row, name in enumerate(found.layers):
        a, b = outputs(net, name, x)
        here = found.rows == row
        assert found.units[here].tolist() == list(range(a.shape[1]))
        np.testing.assert_allclose(found.values[here, :2], expected(a, b)[:, :2], atol=2e-4)
        means = np.column_stack([a.mean(axis=0), b.mean(axis=0)])
        np.testing.assert_allclose(found.means[here], means, atol=1e-5)
        maxima = np.column_stack([a.max(axis=0), b.max(axis=0)])
        np.testing.assert_allclose(found.maxima[here], maxima, atol=1e-5)
    assert found.values[:, :2].max() > 0.05


@pytest.mark.each_backend
def test_two_networks(pair):
    net, other, x = pair
    found = og.unit_differences(net, x, other_net=other)
    assert found.measures == ("maps", "mean", "maximum", "weights")
    for row, name in enumerate(found.layers):
        a, b = (
            outputs(one, name, x).reshape(-1, one[name].output_shape[-1]) for one in (net, other)
        )
        here = found.rows == row
        np.testing.assert_allclose(found.values[here, :3], expected(a, b), atol=2e-4)
        kernels, biases = zip(*(one[name].weights for one in (net, other)), strict=True)
        flat = [
            np.concatenate([k.reshape(-1, k.shape[-1]), bias[None]])
            for k, bias in zip(kernels, biases, strict=True)
        ]
        norms = np.maximum(*(np.linalg.norm(each, axis=0) for each in flat))
        apart = np.linalg.norm(flat[1] - flat[0], axis=0) / norms
        np.testing.assert_allclose(found.values[here, 3], apart, atol=1e-5)
    # A copy of the network answers alike.
    same = og.Network(keras.models.clone_model(net.model), "unit")
    same.model.set_weights(net.model.get_weights())
    np.testing.assert_allclose(og.unit_differences(net, x, other_net=same).values, 0, atol=1e-5)


@pytest.mark.once
def test_the_units_that_differ_most_are_listed(pair):
    net, other, x = pair
    found = og.unit_differences(net, x[:1], other_net=other)
    for by in found.measures:
        most = found.most(5, by)
        values = found.values[:, MEASURES.index(by)]
        np.testing.assert_allclose([each.value for each in most], np.sort(values)[::-1][:5])
        first = most[0]
        at = (found.rows == found.layers.index(first.layer)) & (found.units == first.unit)
        assert first.value == values[at][0] and first.means == tuple(found.means[at][0])
    assert {each.layer for each in found.most(100, layer="conv2")} == {"conv2"}
    with pytest.raises(og.InputError, match='by must be "maps" or "mean"'):
        found.most(by="area")
    with pytest.raises(og.InputError, match="'pool' was not compared"):
        found.most(layer="pool")


@pytest.mark.once
def test_inactive_constant_and_weak_units():
    """Four units: silent, equal everywhere on one side, almost silent, and one that halves."""

    def made(kernel, bias):
        inputs = keras.Input((6, 6, 1))
        conv = layers.Conv2D(4, 1, activation="relu", name="conv")
        answer = layers.Dense(2)(layers.Flatten()(conv(inputs)))
        conv.set_weights([np.reshape(kernel, (1, 1, 1, 4)), np.array(bias)])
        return og.Network(keras.Model(inputs, answer), "none")

    x = np.linspace(0.1, 1, 36, dtype=np.float32).reshape(1, 6, 6, 1)
    net = made([-1, 1, 1e-6, 2], [0.0, 0, 0, 0])
    other = made([-2, 0, 0, 1], [0.0, 0.5, 0, 0])
    found = og.unit_differences(net, x, other_net=other, layers="conv")
    mean, maximum, maps, weights = found.values.T
    assert found.inactive.tolist() == [True, False, False, False]
    assert mean[0] == maximum[0] == maps[0] == 0
    assert maps[1] == 1 and maps[2] == 1 and maps[3] == pytest.approx(0, abs=1e-6)
    assert mean[2] < 1e-4 and maximum[2] < 1e-4  # it fell to nothing, from nearly nothing
    assert maximum[3] == pytest.approx(1 / 3)  # (2 − 1) / (2 + 1)
    np.testing.assert_allclose(weights, [0.5, np.sqrt(1.25), 1, 0.5], rtol=1e-6)
    assert [each.unit for each in found.most(9, "maps")] == [1, 2]


@pytest.mark.once
def test_one_backbone_with_two_heads(pair):
    """Layers with all that they depend on alike are compared; one that only has the name is not."""
    net, _, x = pair
    inner = net.model.get_layer("conv2").output
    x2 = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv3")(inner)
    head = layers.Dense(3)(layers.GlobalAveragePooling2D()(x2))
    other = og.Network(keras.Model(net.model.inputs, head), "unit")
    found = og.unit_differences(net, x, other_net=other)
    assert found.layers == ("conv1", "conv2")
    np.testing.assert_allclose(found.values, 0, atol=1e-5)
    with pytest.raises(og.InputError, match="no layer 'conv3' that is built alike"):
        og.unit_differences(net, x, other_net=other, layers="conv3")


@pytest.mark.once
def test_what_cannot_be_compared_is_said(pair):
    net, _, x = pair
    with pytest.raises(og.InputError, match="Both sides are the same"):
        og.unit_differences(net, x[:1])
    branches = og.Network(networks.build("separate"), "unit")
    with pytest.raises(og.InputError, match="compare two layers with unit_correlations"):
        og.unit_differences(net, x[:1], other_net=branches, layers="conv3")
    with pytest.raises(og.InputError, match="has no feature maps"):
        og.unit_differences(net, x[:1], other_image=x[1:], layers="hidden")


@pytest.mark.once
def test_maps_are_held_for_a_few_layers_at_a_time(pair, monkeypatch):
    from optogram.methods import unit_differences as module

    net, _, x = pair
    whole = og.unit_differences(net, x[:1], other_image=x[1:])
    held = []
    evaluate = og.Network.evaluate

    def watched(self, images, wanted, *arguments, **named):
        held.append(len(wanted))
        return evaluate(self, images, wanted, *arguments, **named)

    monkeypatch.setattr(og.Network, "evaluate", watched)
    monkeypatch.setattr(module, "_HELD", 1)
    told = []
    parts = og.unit_differences(
        net, x[:1], other_image=x[1:], progress=lambda *each: told.append(each)
    )
    assert held == [1] * 6 and told[-1] == (3, 3, "layers")
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-6)


@pytest.mark.each_backend
def test_correlations_of_all_units_of_two_layers(pair):
    net, _, x = pair
    other = og.Network(networks.build("depthwise"), "unit")
    names = [name for name, size in other.map_layers().items() if size == (16, 16)]
    found = og.unit_correlations(net, x, "conv2", other, names[-1])
    a = outputs(net, "conv2", x).reshape(-1, 6)
    b = outputs(other, names[-1], x)
    b = b.reshape(-1, b.shape[-1])
    expected = np.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :]
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    (unit, value), _ = found.nearest(2, 2)
    assert unit == expected[2].argmax() and value == found.values[2].max()
    sizes = "conv1' have 16×16 positions and those of 'conv3' 6×6"
    with pytest.raises(og.InputError, match=sizes):
        og.unit_correlations(net, x, "conv1", net, "conv3")


@pytest.mark.once
def test_they_are_saved_and_drawn(pair, tmp_path):
    net, other, x = pair
    for result in (
        og.unit_differences(net, x[:1], other_net=other),
        og.unit_correlations(net, x[:1], "conv1", other, "conv2"),
    ):
        back = og.load_result(result.save(tmp_path / f"{result.method}.npz"))
        np.testing.assert_array_equal(back.values, result.values)
        assert type(back) is type(result) and back.plot().width > 100
