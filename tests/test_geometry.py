"""Receptive fields against measured influence; shapes, work and memory against sums by hand."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import networks
from influence import compare, make_additive
from optogram import Network, backend
from optogram.errors import InputError
from optogram.graph.steps import Output, flatten
from optogram.interpreters import forward
from optogram.interpreters.geometry import measure, peak_memory, shapes
from optogram.interpreters.receptive_field import PIXEL

pytestmark = pytest.mark.once

CURRENT = backend.current()

# -- receptive fields ------------------------------------------------------------------------------


EXACT = [
    "fused",
    "separate",
    "activation_layers",
    "depthwise",
    "strided",
    "branches",
    "skips",
    "nested",
    "shared_layer",
    "shared_model",
]


@pytest.mark.parametrize("name", EXACT)
def test_receptive_fields_are_what_has_influence(name):
    compare(make_additive(networks.build(name)), exact=True)


@pytest.mark.each_backend
@pytest.mark.parametrize("name", ["pooled", "transposed", "operations"])
def test_receptive_fields_hold_what_has_influence(name):
    # Maps finer than their input, or split by channels: windows may be wider than the truth.
    compare(make_additive(networks.build(name)), exact=False)


def single(layer, size):
    image = keras.Input((*size, 1))
    return make_additive(keras.Model(image, layer(image)))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [
        (1, 1, 1),
        (2, 1, 1),
        (3, 1, 1),
        ((4, 5), 1, 1),
        (1, 2, 1),
        (2, 2, 1),
        (3, 2, 1),
        (3, (3, 2), 1),
        ((4, 5), 3, 1),
        (2, 1, 2),
        (3, 1, (1, 2)),
        (3, 1, 3),
    ],
)
def test_windows_of_convolutions(kernel, stride, dilation, padding):
    layer = layers.Conv2D(1, kernel, stride, padding, dilation_rate=dilation)
    compare(single(layer, (9, 8)), exact=True)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("pool", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3), ((3, 2), (2, 1))])
@pytest.mark.parametrize("layer", [layers.MaxPooling2D, layers.AveragePooling2D])
def test_windows_of_poolings(layer, pool, stride, padding):
    compare(single(layer(pool, stride, padding), (9, 8)), exact=True)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("kernel", "stride", "more"),
    [
        (3, 1, {}),
        (2, 2, {}),
        (3, 2, {}),
        (4, 2, {}),
        (5, 2, {}),
        (5, 3, {}),
        ((2, 4), (1, 2), {}),
        (3, 2, {"output_padding": 1}),
        (3, 1, {"dilation_rate": 2}),
    ],
)
def test_windows_of_transposed_convolutions(kernel, stride, more, padding):
    layer = layers.Conv2DTranspose(1, kernel, stride, padding, **more)
    compare(single(layer, (6, 7)), exact=True)


def test_windows_of_transposed_convolutions_that_are_padded_otherwise():
    compare(single(layers.Conv2DTranspose(1, 5, 2, "same", output_padding=0), (6, 7)), exact=True)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.UpSampling2D(3),
        lambda: layers.UpSampling2D((1, 2)),
        lambda: layers.UpSampling2D(2, interpolation="bilinear"),
        lambda: layers.ZeroPadding2D(((2, 0), (1, 3))),
        lambda: layers.Cropping2D(((2, 0), (1, 3))),
        lambda: layers.Resizing(4, 9),
        lambda: layers.Permute((2, 1, 3)),
    ],
)
def test_windows_of_layers_that_move_pixels(layer):
    compare(single(layer(), (6, 7)), exact=True)


def test_what_has_no_rule_sees_the_whole_image_and_so_does_all_after_it():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="before")(image)
    x = layers.GroupNormalization(2, name="no_rule")(x)
    graph = flatten(keras.Model(image, layers.Conv2D(4, 3, name="after")(x)))
    fields = {
        graph.steps[index].name: geometry.receptive_field
        for index, geometry in measure(graph, (1, 8, 8, 3)).items()
    }
    assert not fields["before"].is_whole
    assert fields["no_rule"].is_whole
    assert fields["after"].is_whole
    assert fields["after"].size == (math.inf, math.inf)
    assert fields["after"].offset == (0, 0)


class InTraining(layers.Layer):
    """Normalizes in training mode, which no one from outside can change."""

    def __init__(self, trainable):
        super().__init__()
        self.norm = layers.BatchNormalization(name="norm", trainable=trainable)

    def call(self, x):
        return self.norm(x, training=True)


@pytest.mark.parametrize("trainable", [True, False])
def test_batch_normalization_by_the_statistics_of_an_image_sees_the_whole_of_it(trainable):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, layers.Flatten()(InTraining(trainable)(image)))
    for graph, is_whole in ((flatten(model), trainable), (flatten(networks._base()), False)):
        index = next(step.index for step in graph.steps if step.name == "norm")
        field = measure(graph, (1, 16, 16, 3))[index].receptive_field
        assert field.is_whole == is_whole


def test_known_receptive_fields_of_vgg16():
    # Araujo, Norris and Sim, "Computing receptive fields of convolutional networks" (2019).
    image = x = keras.Input((64, 64, 3))
    for block, count in enumerate([2, 2, 3, 3, 3], 1):
        for i in range(1, count + 1):
            x = layers.Conv2D(1, 3, padding="same", name=f"block{block}_conv{i}")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    net = Network(keras.Model(image, x), preprocess="none")
    found = {layer.name: layer.receptive_field for layer in net.layers}
    assert net.layers[0].receptive_field == PIXEL
    for name, size, stride in [
        ("block1_conv1", 3, 1),
        ("block1_conv2", 5, 1),
        ("block2_conv2", 14, 2),
        ("block3_conv3", 40, 4),
        ("block4_conv3", 92, 8),
        ("block5_conv3", 196, 16),
        ("block5_pool", 212, 32),
    ]:
        assert found[name].size == (size, size)
        assert found[name].stride == (stride, stride)
        # "same" padding with odd kernels and even pools: windows stay centered on their cell.
        assert found[name].offset == ((stride - 1) / 2,) * 2


# -- shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 18), (21, 32)])
def test_shapes_of_networks_of_any_size_are_those_of_their_outputs(size):
    model = networks.build("any_size")
    graph = flatten(model)
    found = shapes(graph, (2, *size, 3))
    wanted = [Output(step.index) for step in graph.steps]
    x = CURRENT.to_tensor(networks.images_for(model, size=size))
    with keras.StatelessScope():
        outputs = forward.run(graph, x, wanted)
    assert [tuple(output.shape) for output in outputs] == [shape for (shape,) in found.values()]


@pytest.mark.parametrize("name", ["strided", "operations", "nested", "masked", "converted"])
def test_shapes_of_networks_of_one_size_are_those_of_their_outputs(name):
    model = networks.build(name)
    graph = flatten(model)
    found = shapes(graph, (2, *model.input_shape[1:]))
    wanted = [Output(step.index, i) for step in graph.steps for i in range(len(step.shapes))]
    x = CURRENT.to_tensor(networks.images_for(model))
    with keras.StatelessScope():
        outputs = forward.run(graph, x, wanted)
    expected = [found[output.step][output.index] for output in wanted]
    assert [tuple(output.shape) for output in outputs] == expected


def test_measuring_a_network_of_any_size_leaves_no_trace_in_its_graph():
    model = networks.build("any_size")
    graph = flatten(model)
    operations = [step.operation for step in graph.steps]
    before = [(len(op._inbound_nodes), len(op._outbound_nodes)) for op in operations]
    measure(graph, (1, 32, 48, 3))
    assert [(len(op._inbound_nodes), len(op._outbound_nodes)) for op in operations] == before


@pytest.mark.parametrize(
    ("name", "layer", "size"), [("fused", "conv3", (9, 14)), ("strided", "valid", (33, 20))]
)
def test_up_to_a_convolution_images_of_other_sizes_go_through(name, layer, size):
    model = networks.build(name)
    graph = flatten(model)
    (wanted,) = (Output(step.index) for step in graph.steps if step.name == layer)
    steps = graph.ancestors([wanted])
    found = shapes(graph, (2, *size, 3), steps)
    assert set(found) == set(steps)
    x = CURRENT.to_tensor(np.zeros((2, *size, 3), np.float32))
    with keras.StatelessScope():
        (output,) = forward.run(graph, x, [wanted])
    assert found[wanted.step][0] == tuple(output.shape)
    own = measure(graph, (1, *model.input_shape[1:]), steps)
    other = measure(graph, (1, *size, 3), steps)
    assert other.keys() == own.keys()
    for index in steps:
        assert other[index].receptive_field == own[index].receptive_field
        assert other[index].shape != own[index].shape
    work = {index: other[index].flops for index in steps}
    per_position = {index: own[index].flops / math.prod(own[index].shape[1:3]) for index in steps}
    for index in steps:
        expected = per_position[index] * math.prod(other[index].shape[1:3])
        assert work[index] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("size", "layer", "given"),
    [((4, 4), "conv3", (2, 2, 6)), ((20, 20), "hidden", (384,))],
)
def test_what_does_not_go_through_is_refused_in_one_sentence(size, layer, given):
    graph = flatten(networks.build("fused"))
    with pytest.raises(InputError) as caught:
        measure(graph, (1, *size, 3))
    sentence = str(caught.value)
    assert f"does not accept images of {size[0]}×{size[1]} pixels" in sentence
    assert f"'{layer}" in sentence and str(given) in sentence
    assert "\n" not in sentence


# -- work ------------------------------------------------------------------------------------------


def multiply_adds(net):
    return sum(layer.flops for layer in net.layers if layer.kind in ("Conv2D", "Dense"))


def test_flops_of_vgg16():
    keras.utils.set_random_seed(0)
    net = Network(keras.applications.VGG16(weights=None), preprocess="caffe")
    assert multiply_adds(net) / 1e9 == pytest.approx(30.97, rel=2e-3)


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        # 2 · outputs · window · channels in, + outputs for the bias
        (lambda: layers.Conv2D(5, 3), 2 * (6 * 4 * 5) * 9 * 4 + 6 * 4 * 5),
        (lambda: layers.Conv2D(5, 3, use_bias=False), 2 * (6 * 4 * 5) * 9 * 4),
        (lambda: layers.Conv2D(5, 3, strides=2, padding="same"), 2 * (4 * 3 * 5) * 36 + 60),
        (lambda: layers.Conv2D(8, 3, groups=2, use_bias=False), 2 * (6 * 4 * 8) * 9 * 2),
        (lambda: layers.Conv2D(5, 3, activation="relu"), 2 * 120 * 36 + 120 + 120),
        (lambda: layers.DepthwiseConv2D(3, use_bias=False), 2 * (6 * 4 * 4) * 9),
        (
            lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
            2 * (6 * 4 * 8) * 9 + 6 * 4 * 8,
        ),
        (
            lambda: layers.SeparableConv2D(5, 3, use_bias=False),
            2 * (6 * 4 * 4) * 9 + 2 * (6 * 4 * 5) * 4,
        ),
        # each of the 8 · 6 · 4 inputs is multiplied with a whole 2 × 2 × 5 kernel
        (lambda: layers.Conv2DTranspose(5, 2, 2, use_bias=False), 2 * (8 * 6 * 4) * 4 * 5),
        (lambda: layers.Dense(7), 2 * (8 * 6 * 7) * 4 + 8 * 6 * 7),
        (lambda: layers.MaxPooling2D(2), (4 * 3 * 4) * 4),
        (lambda: layers.GlobalAveragePooling2D(), 8 * 6 * 4),
        (lambda: layers.BatchNormalization(), 2 * 8 * 6 * 4),
        (lambda: layers.ReLU(), 8 * 6 * 4),
        (lambda: layers.Flatten(), 0),
        (lambda: layers.ZeroPadding2D(), 0),
        (lambda: layers.Dropout(0.5), 0),
    ],
)
def test_flops_by_hand(layer, flops):
    image = keras.Input((8, 6, 4))
    net = Network(keras.Model(image, layer()(image)), preprocess="none")
    assert net.layers[1].flops == flops


def test_flops_of_an_addition_of_three():
    image = keras.Input((8, 6, 4))
    net = Network(keras.Model(image, layers.Add()([image, image, image])), preprocess="none")
    assert net.layers[1].flops == 2 * 8 * 6 * 4


def test_flops_of_networks_of_any_size_grow_with_the_image():
    graph = flatten(networks.build("any_size"))
    index = next(step.index for step in graph.steps if step.name == "conv1:pre")
    small, large = (measure(graph, (1, side, side, 3))[index].flops for side in (16, 64))
    assert small == (2 * 8 * 8 * 4) * 27 + 8 * 8 * 4
    assert large == 16 * small


# -- memory ----------------------------------------------------------------------------------------


def peak(model, wanted=None):
    graph = flatten(model)
    geometry = measure(graph, (1, *model.input_shape[1:]))
    indices = [step.index for step in graph.steps if step.name in (wanted or ())]
    return peak_memory(graph, geometry, [Output(i) for i in indices] or graph.outputs)


def test_a_chain_holds_two_maps_at_a_time():
    image = keras.Input((8, 8, 1))
    sizes = [2, 16, 4, 1]
    x = image
    for size in sizes:
        x = layers.Conv2D(size, 1)(x)
    # The two neighbors that are largest together: 2 and 16 channels, or 16 and 4.
    assert peak(keras.Model(image, x)) == (16 + 4) * 64 * 4


def test_what_is_asked_for_is_held_to_the_end():
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(16, 1, name="first")(image)
    x = layers.Conv2D(4, 1, name="second")(x)
    x = layers.Conv2D(8, 1, name="third")(x)
    model = keras.Model(image, x)
    assert peak(model, ["third"]) == (16 + 4) * 64 * 4
    assert peak(model, ["first", "third"]) == (16 + 4 + 8) * 64 * 4
    assert peak(model, ["first"]) == (1 + 16) * 64 * 4


def test_a_skip_connection_holds_its_map():
    image = keras.Input((8, 8, 1))
    stem = layers.Conv2D(4, 1)(image)
    x = layers.Conv2D(8, 1)(stem)
    x = layers.Conv2D(4, 1)(x)
    assert peak(keras.Model(image, layers.Add()([x, stem]))) == (4 + 8 + 4) * 64 * 4


def test_half_precision_takes_half():
    image = keras.Input((8, 8, 1))
    half = layers.Conv2D(4, 1, dtype="mixed_float16")(image)
    graph = flatten(keras.Model(image, half))
    assert [found.memory for found in measure(graph, (1, 8, 8, 1)).values()] == [
        8 * 8 * 4,
        8 * 8 * 4 * 2,
    ]


def test_what_tokens_give_to_each_other_is_memory():
    image = keras.Input((8, 8, 4))
    tokens = layers.Reshape((64, 4))(image)
    graph = flatten(keras.Model(image, layers.MultiHeadAttention(2, 4)(tokens, tokens)))
    memory = [found.memory for found in measure(graph, (1, 8, 8, 4)).values()]
    # Scores, and the same after softmax; dropout passes them on.
    assert memory.count(4 * 2 * 64 * 64) == 2


MEAN = np.random.default_rng(0).random((8, 8, 4)).astype("float32")
FIXING = {
    "a slope for each place": lambda: layers.PReLU(name="it"),
    "slopes for each column": lambda: layers.PReLU(shared_axes=[1], name="it"),
    "a mean image": lambda: layers.Rescaling(1.0, offset=MEAN, name="it"),
    "a mean and a variance image": lambda: layers.Normalization(
        axis=(1, 2, 3), mean=MEAN, variance=MEAN + 1, name="it"
    ),
    "normalization over all axes": lambda: layers.LayerNormalization(axis=[1, 2, 3], name="it"),
    "normalization over places": lambda: layers.LayerNormalization(axis=[1, 2], name="it"),
    "statistics for each row": lambda: layers.BatchNormalization(axis=1, name="it"),
    "a matrix between columns": lambda: layers.EinsumDense(
        "nhwc,wv->nhvc", output_shape=(None, 8, 4), name="it"
    ),
    "a new shape": lambda: layers.Reshape((16, 4, 4), name="it"),
}


@pytest.mark.parametrize("what", FIXING)
def test_a_layer_that_fixes_the_size_is_found_before_anything_runs(what):
    image = keras.Input((8, 8, 3))
    graph = flatten(keras.Model(image, FIXING[what]()(layers.Conv2D(4, 1)(image))))
    assert measure(graph, (1, 8, 8, 3))
    for size in ((12, 8), (8, 12), (12, 12)) if what == "a slope for each place" else ((12, 12),):
        with pytest.raises(InputError, match=r"'it'.*takes only \(8, 8, 4\)"):
            measure(graph, (1, *size, 3))


@pytest.mark.parametrize("name", [n for n in networks.BUILDERS if n != "any_size"])
def test_the_peak_is_no_less_than_the_largest_map_and_no_more_than_all_of_them(name):
    model = networks.build(name)
    measured = measure(flatten(model), (1, *model.input_shape[1:]))
    memory = [geometry.memory for geometry in measured.values()]
    assert max(memory) <= peak(model) <= sum(memory)
