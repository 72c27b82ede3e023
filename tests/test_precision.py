"""Reduced precision: which steps are bfloat16, how large the error is, and what stays exact."""

import importlib

import keras
import numpy as np
import pytest
from keras import layers

import optogram as og
from optogram import backend
from optogram.graph.reduced_precision import with_reduced_precision
from optogram.graph.steps import Output
from optogram.interpreters import precision
from optogram.interpreters.windowed import costs
from optogram.methods.request import checked_gradients, rounding

pytestmark = [pytest.mark.once, pytest.mark.each_backend]


@pytest.fixture(autouse=True)
def reduced(monkeypatch):
    """As on a machine where bfloat16 is faster, and for networks of any size."""
    monkeypatch.setattr(backend.current(), "bfloat16_gain", lambda: 4.0)
    monkeypatch.setattr(precision, "_LEAST_GAIN", 0.0)
    monkeypatch.setattr(rounding, "_SURE", 0.0)


def network(gate: bool = False) -> og.Network:
    keras.utils.set_random_seed(1)
    image = keras.Input((24, 24, 3))
    x = layers.Conv2D(16, 5, activation="relu", name="first")(image)
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Conv2D(16, 3, padding="same", name="second")(x)
    x = layers.BatchNormalization(name="norm")(x)
    if gate:
        share = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
        share = layers.Conv2D(16, 1, activation="sigmoid", name="excite")(share)
        x = layers.Multiply(name="gate")([x, share])
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Conv2D(32, 3, name="third")(x)
    x = layers.Activation("relu", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    answer = layers.Dense(5, activation="softmax", name="classes")(x)
    model = keras.Model(image, answer)
    for weight in model.get_layer("classes").weights:
        weight.assign(keras.random.normal(weight.shape, seed=3))
    return og.Network(model, preprocess="unit")


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def test_large_products_and_what_compares_their_numbers_are_bfloat16():
    graph = with_reduced_precision(network(gate=True).graph).graph
    low = {step.name for step in graph.steps if step.dtypes == ("bfloat16",)}
    assert low == {"first:pre", "first", "pool", "second", "third", "last"}


def test_a_convolution_rounds_its_numbers_to_eight_bits(net, photo):
    """Products of rounded numbers, summed in float32 and rounded once."""
    other, *_ = precision.in_precision(net, "fast", (24, 24))
    x = net.prepare(photo)
    (made,) = other.evaluate(x, [Output(net.step("first:pre").index)])
    kernel, bias = (rounded(np.asarray(w)) for w in net.model.get_layer("first").get_weights())
    seen = np.lib.stride_tricks.sliding_window_view(rounded(x[0]), (5, 5), axis=(0, 1))
    expected = np.einsum("hwcij,ijck->hwk", seen, kernel) + bias
    assert np.abs(made[0] - expected).max() <= np.abs(expected).max() / 128
    assert np.array_equal(made, rounded(made))


@pytest.mark.skipif(keras.config.backend() == "jax", reason="bfloat16 is no faster there")
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_only_the_product_of_a_separable_convolution_is_bfloat16(photo, padding):
    image = keras.Input((24, 24, 3))
    given = {"padding": padding, "depth_multiplier": 2, "depthwise_initializer": "normal"}
    x = layers.Conv2D(32, 3, name="plain")(image)
    x = layers.SeparableConv2D(64, 5, bias_initializer="normal", name="first", **given)(x)
    x = layers.SeparableConv2D(64, 3, strides=2, use_bias=False, name="second", **given)(x)
    x = layers.GlobalAveragePooling2D()(x)
    net = og.Network(keras.Model(image, layers.Dense(3)(x)), preprocess="unit")
    other, *_ = precision.in_precision(net, "fast", (24, 24))
    low = {step.name for step in other.graph.steps if step.dtypes == ("bfloat16",)}
    assert low == {"first", "second"}
    wanted = [Output(net.step(name).index) for name in ("plain", "first", "second")]
    x, *found = other.evaluate(net.prepare(photo), wanted)
    for name, made in zip(("first", "second"), found, strict=True):
        layer = net.model.get_layer(name)
        depthwise, *product = map(np.asarray, layer.get_weights())
        maps = keras.ops.depthwise_conv(
            x, depthwise, strides=layer.strides, padding=padding, data_format="channels_last"
        )
        weights = [rounded(part) for part in product]
        expected = rounded(keras.ops.convert_to_numpy(maps)) @ weights[0][0, 0] + sum(weights[1:])
        assert np.abs(made - expected).max() <= np.abs(expected).max() / 128
        assert np.array_equal(made, rounded(made))
        x = made


def test_a_separable_convolution_with_a_policy_of_its_own_is_run_as_it_is(photo):
    image = keras.Input((24, 24, 3))
    layer = layers.SeparableConv2D(8, 3, dtype="mixed_bfloat16", name="own")
    x = layers.GlobalAveragePooling2D(dtype="float32")(layer(image))
    net = og.Network(keras.Model(image, layers.Dense(3)(x)), preprocess="unit")
    x = net.prepare(photo)
    (found,) = net.evaluate(x, [Output(net.step("own").index)])
    expected = keras.ops.convert_to_numpy(keras.ops.cast(layer(x), "float32"))
    np.testing.assert_allclose(found, expected, atol=np.abs(expected).max() / 256)
    if keras.config.backend() == "tensorflow":
        np.testing.assert_array_equal(found, expected)


def test_scores_are_near_and_the_network_is_unchanged(net, photo):
    before = net.scores(photo)
    fast = net.scores(photo, precision="fast")
    assert 0 < np.abs(fast - before).max() < 0.02 * np.ptp(before)
    assert np.array_equal(net.scores(photo), before)
    assert {layer.dtype_policy.name for layer in net.model.layers} == {"float32"}
    exact, near = (net.predict(photo, precision=one)[0] for one in ("exact", "fast"))
    assert [p.index for p in near] == [p.index for p in exact]
    assert next(iter(net.predict(iter([photo]), precision="fast")))[0].index == exact[0].index


def test_an_occlusion_map_says_its_error(net, photo):
    given = {"patch": 6, "stride": 3}
    exact = og.occlusion(net, photo, [1, 2], **given)
    fast = og.occlusion(net, photo, [1, 2], precision="fast", **given)
    assert exact.exact.all() and exact.rounding_error is None
    assert "precision" not in exact.provenance and fast.provenance["precision"] == "bfloat16"
    assert fast.exact.sum() == 8
    np.testing.assert_allclose(fast.values[:, fast.exact], exact.values[:, fast.exact], atol=1e-5)
    np.testing.assert_allclose(fast.score, exact.score, rtol=1e-5)
    away = np.abs(fast.values - exact.values)
    assert (away.reshape(2, -1).max(axis=1) < 8 * fast.rounding_error).all()
    assert (fast.rounding_error > 0).all()
    assert (fast.rounding_error < 0.3 * exact.values.std(axis=(1, 2))).all()


def test_the_class_that_is_explained_is_decided_exactly(net, photo, monkeypatch):
    chosen = og.occlusion(net, photo).targets
    evaluated = []
    usual = og.Network.evaluate

    def evaluate(self, *args, **kwargs):
        evaluated.append(self.graph is net.graph)
        return usual(self, *args, **kwargs)

    monkeypatch.setattr(og.Network, "evaluate", evaluate)
    assert og.occlusion(net, photo, precision="fast").targets == chosen
    assert og.rise(net, photo, masks=16, precision="fast").targets == chosen
    assert len(evaluated) == 2 and all(evaluated)


def test_where_checks_take_longer_than_what_is_saved_all_is_exact(net, photo, monkeypatch):
    monkeypatch.setattr(rounding, "_SURE", 1.5)
    few = [
        og.rise(net, photo, 1, masks=4, precision="fast"),
        og.occlusion(net, photo, 1, patch=12, stride=12, precision="fast"),
        og.ablationcam(net, photo, 1, "last", precision="fast"),
    ]
    for found in few:
        assert any("save less here" in one for one in found.warnings)
        assert found.rounding_error is None and "precision" not in found.provenance
    assert few[1].exact.all()
    exact = og.ablationcam(net, photo, 1, "last")
    np.testing.assert_array_equal(few[2].values, exact.values)
    many = og.rise(net, photo, 1, masks=256, tolerance=0, precision="fast")
    assert many.provenance["precision"] == "bfloat16"


def test_an_uncompiled_network_keeps_its_programs_to_itself(net):
    compiled, *_ = precision.in_precision(net, "fast", (24, 24))
    direct, *_ = precision.in_precision(net.uncompiled(), "fast", (24, 24))
    assert compiled._programs is not direct._programs


@pytest.mark.parametrize("on_windows", [True, False])
def test_a_probe_says_its_error(net, photo, on_windows, monkeypatch):
    if on_windows:
        for name in ("BYTE", "_CALL", "_SLACK"):
            monkeypatch.setattr(costs, name, 0.0)
    module = importlib.import_module("optogram.methods.occlusion_probe")
    monkeypatch.setattr(module, "_LEAST_GAIN", 0.0)
    exact, fast = (og.occlusion_probe(net, photo, patch=6, precision=p) for p in ("exact", "fast"))
    assert exact.rounding_error == 0 and not exact.warnings + fast.warnings
    np.testing.assert_array_equal(fast.score, exact.score)
    places = [(0, 0), (3, 11), (-2, 20), (18, 18), (9, 9), (12, -5)]
    errors = np.stack([fast.scores(*place) - exact.scores(*place) for place in places])
    found = np.sqrt(np.mean(errors**2))
    assert 0.2 < fast.rounding_error / found < 5
    monkeypatch.setattr(module, "LARGEST_SHARE", 0.0)
    probe = og.occlusion_probe(net, photo, patch=6, precision="fast")
    assert any("error of reduced precision" in warning for warning in probe.warnings)
    monkeypatch.setattr(module, "_LEAST_GAIN", np.inf)
    probe = og.occlusion_probe(net, photo, patch=6, precision="fast")
    np.testing.assert_array_equal(probe.scores(3, 11), exact.scores(3, 11))
    assert any("faster for single patches" in warning for warning in probe.warnings)


def test_verified_cells_decide_what_the_mask_is(net, photo):
    given = {"patch": 6, "stride": 2}
    exact = og.occlusion(net, photo, 1, **given)
    verified = og.occlusion(net, photo, 1, precision="fast+verify", **given)
    assert 8 < verified.exact.sum() <= verified.exact.size
    assert np.array_equal(verified.mask(0.5), exact.mask(0.5))
    assert np.array_equal(verified.values > 0, exact.values > 0)
    assert verified.values.max() == pytest.approx(exact.values.max(), rel=1e-5)
    np.testing.assert_allclose(
        verified.values[:, verified.exact], exact.values[:, verified.exact], atol=1e-5
    )


def test_progressive_maps_end_with_that_of_occlusion(net, photo):
    given = {"patch": 6, "stride": 1, "precision": "fast"}
    whole = og.occlusion(net, photo, 1, patch=6, stride=1)
    *earlier, last = og.progressive_occlusion(net, photo, 1, **given)
    assert len(earlier) > 1 and all(one.exact.sum() == 8 for one in [*earlier, last])
    np.testing.assert_allclose(last.values[:, last.exact], whole.values[:, last.exact], atol=1e-5)
    assert np.corrcoef(last.values.ravel(), whole.values.ravel())[0, 1] > 0.99
    assert np.mean(np.abs(last.values - whole.values) <= last.error + 1e-6) > 0.95
    with pytest.raises(og.InputError, match="exact cells"):
        next(og.progressive_occlusion(net, photo, 1, known=earlier[0], **given))


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("scorecam", {}),
        ("ablationcam", {"rectify": False}),
        ("rise", {"masks": 64, "tolerance": 0}),
        ("kernel_shap", {"segments": 4, "masks": 16}),
    ],
)
def test_maps_of_changed_images_are_near(net, photo, method, given):
    exact, fast = (
        getattr(og, method)(net, photo, 1, precision=one, **given) for one in ("exact", "fast")
    )
    assert fast.rounding_error.shape == (1,) and fast.rounding_error[0] > 0
    assert exact.rounding_error is None
    assert np.corrcoef(exact.values.ravel(), fast.values.ravel())[0, 1] > 0.99
    assert not np.array_equal(exact.values, fast.values)
    np.testing.assert_allclose(fast.score, exact.score, rtol=1e-5)


def test_a_maximized_image_has_its_exact_score(net):
    found = og.maximize(net, 2, "tutorial", steps=3, size=(24, 24), precision="fast")
    np.testing.assert_allclose(found.score, net.scores(found.values)[:, 2], rtol=1e-5)
    assert found.provenance["precision"] == "bfloat16"


def test_strongest_photos_say_their_error(net):
    photos = np.random.default_rng(1).integers(0, 256, (12, 24, 24, 3), dtype=np.uint8)
    exact, fast = (
        og.strongest_images(net, "last", photos, 2, precision=one) for one in ("exact", "fast")
    )
    assert fast.rounding_error.shape == (32,) and fast.rounding_error.max() > 0
    assert np.abs(fast.values - exact.values).max() < 0.02 * exact.values.max()
    with pytest.raises(og.InputError, match="computed exactly"):
        og.strongest_images(net, "last", photos, by="relevance", precision="fast")


def test_functions_of_scores_are_computed_in_both_precisions(net, photo):
    def margin(scores):
        return scores[:, 1] - scores[:, 2]

    exact, fast = (og.occlusion(net, photo, margin, precision=p) for p in ("exact", "fast"))
    np.testing.assert_allclose(exact.score, fast.score, rtol=1e-5)
    assert not np.array_equal(exact.values, fast.values)


def test_a_fast_map_can_be_checked(net, photo):
    found = og.check(og.occlusion(net, photo, 1, patch=6, precision="fast"))
    assert np.isfinite(found.values).all()


def test_without_a_gain_all_is_exact_and_says_so(net, photo, monkeypatch):
    monkeypatch.setattr(precision, "_LEAST_GAIN", 100.0)
    fast = og.occlusion(net, photo, 1, precision="fast")
    assert any("no faster here" in warning for warning in fast.warnings)
    assert fast.exact.all() and "precision" not in fast.provenance
    monkeypatch.setattr(backend.current(), "bfloat16_gain", lambda: 1.0)
    found = og.maximize(net, 2, "tutorial", steps=1, size=(24, 24), precision="fast")
    assert any("computes bfloat16 no faster" in warning for warning in found.warnings)


def normalized() -> og.Network:
    """Convolutions of all kinds, each before a normalization with statistics of its own."""
    keras.utils.set_random_seed(2)
    image = keras.Input((20, 24, 3))
    convolutions = [
        layers.Conv2D(8, 3, strides=2, padding="same", name="strided"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise"),
        layers.Conv2D(16, 3, groups=4, dilation_rate=2, padding="same", use_bias=False),
        layers.Conv2D(16, 1, use_bias=False, name="pointwise"),
        layers.Conv2D(200, 3, name="with a large kernel"),
    ]
    given = [{}, {"center": False}, {"scale": False}, {}, {}]
    x = image
    for convolution, options in zip(convolutions, given, strict=True):
        x = layers.BatchNormalization(**options)(convolution(x))
        x = layers.ReLU()(x)
    apart = layers.Conv2D(200, 1, name="read twice")(x)
    x = layers.Add()([apart, layers.BatchNormalization(name="beside")(apart)])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(5, activation="softmax")(x))
    for layer in model.layers:
        for weight in layer.weights:
            if isinstance(layer, layers.BatchNormalization) or weight.name == "bias":
                weight.assign(keras.random.uniform(weight.shape, 0.5, 1.5))
    return og.Network(model, preprocess="unit")


@pytest.fixture
def without_bfloat16(monkeypatch):
    """As on a machine where bfloat16 is no faster."""
    monkeypatch.setattr(backend.current(), "bfloat16_gain", lambda: 1.0)


@pytest.mark.usefixtures("without_bfloat16")
@pytest.mark.skipif(keras.config.backend() == "jax", reason="XLA fuses normalizations by itself")
def test_normalizations_are_folded_into_the_convolutions_before_them(photo, monkeypatch):
    net = normalized()
    folded = []
    usual = backend.current().merged

    def counted(layer, normalization, rectifier):
        run = usual(layer, normalization, rectifier)

        def once(x):
            folded.extend([layer.name] if normalization else [])
            return run(x)

        return run and once

    monkeypatch.setattr(backend.current(), "merged", counted)
    exact = net.scores(photo)
    assert not folded
    fast = net.scores(photo, precision="fast")
    assert len(set(folded)) == 5 and "read twice" not in folded
    np.testing.assert_allclose(fast, exact, rtol=0, atol=1e-5 * np.abs(exact).max())
    other, *_ = precision.in_precision(net, "fast", net.nominal_size)
    wanted = [Output(net.step(name).index) for name in ("strided", "pointwise", "read twice")]
    x = net.prepare(photo)
    for one, expected in zip(other.evaluate(x, wanted), net.evaluate(x, wanted), strict=True):
        np.testing.assert_allclose(one, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.usefixtures("without_bfloat16")
@pytest.mark.skipif(keras.config.backend() == "jax", reason="XLA fuses normalizations by itself")
def test_windows_are_folded_too(photo, monkeypatch):
    net = normalized()
    found = [og.occlusion(net, photo, 1, patch=4, stride=2, precision=p) for p in ("exact", "fast")]
    exact, fast = found
    np.testing.assert_allclose(fast.values, exact.values, atol=1e-5 * np.abs(exact.score).max())
    assert fast.provenance["precision"] == "folded" and not fast.exact.all()
    assert not np.array_equal(fast.values, exact.values)
    made = og.maximize(net, 2, "tutorial", steps=3, size=net.nominal_size, precision="fast")
    plain = og.maximize(net, 2, "tutorial", steps=3, size=net.nominal_size)
    np.testing.assert_allclose(made.history, plain.history, rtol=1e-4)


@pytest.mark.usefixtures("without_bfloat16")
@pytest.mark.skipif(keras.config.backend() != "jax", reason="others fold normalizations")
def test_without_anything_to_fold_all_is_exact(photo, monkeypatch):
    monkeypatch.setattr(precision, "_LEAST_GAIN", 1.04)
    found = og.occlusion(normalized(), photo, 1, patch=8, precision="fast")
    assert found.exact.all() and any("no faster here" in one for one in found.warnings)


def test_an_unknown_precision_is_refused(net, photo):
    with pytest.raises(og.InputError, match='must be "exact" or "fast", not "quick"'):
        og.rise(net, photo, precision="quick")
    with pytest.raises(og.InputError, match='"fast" or "fast\\+verify", not "half"'):
        og.occlusion(net, photo, precision="half")


def rounded(array):
    """float32 rounded to bfloat16: half to even, 16 bits cut off."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


CAMS = ("gradcam", "gradcam_plus_plus", "hirescam", "xgradcam", "layercam")


@pytest.fixture(scope="module")
def photos():
    """Twelve photos of a few colored areas."""
    areas = np.random.default_rng(2).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    return areas.repeat(6, axis=1).repeat(6, axis=2)


@pytest.mark.parametrize("name", CAMS)
def test_class_activation_maps_of_many_photos_say_their_error(photos, name):
    own = network()
    kernel, bias = own.model.get_layer("classes").get_weights()
    kernel[:, 1] = np.abs(kernel[:, 1])  # no map is empty
    own.model.get_layer("classes").set_weights([kernel, bias])
    own = og.Network(own.model, preprocess="unit")
    exact = getattr(og, name)(own, photos, 1, ["third", "last"])
    fast = getattr(og, name)(own, photos, 1, ["third", "last"], precision="fast")
    assert list(fast) == list(exact)
    for layer, found in fast.items():
        again, away = found.rounding_error == 0, np.abs(found.values - exact[layer].values)
        assert again.sum() == 4 and found.provenance["precision"] == "bfloat16"
        np.testing.assert_allclose(found.values[again], exact[layer].values[again], atol=1e-6)
        np.testing.assert_allclose(found.score[again], exact[layer].score[again], rtol=1e-5)
        means = np.sqrt(np.mean(away**2, axis=(1, 2)))
        assert means[~again].max() > 1e-6
        assert (means <= 4 * found.rounding_error + 1e-6).mean() >= 0.9
        assert exact[layer].rounding_error is None


def test_classes_that_rounding_could_change_are_decided_exactly(photos):
    """Two classes differ by less than rounding: such photos are computed again."""
    own = network()
    kernel, bias = own.model.get_layer("classes").get_weights()
    kernel[:, 1], bias[:] = kernel[:, 0] + 1e-6, (9, 9, 0, 0, 0)
    own.model.get_layer("classes").set_weights([kernel, bias])
    own = og.Network(own.model, preprocess="unit")
    exact = og.gradcam(own, photos, layer="last")
    fast = og.gradcam(own, photos, layer="last", precision="fast")
    assert fast.targets == exact.targets and (fast.rounding_error == 0).all()
    np.testing.assert_allclose(fast.values, exact.values, atol=1e-6)
    np.testing.assert_allclose(fast.gradients, exact.gradients, atol=1e-6)
    np.testing.assert_allclose(fast.maps, exact.maps, atol=1e-6)


def test_a_large_error_of_class_activation_maps_is_a_warning(net, photos, monkeypatch):
    monkeypatch.setattr(checked_gradients, "LARGEST_SHARE", 1e-6)
    found = og.gradcam(net, photos[:6], 1, "last", rectify=False, precision="fast")
    assert any("in 2 maps" in one for one in found.warnings)


def test_one_class_activation_map_is_exact(net, photo, monkeypatch):
    monkeypatch.setattr(rounding, "_SURE", 1.5)
    found = og.gradcam(net, photo, 1, "last", precision="fast")
    assert found.rounding_error is None and "precision" not in found.provenance
    assert any("save less here" in one for one in found.warnings)
    np.testing.assert_array_equal(found.values, og.gradcam(net, photo, 1, "last").values)
