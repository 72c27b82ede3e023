"""Classes within a region of what a segmentation network returns."""

import keras
import numpy as np
import pytest
from keras import ops

import literal
import networks
import optogram as og
from optogram.errors import InputError

SIDE = networks.SIDE


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("segmentation"), "unit", labels=["sky", "tree", "road"])


@pytest.fixture(scope="module")
def x(net):
    return networks.images_for(net.model, count=1)


def by_hand(net, x, index, mask):
    """∂/∂x of the mean logit of class ``index`` where ``mask`` is true, out of Keras's layers."""
    answer = net.model.get_layer("classes")
    linear = keras.layers.Conv2D(3, 1)
    model = keras.Model(net.model.input, linear(answer.input))
    linear.set_weights(answer.get_weights())
    inside, count = literal.tensor(mask), float(mask.sum())
    return literal.gradient_of_output(
        model, x[0], lambda maps: ops.sum(maps[:, :, index] * inside) / count
    )


def test_the_score_is_the_mean_logit_inside(net, x):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[3:7, 2:9] = True
    logits = net.scores(x)[0]
    assert logits.shape == (SIDE, SIDE, 3)
    inside = logits[3:7, 2:9, 1].mean()
    for region in ((3, 2, 7, 9), mask):
        found = og.saliency(net, x, og.Class("tree", region))
        assert found.score[0] == pytest.approx(inside, rel=1e-5)
        expected = by_hand(net, x, 1, mask)
        np.testing.assert_allclose(found.values[0], expected, atol=1e-5 * np.abs(expected).max())


def test_where_the_network_sees_a_class_is_a_region(net, x):
    seen = net.scores(x)[0].argmax(-1)
    index = seen[0, 0]
    where = seen == index
    found = og.gradcam(net, x, og.Class(int(index), where), rectify=False)
    assert found.values.shape == (1, SIDE, SIDE) and found.values.any()
    name = net.labels.names[index]
    assert found.targets == (f"{name} ({index}) in a region of {where.sum()} pixels",)


def test_no_region_is_everywhere_and_differences_are_taken(net, x):
    whole = og.saliency(net, x, 1).values
    boxed = og.saliency(net, x, og.Class(1, (0, 0, SIDE, SIDE))).values
    np.testing.assert_array_equal(whole, boxed)
    other = og.saliency(net, x, og.Class(0)).values
    found = og.saliency(net, x, og.Class(1) - og.Class(0)).values
    np.testing.assert_allclose(found, whole - other, atol=1e-6)


def test_a_pixel_outside_what_the_region_sees_has_no_gradient(net, x):
    found = og.saliency(net, x, og.Class(1, (4, 4, 6, 6))).values[0].any(-1)
    assert found[3:7, 3:7].all() and not found[:3].any() and not found[:, 7:].any()


def test_regions_are_values(net):
    mask = np.eye(SIDE, dtype=bool)
    assert og.Class(1, mask) == og.Class(1, mask.copy()) != og.Class(1, ~mask)
    assert hash(og.Class(1, mask)) == hash(og.Class(1, mask.copy()))
    np.testing.assert_array_equal(og.Class(1, mask).region.array(), mask)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ((4, 4, 4, 8), "top < bottom"),
        ((0, 0, SIDE + 1, 4), f"{SIDE}×{SIDE}"),
        ((-1, 0, 4, 4), "not within"),
        ((0, 0, 4), "(top, left, bottom, right)"),
        ((0.0, 0, 4, 4), "whole pixels"),
        ("sky", "whole pixels"),
        (np.zeros((SIDE, SIDE)), "bool array"),
        (np.zeros((SIDE, SIDE), bool), "empty"),
        (np.ones((SIDE, 4), bool), f"mask of {SIDE}×4"),
    ],
)
def test_regions_that_cannot_be(net, x, region, words):
    with pytest.raises(InputError) as error:
        og.saliency(net, x, og.Class(1, region))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_region_of_a_network_that_scores_whole_pictures(x):
    net = og.Network(networks.build("linear"), "unit")
    with pytest.raises(InputError, match="a region needs a network that scores classes at every"):
        og.saliency(net, x, og.Class(1, (0, 0, 4, 4)))


def test_classes_on_a_map_of_one_pixel_are_scores_of_the_picture():
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    average = keras.layers.GlobalAveragePooling2D(keepdims=True)(maps)
    for activation in ("softmax", None):
        last = keras.layers.Conv2D(3, 1, activation=activation, name="answer")
        model = keras.Model(image, last(average))
        net, x = og.Network(model, "unit"), networks.images_for(model)
        expected = ops.convert_to_numpy(model(x))[:, 0, 0]
        found = net.scores(x)
        if activation:
            np.testing.assert_allclose(net.head.probabilities(found), expected, atol=1e-6)
            (expected,) = net.evaluate(x, [net.head.output])
            np.testing.assert_allclose(net.head.probabilities(found), expected, atol=1e-6)
        else:
            np.testing.assert_allclose(found, expected, atol=1e-6)
        assert net.default_layer == "conv"
        assert len(net.predict(x, top=2)[0]) == 2
        assert og.gradcam(net, x).values.shape == (2, SIDE - 2, SIDE - 2)


@pytest.mark.once
def test_one_output_of_a_panoptic_network_is_chosen_by_name():
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(4, 3, 2, padding="same", activation="relu", name="conv")(image)
    wide = keras.layers.UpSampling2D(interpolation="bilinear")(maps)
    made = {
        "centers": keras.layers.Conv2D(1, 1, activation="sigmoid")(wide),
        "offsets": keras.layers.Conv2D(2, 1)(wide),
        "semantic": keras.layers.Conv2D(3, 1, activation="softmax", name="classes")(wide),
    }
    model = keras.Model(image, made)
    with pytest.raises(InputError, match="'centers', 'offsets', 'semantic'"):
        og.Network(model, "unit")
    net = og.Network(model, "unit", labels=["sky", "tree", "road"], output="semantic")
    assert net.outputs["offsets"] == (None, SIDE, SIDE, 2)
    x = networks.images_for(model, count=1)
    target = og.Class("tree", (3, 2, 7, 9))
    found = og.saliency(net, x, target)
    assert found.score[0] == pytest.approx(net.scores(x)[0, 3:7, 2:9, 1].mean(), rel=1e-5)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[3:7, 2:9] = True
    expected = by_hand(og.Network(keras.Model(image, made["semantic"]), "unit"), x, 1, mask)
    np.testing.assert_allclose(found.values[0], expected, atol=1e-5 * np.abs(expected).max())
    for method in (og.gradcam, og.occlusion, og.lrp):
        assert np.isfinite(method(net, x, target).values).all()
    offset = og.saliency(og.Network(model, "unit", output="offsets"), x, og.Class(1, (0, 0, 4, 4)))
    offsets = keras.ops.convert_to_numpy(model(x)["offsets"])
    assert offset.score[0] == pytest.approx(offsets[0, :4, :4, 1].mean(), rel=1e-4)
