"""How far each method is from its literal computation, on the current backend.

``python tests/method_differences.py`` prints the table; ``test_methods.py`` holds the bound.
"""

import functools
from dataclasses import dataclass

import keras
import numpy as np

import literal
import literal_cams
import literal_gradients
import networks
import optogram as og


@dataclass(frozen=True)
class Subject:
    """A network and what it is asked."""

    net: og.Network
    x: np.ndarray
    default_layer: str
    inner_layer: str
    layers: tuple[str, ...]
    kernels: tuple[str, ...]
    patch: tuple[int, int]
    stride: tuple[int, int]
    few_maps: str
    """A layer with so few maps that Score-CAM of it is soon done, twice."""
    on_the_way: np.ndarray | None = None
    """An image to come to from black without a rectifier that is as good as at its kink."""

    @property
    def model(self):
        return self.net.model

    @property
    def black(self):
        black = {"unit": 0, "lite": -127 / 128}[self.net.preparation.name]
        return np.full(self.x.shape[1:], black, np.float32)

    @property
    def white(self):
        white = {"unit": 1, "lite": 1}[self.net.preparation.name]
        return np.full(self.x.shape[1:], white, np.float32)

    @property
    def answers(self):
        """The class of the highest score of each image."""
        return [int(literal.logits(self.model, image).argmax()) for image in self.x]

    @property
    def neuron(self):
        """(position, channel) of an element of the inner layer that no rectifier has cut off."""
        maps = literal.feature_maps(self.model, self.x[0], self.inner_layer)
        y, x, channel = np.unravel_index(np.abs(maps - 3).argmin(), maps.shape)
        return (int(y), int(x)), int(channel)


def small():
    model = networks.build("everything")
    return Subject(
        net=og.Network(model, preprocess="unit"),
        x=networks.images_for(model),
        default_layer="dropout",
        inner_layer="norm",
        layers=("fused", "padding", "leaky", "separable", "concat", "transposed", "prelu"),
        kernels=("fused", "depthwise", "separable", "plain"),
        patch=(6, 5),
        stride=(4, 7),
        few_maps="dropout",
    )


def lite0(photo):
    import skimage.data

    net = og.load("efficientnet-lite0")
    return Subject(
        net=net,
        x=net.prepare([photo]),
        default_layer="head_relu6",
        inner_layer="block6b_depthwise_relu6",
        layers=("stem_relu6", "block2b_add", "head_bn"),
        kernels=("stem_conv", "block2a_depthwise", "head_conv"),
        patch=(81, 60),
        stride=(60, 80),
        few_maps="block1a_project_bn",
        on_the_way=net.prepare([skimage.data.coffee()]),
    )


def highest(logits):
    return logits.max() if isinstance(logits, np.ndarray) else keras.ops.max(logits)


# The same function for the same score: what `literal` compiles for it is compiled once.
@functools.cache
def one(index):
    return lambda logits: logits[index]


@functools.cache
def difference(first, second):
    return lambda logits: logits[first] - logits[second]


@functools.cache
def probability(index):
    def score(logits):
        if isinstance(logits, np.ndarray):
            return np.exp(logits[index]) / np.exp(logits).sum()
        return keras.ops.softmax(logits[None])[0, index]

    return score


def feature_maps(subject):
    found = og.feature_maps(subject.net, subject.x, subject.layers)
    for layer in subject.layers:
        for image, values in zip(subject.x, found[layer].values, strict=True):
            yield values, literal.feature_maps(subject.model, image, layer)


def kernels(subject):
    for layer in subject.kernels:
        values = og.kernels(subject.net, layer).values
        yield values, literal.array(subject.model.get_layer(layer).weights[0])


def saliency(subject):
    found = og.saliency(subject.net, subject.x)
    for image, values, score in zip(subject.x, found.values, found.score, strict=True):
        yield values, literal.gradient(subject.model, image, highest)[0]
        yield score, literal.logits(subject.model, image).max()


def saliency_of_a_difference(subject):
    found = og.saliency(subject.net, subject.x[:1], og.Class(3) - og.Class(1))
    yield found.values[0], literal.gradient(subject.model, subject.x[0], difference(3, 1))[0]


def saliency_of_a_probability(subject):
    found = og.saliency(subject.net, subject.x[:1], 2, score="probability")
    yield found.values[0], literal.gradient(subject.model, subject.x[0], probability(2))[0]


def gradcam(subject):
    found = og.gradcam(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal.gradcam(subject.model, image, highest, subject.default_layer)


def gradcam_inner(subject):
    found = og.gradcam(subject.net, subject.x, [1] * len(subject.x), subject.inner_layer)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal.gradcam(subject.model, image, one(1), subject.inner_layer)


def gradcam_signed(subject):
    found = og.gradcam(subject.net, subject.x[:1], 2, subject.inner_layer, rectify=False)
    expected = literal.gradcam(subject.model, subject.x[0], one(2), subject.inner_layer, False)
    yield found.values[0], expected


def _occlusion(subject, targets, scores, paint, images=slice(0, 1), margin=0, **arguments):
    found = og.occlusion(
        subject.net,
        subject.x[images],
        targets,
        patch=subject.patch,
        stride=subject.stride,
        margin=margin,
        **arguments,
    )
    shown = list(subject.x[images])
    shown = shown * len(scores) if len(shown) == 1 else shown
    for i, (image, score) in enumerate(zip(shown, scores, strict=True)):
        at_each, fall = literal.occlusion(
            subject.model, image, score, subject.patch, subject.stride, paint(image), margin
        )
        yield found.scores[i], at_each
        yield found.values[i], fall


def _gray(subject, display):
    color = np.full((1, 1, subject.x.shape[-1]), display, np.float32)
    scaled = {"unit": color / 255, "lite": (color - 127) / 128}[subject.net.preparation.name]
    return lambda image: np.broadcast_to(scaled, image.shape)


def occlusion(subject):
    yield from _occlusion(subject, None, [highest], _gray(subject, 127.5))


def occlusion_targets(subject):
    """Several targets on one image, a margin, another gray."""
    targets = [1, og.Class(3) - og.Class(1)]
    scores = [one(1), difference(3, 1)]
    yield from _occlusion(subject, targets, scores, _gray(subject, 40), margin=2, fill=40)


def occlusion_images(subject):
    """As many targets as images, in the network's own units."""
    targets, scores = [2, 4][: len(subject.x)], [one(2), one(4)][: len(subject.x)]
    paint = lambda image: np.full_like(image, -0.3)  # noqa: E731
    images = slice(0, len(subject.x))
    yield from _occlusion(subject, targets, scores, paint, images, fill=-0.3, fill_space="network")


def occlusion_mean(subject):
    paint = lambda image: np.broadcast_to(image.mean(axis=(0, 1)), image.shape)  # noqa: E731
    yield from _occlusion(subject, 1, [one(1)], paint, fill="mean")


def occlusion_blur(subject):
    sigma = (max(subject.patch) + 2) / 2
    paint = lambda image: literal.blurred(image, sigma)  # noqa: E731
    yield from _occlusion(subject, 1, [one(1)], paint, margin=1, fill="blur")


def guided_backprop(subject):
    found = og.guided_backprop(subject.net, subject.x)
    guided = literal.guided_network(subject.model)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal.gradients(guided, highest)(image)


def guided_backprop_targets(subject):
    """A difference, a filter and a neuron in one call."""
    position, channel = subject.neuron
    layer, image = subject.inner_layer, subject.x[0]
    targets = [
        og.Class(3) - og.Class(1),
        og.Filter(layer, channel),
        og.Neuron(layer, position, channel),
    ]
    found = og.guided_backprop(subject.net, subject.x[:1], targets)
    guided = literal.guided_network(subject.model)
    inner = keras.Model(guided.input, guided.get_layer(layer).output)
    mean = lambda maps: keras.ops.mean(maps[:, :, channel])  # noqa: E731
    one_element = lambda maps: maps[(*position, channel)]  # noqa: E731
    yield found.values[0], literal.gradients(guided, difference(3, 1))(image)
    yield found.values[1], literal.gradients_of_output(inner, mean)(image)
    yield found.values[2], literal.gradients_of_output(inner, one_element)(image)


def smoothgrad(subject):
    # Seed 7: with others a rectifier of EfficientNet-Lite0 is within rounding of its kink.
    found = og.smoothgrad(subject.net, subject.x, samples=2, seed=7)
    for image, values, answer in zip(subject.x, found.values, subject.answers, strict=True):
        gradient_at = literal.gradients(subject.model, one(answer))
        yield values, literal.smoothgrad(gradient_at, image, 2, 0.15, 7)


def smoothgrad_targets(subject):
    """A sum and a filter in one call, other noise."""
    channel = subject.neuron[1]
    targets = [0.5 * og.Class(2) + og.Class(1), og.Filter(subject.inner_layer, channel)]
    found = og.smoothgrad(subject.net, subject.x[:1], targets, samples=3, noise=0.05, seed=7)
    inner = keras.Model(subject.model.input, subject.model.get_layer(subject.inner_layer).output)
    mean = lambda maps: keras.ops.mean(maps[:, :, channel])  # noqa: E731
    for values, gradient_at in zip(
        found.values,
        [
            literal.gradients(subject.model, lambda logits: 0.5 * logits[2] + logits[1]),
            literal.gradients_of_output(inner, mean),
        ],
        strict=True,
    ):
        yield values, literal.smoothgrad(gradient_at, subject.x[0], 3, 0.05, 7)


def gradient_times_input(subject):
    found = og.gradient_times_input(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, image * literal.gradient(subject.model, image, highest)[0]


def deconvnet(subject):
    found = og.deconvnet(subject.net, subject.x)
    deconvolved = literal_gradients.deconvolved_network(subject.model)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal.gradients(deconvolved, highest)(image)


def vargrad(subject):
    """Three copies in one batch, and the other two moments of the same."""
    found = og.vargrad(subject.net, subject.x, samples=3, seed=5)
    others = found.smoothgrad(), found.squaregrad()
    for i, (image, answer) in enumerate(zip(subject.x, subject.answers, strict=True)):
        gradient_at = literal.gradients(subject.model, one(answer))
        expected = literal_gradients.noisy_gradients(gradient_at, image, 3, 0.15, 5)
        yield found.values[i], literal_gradients.vargrad(expected)
        yield others[0].values[i], expected.mean(axis=0)
        yield others[1].values[i], literal_gradients.squaregrad(expected)


def squaregrad_targets(subject):
    """A difference and a filter in one call."""
    channel = subject.neuron[1]
    targets = [og.Class(3) - og.Class(1), og.Filter(subject.inner_layer, channel)]
    found = og.squaregrad(subject.net, subject.x[:1], targets, samples=2, noise=0.05, seed=7)
    inner = keras.Model(subject.model.input, subject.model.get_layer(subject.inner_layer).output)
    mean = lambda maps: keras.ops.mean(maps[:, :, channel])  # noqa: E731
    for values, gradient_at in zip(
        found.values,
        [
            literal.gradients(subject.model, difference(3, 1)),
            literal.gradients_of_output(inner, mean),
        ],
        strict=True,
    ):
        expected = literal_gradients.noisy_gradients(gradient_at, subject.x[0], 2, 0.05, 7)
        yield values, literal_gradients.squaregrad(expected)


def expected_gradients(subject):
    """Three baselines for five samples: two of them are used twice."""
    baselines = np.stack([subject.black, 0.5 * subject.x[0], -subject.black / 2])
    images = subject.x if subject.on_the_way is None else subject.on_the_way
    found = og.expected_gradients(subject.net, images, baselines=baselines, samples=5, seed=2)
    for i, image in enumerate(images):
        answer = int(literal.logits(subject.model, image).argmax())
        gradient_at = literal.gradients(subject.model, one(answer))
        yield (
            found.values[i],
            literal_gradients.expected_gradients(gradient_at, image, baselines, 5, 2),
        )
        scores = [literal.logits(subject.model, start)[answer] for start in baselines]
        yield found.baseline_score[i], (2 * scores[0] + 2 * scores[1] + scores[2]) / 5


def guided_integrated_gradients(subject):
    """From noise: where all pixels are equal, the last bits choose the winners of max-poolings."""
    start = np.random.default_rng(1).random(subject.x.shape[1:], np.float32)
    found = og.guided_integrated_gradients(
        subject.net, subject.x, points=5, max_dist=0.1, baseline=start[None]
    )
    for i, image in enumerate(subject.x):
        answer = int(literal.logits(subject.model, image).argmax())
        gradient_at = literal.gradients(subject.model, one(answer))
        expected = literal_gradients.guided_integrated_gradients(
            gradient_at, image, start, 5, 0.25, 0.1
        )
        yield found.values[i], expected
        change = found.score[i] - found.baseline_score[i]
        yield change + found.completeness_gap[i], expected.sum()


def xrai(subject):
    images = subject.x if subject.on_the_way is None else subject.on_the_way
    found = og.xrai(subject.net, images, points=4)
    for i, image in enumerate(images):
        answer = int(literal.logits(subject.model, image).argmax())
        gradient_at = literal.gradients(subject.model, one(answer))
        both = sum(
            literal.integrated_gradients(gradient_at, image, start, 4)
            for start in (subject.black, subject.white)
        )
        yield (
            found.values[i],
            literal_gradients.xrai(both.sum(axis=-1) / 2, subject.net.display(image[None])[0]),
        )


def integrated_gradients(subject):
    images = subject.x if subject.on_the_way is None else subject.on_the_way
    found = og.integrated_gradients(subject.net, images, points=4)
    for i, image in enumerate(images):
        answer = int(literal.logits(subject.model, image).argmax())
        gradient_at = literal.gradients(subject.model, one(answer))
        expected = literal.integrated_gradients(gradient_at, image, subject.black, 4)
        yield found.values[i], expected
        yield found.score[i], literal.logits(subject.model, image)[answer]
        black = literal.logits(subject.model, subject.black)[answer]
        yield found.baseline_score[i], black


def integrated_gradients_targets(subject):
    """A difference and a neuron in one call."""
    position, channel = subject.neuron
    targets = [og.Class(3) - og.Class(1), og.Neuron(subject.inner_layer, position, channel)]
    found = og.integrated_gradients(subject.net, subject.x[:1], targets, points=3)
    inner = keras.Model(subject.model.input, subject.model.get_layer(subject.inner_layer).output)
    one_element = lambda maps: maps[(*position, channel)]  # noqa: E731
    for values, gradient_at in zip(
        found.values,
        [
            literal.gradients(subject.model, difference(3, 1)),
            literal.gradients_of_output(inner, one_element),
        ],
        strict=True,
    ):
        yield values, literal.integrated_gradients(gradient_at, subject.x[0], subject.black, 3)


def integrated_gradients_of_a_probability(subject):
    answer = subject.answers[0]
    found = og.integrated_gradients(subject.net, subject.x[:1], points=3, score="probability")
    gradient_at = literal.gradients(subject.model, probability(answer))
    expected = literal.integrated_gradients(gradient_at, subject.x[0], subject.black, 3)
    yield found.values[0], expected


def gradcam_plus_plus(subject):
    found = og.gradcam_plus_plus(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield (
            values,
            literal.gradcam_plus_plus(subject.model, image, highest, subject.default_layer),
        )


def _inner_targets(subject, method, expected):
    """Two targets in one call of ``method`` at the inner layer."""
    targets, scores = [2, og.Class(3) - og.Class(1)], [one(2), difference(3, 1)]
    found = method(subject.net, subject.x[:1], targets, subject.inner_layer)
    for values, score in zip(found.values, scores, strict=True):
        yield values, expected(subject.model, subject.x[0], score, subject.inner_layer)


def gradcam_plus_plus_targets(subject):
    yield from _inner_targets(subject, og.gradcam_plus_plus, literal.gradcam_plus_plus)


def layercam(subject):
    found = og.layercam(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal.layercam(subject.model, image, highest, subject.default_layer)


def layercam_targets(subject):
    yield from _inner_targets(subject, og.layercam, literal.layercam)


def scorecam(subject):
    found = og.scorecam(subject.net, subject.x, layer=subject.few_maps)
    for image, values, answer in zip(subject.x, found.values, subject.answers, strict=True):
        yield (
            values,
            literal.scorecam(subject.model, image, one(answer), subject.few_maps, subject.black),
        )


def scorecam_targets(subject):
    """Several targets in one call."""
    answer = subject.answers[0]
    targets, scores = [1, og.Class(answer) - og.Class(1)], [one(1), difference(answer, 1)]
    found = og.scorecam(subject.net, subject.x[:1], targets, subject.few_maps)
    for values, score in zip(found.values, scores, strict=True):
        yield (
            values,
            literal.scorecam(subject.model, subject.x[0], score, subject.few_maps, subject.black),
        )


def scorecam_of_a_probability(subject):
    found = og.scorecam(subject.net, subject.x[:1], 2, subject.few_maps, score="probability")
    yield (
        found.values[0],
        literal.scorecam(
            subject.model, subject.x[0], probability(2), subject.few_maps, subject.black
        ),
    )


def guided_gradcam(subject):
    found = og.guided_gradcam(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal.guided_gradcam(subject.model, image, highest, subject.default_layer)


def guided_gradcam_targets(subject):
    yield from _inner_targets(subject, og.guided_gradcam, literal.guided_gradcam)


def hirescam(subject):
    found = og.hirescam(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal_cams.hirescam(subject.model, image, highest, subject.default_layer)


def hirescam_targets(subject):
    yield from _inner_targets(subject, og.hirescam, literal_cams.hirescam)


def xgradcam(subject):
    found = og.xgradcam(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield values, literal_cams.xgradcam(subject.model, image, highest, subject.default_layer)


def xgradcam_targets(subject):
    yield from _inner_targets(subject, og.xgradcam, literal_cams.xgradcam)


def eigengradcam(subject):
    found = og.eigengradcam(subject.net, subject.x)
    for image, values in zip(subject.x, found.values, strict=True):
        yield (
            values,
            literal_cams.eigengradcam(subject.model, image, highest, subject.default_layer),
        )


def eigengradcam_targets(subject):
    yield from _inner_targets(subject, og.eigengradcam, literal_cams.eigengradcam)


def eigencam(subject):
    for layer in (subject.default_layer, subject.inner_layer):
        found = og.eigencam(subject.net, subject.x, layer=layer)
        for image, values in zip(subject.x, found.values, strict=True):
            yield values, literal_cams.eigencam(subject.model, image, layer)


def finercam(subject):
    found = og.finercam(subject.net, subject.x)
    for image, values, answer in zip(subject.x, found.values, subject.answers, strict=True):
        yield values, literal_cams.finercam(subject.model, image, answer, subject.default_layer)


def finercam_targets(subject):
    """Two classes of one image at the inner layer, compared with one class each."""
    settings = {"similar": 1, "strength": 0.9}
    found = og.finercam(subject.net, subject.x[:1], [2, 4], subject.inner_layer, **settings)
    for values, index in zip(found.values, (2, 4), strict=True):
        yield (
            values,
            literal_cams.finercam(
                subject.model, subject.x[0], index, subject.inner_layer, **settings
            ),
        )


def ablationcam(subject):
    found = og.ablationcam(subject.net, subject.x, layer=subject.few_maps, rectify=False)
    for image, values, answer in zip(subject.x, found.values, subject.answers, strict=True):
        yield (
            values,
            literal_cams.ablationcam(
                subject.model, image, one(answer), subject.few_maps, rectify=False
            ),
        )


def ablationcam_targets(subject):
    answer = subject.answers[0]
    targets, scores = [1, og.Class(answer) - og.Class(1)], [one(1), difference(answer, 1)]
    arguments = {"rectify": False}
    found = og.ablationcam(subject.net, subject.x[:1], targets, subject.inner_layer, **arguments)
    for values, score in zip(found.values, scores, strict=True):
        yield (
            values,
            literal_cams.ablationcam(
                subject.model, subject.x[0], score, subject.inner_layer, rectify=False
            ),
        )


def layer_conductance(subject):
    images = subject.x if subject.on_the_way is None else subject.on_the_way
    layer = subject.default_layer
    found = og.layer_conductance(subject.net, images, layer=layer, points=3)
    for i, image in enumerate(images):
        answer = int(literal.logits(subject.model, image).argmax())
        units = literal_cams.conductance(subject.model, image, one(answer), layer, subject.black, 3)
        yield found.values[i], units.sum(axis=2)
        yield found.channels[i], units.sum(axis=(0, 1))


def layer_conductance_targets(subject):
    """Two targets, from white, with cubic spacing."""
    targets, scores = [2, og.Class(3) - og.Class(1)], [one(2), difference(3, 1)]
    layer, white = subject.inner_layer, np.ones_like(subject.x[0])
    settings = {"points": 2, "spacing": "cubic", "baseline": white[None]}
    found = og.layer_conductance(subject.net, subject.x[:1], targets, layer, **settings)
    for values, score in zip(found.values, scores, strict=True):
        units = literal_cams.conductance(
            subject.model, subject.x[0], score, layer, white, 2, power=3
        )
        yield values, units.sum(axis=2)


def fullgrad(subject):
    found = og.fullgrad(subject.net, subject.x)
    for i, (image, answer) in enumerate(zip(subject.x, subject.answers, strict=True)):
        expected, sums = literal_cams.fullgrad(subject.model, image, one(answer))
        yield found.values[i], expected
        if subject.on_the_way is None:
            assert list(found.step_names) == [
                *(f"{name}{_pre(subject, name)}" for name in sums if name),
                "predictions:pre",
            ]
            yield found.input_sum[i], sums.pop("")
            yield found.bias_sums[i, :-1], np.array(list(sums.values()))
            yield found.bias_sums[i, -1], subject.model.layers[-1].get_weights()[1][answer]


def _pre(subject, name):
    """The ending of a step's name before the activation inside of its layer."""
    activation = getattr(subject.model.get_layer(name), "activation", None)
    return "" if activation in (None, keras.activations.linear) else ":pre"


METHODS = (
    feature_maps,
    kernels,
    saliency,
    saliency_of_a_difference,
    saliency_of_a_probability,
    gradcam,
    gradcam_inner,
    gradcam_signed,
    occlusion,
    occlusion_targets,
    occlusion_images,
    occlusion_mean,
    occlusion_blur,
    guided_backprop,
    guided_backprop_targets,
    smoothgrad,
    smoothgrad_targets,
    gradient_times_input,
    deconvnet,
    vargrad,
    squaregrad_targets,
    expected_gradients,
    guided_integrated_gradients,
    xrai,
    integrated_gradients,
    integrated_gradients_targets,
    integrated_gradients_of_a_probability,
    gradcam_plus_plus,
    gradcam_plus_plus_targets,
    layercam,
    layercam_targets,
    hirescam,
    hirescam_targets,
    xgradcam,
    xgradcam_targets,
    finercam,
    finercam_targets,
    eigencam,
    eigengradcam,
    eigengradcam_targets,
    scorecam,
    scorecam_targets,
    scorecam_of_a_probability,
    ablationcam,
    ablationcam_targets,
    layer_conductance,
    layer_conductance_targets,
    fullgrad,
    guided_gradcam,
    guided_gradcam_targets,
)

ON_A_LARGE_NETWORK = tuple(
    method
    for method in METHODS
    if not method.__name__.endswith(("_targets", "_signed", "_blur"))
    and method not in (guided_integrated_gradients, xrai)
)
"""Those computed on EfficientNet-Lite0 too: each method, and what only a real network shows.

On its guided path, a rectifier that the last bit switches sends the rest of the path elsewhere. In
XRAI the last bit of a gradient decides between two regions that add nearly the same.
"""

KINKED = ("smoothgrad_targets", "integrated_gradients_")
"""Methods of many gradients: at some copy of a large image, a rectifier is as good as at its kink.

There the last bit of a sum, which is taken in another order in a batch than alone, switches that
rectifier and with it the gradient at the few pixels behind it.
"""
MOST = 0.99
"""The share of an array's elements that is compared of those."""


def largest_difference(method, subject, share=1.0):
    """The largest |found − expected| ÷ range of expected, over all that ``method`` yields.

    With a ``share`` less than 1, that many elements of each array are no further off.
    """
    return largest(list(method(subject)), method.__name__, share)


def largest(pairs, name, share=1.0):
    worst = 0.0
    for found, expected in pairs:
        found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
        assert found.shape == expected.shape, (name, found.shape, expected.shape)
        extent = np.ptp(expected) or np.abs(expected).max()
        assert extent > 0, f"{name}: nothing to compare"
        worst = max(worst, np.quantile(np.abs(found - expected), share) / extent)
    return worst


def main():
    import skimage.data

    subjects = {
        "every kind of layer": small(),
        "EfficientNet-Lite0, chelsea": lite0(skimage.data.chelsea()),
    }
    print(f"{keras.config.backend()}, Keras {keras.__version__}: largest difference ÷ range,")
    print(f"in brackets of all but the {1 - MOST:.0%} of elements that differ most")
    print(f"{'':40}" + "".join(f"{name:>30}" for name in subjects))
    for method in METHODS:
        row = ""
        for subject in subjects.values():
            pairs = list(method(subject))
            all_of_them, most = (largest(pairs, method.__name__, share) for share in (1, MOST))
            row += f"{all_of_them:20.1e} ({most:.1e})"
        print(f"{method.__name__:40}{row}", flush=True)


if __name__ == "__main__":
    main()
