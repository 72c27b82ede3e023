"""Boxes of detectors as targets, against a detector whose every score is written out here."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers, ops

import optogram as og
from optogram.errors import InputError
from optogram.network.boxes import boxes_of
from optogram.network.outputs import Outputs
from optogram.pictures.boxes import FORMATS, overlaps, to_corners

SIDE, CELL = 32, 8
CELLS = SIDE // CELL
RED, BLUE = 0, 1


def detector(activation=None, classes=2):
    """Scores of red and blue for each cell of 8×8 pixels, and the cell as its box (xyxy)."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    seen = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv")(image)
    seen = layers.AveragePooling2D(CELL, name="cells")(seen)
    scores = layers.Conv2D(classes, 1, name="scores")(seen)
    scores = layers.Reshape((-1, classes))(scores)
    if activation:
        scores = layers.Activation(activation)(scores)
    nothing = layers.Conv2D(4, 1, kernel_initializer="zeros", name="nothing")(seen)
    boxes = layers.Reshape((-1, 4))(nothing) + cells()[None].astype("float32")
    model = keras.Model(image, {"boxes": boxes, "classes": scores})
    draw = np.random.default_rng(0)
    kernel = draw.normal(0, 0.2, (3, 3, 3, 6)).astype("float32")
    kernel[1, 1, 0, 0] = kernel[1, 1, 2, 1] = 2
    model.get_layer("conv").set_weights([kernel, np.full(6, 0.1, "float32")])
    turn = draw.normal(0, 0.1, (1, 1, 6, classes)).astype("float32")
    turn[0, 0, 0, 0] = 3
    turn[0, 0, 1, -1] = 3
    model.get_layer("scores").set_weights([turn, np.full(classes, -1, "float32")])
    return model


def cells():
    """The box of each cell: left, top, right, bottom."""
    rows, columns = np.mgrid[:CELLS, :CELLS].reshape(2, -1) * CELL
    return np.stack([columns, rows, columns + CELL, rows + CELL], axis=-1)


def by_hand(model, x):
    """The scores (cells, classes) in NumPy: convolution, rectifier, mean of each cell, dense."""
    kernel, bias = model.get_layer("conv").get_weights()
    padded = np.pad(x[0].astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    maps = np.maximum(np.einsum("yxcij,ijcf->yxf", windows, kernel) + bias, 0)
    means = maps.reshape(CELLS, CELL, CELLS, CELL, -1).mean((1, 3)).reshape(CELLS**2, -1)
    turn, shift = model.get_layer("scores").get_weights()
    return means @ turn[0, 0] + shift, maps


@pytest.fixture(scope="module")
def model():
    return detector()


@pytest.fixture(scope="module")
def net(model):
    return og.Network(model, "none", labels=["red", "blue"], output="classes")


def image(*marks):
    """Noise, with squares of 6×6 pixels of a color in cells: (row, column, channel, strength)."""
    x = np.random.default_rng(1).uniform(0, 0.1, (1, SIDE, SIDE, 3)).astype("float32")
    for row, column, channel, strength in marks:
        x[0, row * CELL + 1 : row * CELL + 7, column * CELL + 1 : column * CELL + 7, channel] = (
            strength
        )
    return x


TWO = ((0, 1, 0, 1.0), (2, 3, 0, 0.8), (3, 0, 2, 1.0))
"""Red at cell 1, less red at cell 11, blue at cell 12."""


def test_the_score_is_that_of_the_box_and_its_gradient_the_map(model, net):
    x = image(*TWO)
    expected, _ = by_hand(model, x)
    assert expected[:, RED].argmax() == 1 and expected[:, BLUE].argmax() == 12
    found = og.saliency(net, x, og.Box("red", index=11))
    assert found.targets == ("red (0), box 11",)
    assert float(found.score[0]) == pytest.approx(expected[11, RED], abs=1e-5)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[15:25, 23:32] = True  # the cell, and the pixel around it that the convolution reads
    assert not found.values[0][~inside].any() and found.values[0][inside].any()
    step = np.zeros_like(x)
    step[0, 20, 28, 0] = 1e-3
    ends = [by_hand(model, x + sign * step)[0][11, RED] for sign in (1, -1)]
    assert float(found.values[0, 20, 28, 0]) == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=1e-3)


def test_the_box_is_the_most_probable_one_there_and_is_kept(model, net):
    x = image(*TWO)
    asked = [
        og.Box("red"),
        og.Box("red", (14, 22, 26, 34), format="xyxy"),
        og.Box("red", (16, 16, 32, 32), boxes="boxes", format="xyxy"),
        og.Box("blue", (24, 0, 32, 8), format="xyxy")
        - og.Box("red", (24, 0, 32, 8), format="xyxy"),
    ]
    found = og.occlusion(net, x, asked, patch=8, stride=8, fill=0)
    scores, _ = by_hand(model, x)
    expected = (scores[1, RED], scores[11, RED], scores[11, RED], scores[12] @ (-1, 1))
    np.testing.assert_allclose(found.score, expected, atol=1e-5)
    assert found.targets[:2] == (
        "red (0), box 1",
        "red (0), box 11 (rows 16 to 24, columns 24 to 32)",
    )
    # Where the other red is covered, the score is still that of the box chosen at first.
    assert found.values[0, 0, 1] > 1 and abs(found.values[0, 2, 3]) < 1e-3
    assert found.values[1, 2, 3] > 1 and abs(found.values[1, 0, 1]) < 1e-3


def test_several_images_each_have_their_own_box(model, net):
    x = np.concatenate([image(*TWO), image((3, 3, 0, 1.0))])
    found = og.saliency(net, x, og.Box("red"))
    assert found.targets == ("red (0), box 1", "red (0), box 15")
    expected = [by_hand(model, x[:1])[0][1, RED], by_hand(model, x[1:])[0][15, RED]]
    np.testing.assert_allclose(found.score, expected, atol=1e-5)


@pytest.mark.once
def test_maps_of_layers_are_those_before_the_scores(model, net):
    x = image(*TWO)
    assert net.default_layer == "conv"
    found = og.hirescam(net, x, og.Box("red", index=11))
    _, maps = by_hand(model, x)
    turn = model.get_layer("scores").get_weights()[0][0, 0]
    expected = np.zeros((SIDE, SIDE))
    expected[16:24, 24:32] = (maps @ turn[:, RED])[16:24, 24:32] / CELL**2
    np.testing.assert_allclose(found.values[0], np.maximum(expected, 0), atol=1e-5)
    assert not found.warnings
    (warning,) = og.gradcam(net, x, og.Box("red")).warnings
    assert "other objects of the class" in warning
    for method in (og.lrp, og.smoothgrad):
        assert np.isfinite(method(net, x, og.Box("red")).values).all()
    check = og.check(og.gradcam(net, x, og.Box("red")), steps=4)
    assert check.sentence


@pytest.mark.once
@pytest.mark.parametrize(
    ("activation", "classes"), [("sigmoid", 2), ("softmax", 3), ("sigmoid", 1)]
)
def test_logits_and_probabilities(activation, classes):
    model = detector(activation, classes)
    net = og.Network(model, "none", output="classes")
    x = image(*TWO)
    scores, _ = by_hand(model, x)
    label = 1 if classes == 1 else 0  # one sigmoid output: no and yes
    odds = np.exp(scores)
    made = odds / (1 + odds) if activation == "sigmoid" else odds / odds.sum(-1, keepdims=True)
    best = made[:, 0].argmax()
    for score, expected in (("logit", scores), ("probability", made)):
        found = og.saliency(net, x, og.Box(label), score=score)
        assert float(found.score[0]) == pytest.approx(expected[best, 0], abs=1e-5)
        assert found.targets[0].endswith(f"box {best}")


@pytest.mark.once
def test_formats_of_boxes_are_those_of_keras():
    if not hasattr(keras.utils, "bounding_boxes"):
        pytest.skip("this Keras has no formats of boxes")
    boxes = np.array([[4.0, 6, 10, 18], [0, 1, 31, 12]], np.float32)  # yxyx
    size = (40, 80)
    for name in FORMATS:
        if name == "rel_center_yxhw":
            continue  # Keras does not have it
        there = keras.utils.bounding_boxes.convert_format(boxes, "yxyx", name, *size)
        found = to_corners(ops.convert_to_numpy(there), name, size)
        np.testing.assert_allclose(found, boxes, atol=1e-4)
    np.testing.assert_allclose(
        to_corners(np.array([[0.2, 0.1, 0.2, 0.1]]), "rel_center_yxhw", size), [[4, 4, 12, 12]]
    )


@pytest.mark.once
def test_overlaps():
    boxes = np.array([[0.0, 0, 4, 4], [2, 2, 6, 6], [8, 8, 9, 9], [3, 3, 1, 1], [0, 0, 0, np.inf]])
    np.testing.assert_allclose(overlaps(boxes, (0, 0, 4, 4)), [1, 4 / 28, 0, 0, 0])


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: og.Box(0, (4, 4, 4, 8)), "top < bottom"),
        (lambda: og.Box(0, "here"), "top, left, bottom, right"),
        (lambda: og.Box(0, (0, 0, 4, 4), index=1), "leave one of them out"),
        (lambda: og.Box(0, format="corners"), "one of yxyx"),
        (lambda: og.Box(0, index=-1), "index"),
        (lambda: og.Box("green"), "green"),
        (lambda: og.Box(0, index=16), "numbered 0 to 15"),
        (lambda: og.Box(0, (0, 0, 4, 4)), 'format="xyxy"'),
        (lambda: og.Box(0, (0, 0, 4, 4), boxes="box", format="xyxy"), "'boxes'"),
        (lambda: og.Box(0, (0, 0, 4, 4), boxes="classes", format="xyxy"), "not (boxes, 4)"),
        (lambda: og.Box(0, (40, 40, 44, 44), format="xyxy"), "32×32"),
        (lambda: og.Class(0, (0, 0, 4, 4)), "og.Box"),
        (lambda: None, "Box(3, region"),
    ],
)
def test_what_is_no_box_is_refused(net, make, words):
    with pytest.raises(InputError) as error:
        og.saliency(net, image(), make())
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.once
def test_boxes_need_a_network_that_scores_them(model, net):
    other = og.Network(detector(), "none", output="boxes")
    seen = keras.Model(model.input, model.get_layer("scores").output)
    with pytest.raises(InputError, match="open a detector for its class scores"):
        og.saliency(og.Network(seen, "none"), image(), og.Box(0))
    alone = og.Network(keras.Model(model.input, model.output["classes"]), "none")
    with pytest.raises(InputError, match="Which output"):
        og.saliency(alone, image(), og.Box(0, (0, 0, 8, 8), format="xyxy"))
    assert og.saliency(alone, image(), og.Box(0, index=3)).targets == ("class 0, box 3",)
    with pytest.raises(InputError, match="index=…"):
        og.maximize(net, og.Box(0), steps=1)
    assert other.head.scores_boxes


@pytest.mark.once
def test_copies_of_an_image_can_have_other_boxes_if_they_are_sorted(model):
    best, _ = ops.top_k(ops.transpose(model.output["classes"], (0, 2, 1)), 4)
    sorting = keras.Model(model.input, ops.transpose(best, (0, 2, 1)))
    net = og.Network(sorting, "none")
    (warning,) = og.occlusion(net, image(*TWO), og.Box(RED, index=1), patch=16).warnings
    assert "another object can have the index" in warning
    assert not og.saliency(net, image(*TWO), og.Box(RED, index=1)).warnings


@pytest.mark.once
def test_a_report_explains_boxes(net, tmp_path):
    pixels = (255 * image(*TWO)[0]).astype(np.uint8)
    photo = og.Network(net.model, "unit", labels=["red", "blue"], output="classes")
    asked = ["blue", og.Box("red", (16, 24, 24, 32), format="xyxy")]
    page = og.report(photo, pixels, tmp_path, target=asked, methods="gradcam", check=False)
    written = page.read_text()
    assert "blue (1), box 12" in written
    assert "red (0), box 11 (rows 16 to 24, columns 24 to 32)" in written


@pytest.mark.once
@pytest.mark.skipif(importlib.util.find_spec("keras_hub") is None, reason="without KerasHub")
def test_kerashub_decodes_its_own_boxes():
    from keras_hub import models

    keras.utils.set_random_seed(0)
    encoder = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 8, 16],
        stackwise_num_blocks=[1, 1, 1],
        stackwise_num_strides=[1, 2, 2],
        block_type="basic_block",
        image_shape=(64, 64, 3),
    )
    backbone = models.RetinaNetBackbone(
        image_encoder=encoder, min_level=3, max_level=4, use_p5=False, image_shape=(64, 64, 3)
    )
    model = models.RetinaNetObjectDetector(backbone, 3, pre_logits_num_conv_layers=1)
    for weight in model.box_head.weights:
        if "bias" in weight.path:
            weight.assign(np.zeros(weight.shape))
    net = og.Network(model, "unit", output="cls_logits")
    x = np.random.default_rng(0).uniform(size=(1, 64, 64, 3)).astype("float32")
    boxes = boxes_of(Outputs(net, x))
    found = og.gradcam(net, x, og.Box(1, (10, 20, 40, 50)))
    assert found.layer == "lateral_conv_P4"  # boxes of both scales read it
    # Decoded by hand: offsets of the center in sides of the anchor, and logarithms of sides.
    made = {name: ops.convert_to_numpy(each)[0] for name, each in model(x, training=False).items()}
    anchors = model.anchor_generator(ops.convert_to_tensor(x))
    anchors = np.concatenate([ops.convert_to_numpy(each) for each in anchors.values()])  # yxyx
    sides = (anchors[:, 2:] - anchors[:, :2])[:, ::-1]
    middles = (anchors[:, 2:] + anchors[:, :2])[:, ::-1] / 2
    moved = made["bbox_regression"][:, :2] * sides + middles
    grown = np.exp(made["bbox_regression"][:, 2:]) * sides
    corners = np.concatenate([(moved - grown / 2)[:, ::-1], (moved + grown / 2)[:, ::-1]], -1)
    np.testing.assert_allclose(boxes, corners, atol=1e-2)
    chances = 1 / (1 + np.exp(-made["cls_logits"][:, 1]))
    best = (chances * overlaps(corners, (10, 20, 40, 50))).argmax()
    assert found.targets[0].startswith(f"class 1, box {best} (rows")
    assert float(found.score[0]) == pytest.approx(made["cls_logits"][best, 1], abs=1e-4)
