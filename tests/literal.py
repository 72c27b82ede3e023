"""Every method computed again: slowly, one image at a time, in plain NumPy, Keras and autodiff.

Nothing of optogram is imported here. Models are functional, not nested, and end in a Dense layer,
its softmax or sigmoid fused or not.
"""

import functools

import keras
import numpy as np

BACKEND = keras.config.backend()


class Shift(keras.layers.Layer):
    """Adds what is set as ``value``."""

    value = 0.0

    def call(self, x):
        return x + self.value


def before_activation(model):
    """(features, finish): logits are finish(features(x)), computed from the last Dense by hand."""
    last = model.layers[-1]
    if isinstance(last, keras.layers.Dense):

        def dense(features):
            kernel, bias = (keras.ops.convert_to_tensor(w) for w in last.get_weights())
            return keras.ops.cast(features, kernel.dtype) @ kernel + bias

        return last.input, dense
    return last.input, lambda features: features


def tensor(x):
    return keras.ops.convert_to_tensor(np.asarray(x, "float32"))


def array(x):
    return np.array(keras.ops.convert_to_numpy(x))


@functools.cache
def fast(model):
    """``model`` as a function of a batch, in inference; its weights stay as they are from here."""
    if BACKEND == "jax":
        import jax

        return jax.jit(lambda x: model(x, training=False))
    return lambda x: model(x, training=False)


@functools.cache
def before_last_dense(model):
    features, finish = before_activation(model)
    return keras.Model(model.input, features), finish


def logits(model, x):
    """(outputs,) of one image (H, W, C)."""
    features, finish = before_last_dense(model)
    return array(finish(fast(features)(tensor(x[None]))))[0]


def gradient_of_output(model, x, score):
    """d score(output) / d x for one image, where ``score`` gets what the model returns for it."""
    return gradients_of_output(model, score)(x)


def gradients_of_output(model, score):
    """`gradient_of_output` as a function of the image, for those who need it at many images."""
    both = scores_and_gradients(model, score)
    return lambda x: both(x)[1]


def scores_and_gradients(model, score):
    """(score(output), its gradient) as a function of the image (H, W, C)."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def differentiate(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = score(model(x, training=False)[0])
            return value, tape.gradient(value, x)
    elif BACKEND == "torch":
        import torch

        def differentiate(x):
            x.requires_grad_()
            value = score(model(x, training=False)[0])
            return value.detach(), torch.autograd.grad(value, x)[0]
    else:
        import jax

        differentiate = jax.jit(jax.value_and_grad(lambda x: score(model(x, training=False)[0])))

    def both(x):
        value, found = differentiate(tensor(x[None]))
        return float(array(value)), array(found)[0]

    return both


@functools.cache
def gradients(model, score):
    """d score(logits) / d image as a function of the image; weights stay as they are from here."""
    features, finish = before_last_dense(model)
    return gradients_of_output(features, lambda last: score(finish(last[None])[0]))


def gradient(model, x, score, layer=None):
    """(d score(logits) / d maps of ``layer``, those maps); of the image where there is no layer."""
    if layer is None:
        return gradients(model, score)(x), x
    features, finish = before_last_dense(model)
    both = keras.Model(model.input, [model.get_layer(layer).output, features.output])
    x = tensor(x[None])
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            at, last = both(x, training=False)
            value = score(finish(last)[0])
        found = tape.gradient(value, at)
    elif BACKEND == "torch":
        import torch

        x.requires_grad_()
        at, last = both(x, training=False)
        (found,) = torch.autograd.grad(score(finish(last)[0]), at)
        at = at.detach()
    else:
        found, at = _gradient_in_jax(model, score, layer)(x)
    return array(found)[0], array(at)[0]


@functools.cache
def _gradient_in_jax(model, score, layer):
    """(gradient at ``layer``, its maps) as a function of the batch, compiled once."""
    import jax

    shift = Shift()

    def call(operation, *args, **kwargs):
        made = operation(*args, **kwargs)
        return shift(made) if operation.name == layer else made

    # JAX has no gradient with respect to something in the middle, only to an argument.
    clone = keras.models.clone_model(model, call_function=call)
    clone.set_weights(model.get_weights())
    features, finish = before_activation(clone)
    inner = keras.Model(clone.input, [shift.output, features])

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def loss(value, x):  # an image that is no argument would be computed with while compiling
        shift.value = value
        try:
            maps, last = inner(x, training=False)
            return score(finish(last)[0]), maps
        finally:
            shift.value = 0.0

    def at_layer(x):
        # Nothing is added, so the maps are those of the model; compiling once gives both.
        maps = jax.eval_shape(lambda x: inner(x, training=False)[0], x)
        (_, at), found = loss(jax.numpy.zeros(maps.shape, maps.dtype), x)
        return found, at

    return at_layer


def feature_maps(model, x, layer):
    """(h, w, C) of one image."""
    return array(_to_layer(model, layer)(tensor(x[None])))[0]


@functools.cache
def _to_layer(model, layer):
    return fast(up_to(model, layer))


def gradcam(model, x, score, layer, rectify=True):
    """Equations 1 and 2 of Selvaraju et al., sum by sum."""
    gradients, maps = gradient(model, x, score, layer)
    height, width, channels = maps.shape
    total = np.zeros((height, width))
    for k in range(channels):
        alpha = gradients[:, :, k].astype(np.float64).sum() / (height * width)
        total += alpha * maps[:, :, k]
    return np.maximum(total, 0) if rectify else total


def occlusion(model, x, score, patch, stride, paint, margin=0):
    """(scores (rows, cols), their fall): one forward pass a position; ``paint`` is an image."""
    height, width, _ = x.shape
    rows = []
    for top in range(0, height - patch[0] + 1, stride[0]):
        row = []
        for left in range(0, width - patch[1] + 1, stride[1]):
            covered = x.copy()
            for y in range(top - margin, top + patch[0] + margin):
                for column in range(left - margin, left + patch[1] + margin):
                    if 0 <= y < height and 0 <= column < width:
                        covered[y, column] = paint[y, column]
            row.append(score(logits(model, covered)))
        rows.append(row)
    scores = np.array(rows)
    return scores, score(logits(model, x)) - scores


def blurred(x, sigma):
    """One image under a Gaussian out to three deviations, borders continued."""
    reach = max(1, round(3 * sigma))
    weights = [np.exp(-0.5 * (i / sigma) ** 2) for i in range(-reach, reach + 1)]
    for axis in (0, 1):
        side, total = x.shape[axis], 0.0
        for i, weight in zip(range(-reach, reach + 1), weights, strict=True):
            places = np.clip(np.arange(side) + i, 0, side - 1)
            total = total + weight / sum(weights) * np.take(x, places, axis)
        x = total
    return x


def gradcam_plus_plus(model, x, score, layer):
    """Equation 19 of Chattopadhay et al. for the weights of positions, then their sums."""
    gradients, maps = (a.astype(np.float64) for a in gradient(model, x, score, layer))
    height, width, channels = maps.shape
    total = np.zeros((height, width))
    for k in range(channels):
        whole, weight = maps[:, :, k].sum(), 0.0
        for g in gradients[:, :, k].ravel():
            below = 2 * g**2 + whole * g**3
            weight += max(g, 0) * (g**2 / below if below else 0)
        total += weight * maps[:, :, k]
    return np.maximum(total, 0)


def layercam(model, x, score, layer):
    """Equations 5 to 7 of Jiang et al., sum by sum."""
    gradients, maps = gradient(model, x, score, layer)
    total = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        total += np.maximum(gradients[:, :, k], 0) * maps[:, :, k].astype(np.float64)
    return np.maximum(total, 0)


def smoothgrad(gradient_at, x, n, noise, seed):
    """The mean of a gradient, a function of the image, over noisy copies taken one at a time."""
    drawn = np.random.default_rng(seed).standard_normal((n, *x.shape), np.float32)
    deviation = np.float32(noise * (x.max() - x.min()))
    total = np.zeros(x.shape)
    for i in range(n):
        total += gradient_at(x + drawn[i] * deviation)
    return total / n


def integrated_gradients(gradient_at, x, black, steps):
    """The midpoint rule on the line from ``black`` to the image, one gradient at a time.

    Points of the line are float32, x − (1 − share)(x − black): where a rectifier is nearly off,
    the last bit of a pixel decides.
    """
    total = np.zeros(x.shape)
    for i in range(steps):
        share = np.float32((i + 0.5) / steps)
        total += gradient_at(x + (share - 1) * (x - black))
    return (x - black) * total / steps


def upsampled(image, size):
    """(h, w) at ``size``, bilinear, pixels being squares around their centers."""
    from scipy.ndimage import map_coordinates

    places = [
        (np.arange(many) + 0.5) * few / many - 0.5
        for few, many in zip(image.shape, size, strict=True)
    ]
    grid = np.meshgrid(*places, indexing="ij")
    return map_coordinates(image.astype(np.float64), grid, order=1, mode="nearest")


def scorecam(model, x, score, layer, black):
    """Section 3 of Wang et al., one forward pass a map."""
    maps = feature_maps(model, x, layer)
    before = float(score(logits(model, black.astype("float32"))))
    gains = []
    for k in range(maps.shape[2]):
        mask = upsampled(maps[:, :, k], x.shape[:2])
        extent = mask.max() - mask.min()
        mask = (mask - mask.min()) / extent if extent else np.zeros_like(mask)
        seen = black + mask[:, :, None] * (x - black)
        gains.append(float(score(logits(model, seen.astype("float32")))) - before)
    weights = np.exp(gains) / np.exp(gains).sum()
    total = np.zeros(maps.shape[:2])
    for k, weight in enumerate(weights):
        total += weight * maps[:, :, k]
    return np.maximum(total, 0)


def guided_gradcam(model, x, score, layer):
    """Guided backpropagation times Grad-CAM, brought to the size of the image."""
    cam = upsampled(gradcam(model, x, score, layer), x.shape[:2])
    return gradients(guided_network(model), score)(x) * cam[:, :, None]


# -- guided backpropagation ------------------------------------------------------------------------


class GuidedRectifier(keras.layers.Layer):
    """A rectifier of up to three pieces, its gradient written out instead of derived."""

    def __init__(self, negative_slope=0.0, max_value=None, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        self.slope_below = negative_slope
        self.highest = np.inf if max_value is None else max_value
        self.threshold = threshold

    def rectified(self, x):
        below = keras.ops.convert_to_tensor(self.slope_below, x.dtype) * (x - self.threshold)
        upwards = keras.ops.where(x > self.threshold, x, below)
        return keras.ops.where(x >= self.highest, self.highest, upwards)

    def slope(self, x):
        upwards = keras.ops.where(
            x > self.threshold, 1.0, keras.ops.convert_to_tensor(self.slope_below, x.dtype)
        )
        return keras.ops.where(x >= self.highest, 0.0, upwards)

    def call(self, x):
        def back(x, g):
            return keras.ops.where((g > 0) & (x > 0), self.slope(x) * g, 0.0)

        return with_gradient(self.rectified, back, x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def with_gradient(function, back, x):
    """function(x), whose gradient is back(x, gradient that comes in)."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.custom_gradient(lambda x: (function(x), lambda g: back(x, g)))(x)
    if BACKEND == "torch":
        import torch

        class Applied(torch.autograd.Function):
            @staticmethod
            def forward(context, x):
                context.save_for_backward(x)
                return function(x)

            @staticmethod
            def backward(context, g):
                return back(*context.saved_tensors, g)

        return Applied.apply(x)
    import jax

    applied = jax.custom_vjp(function)
    applied.defvjp(lambda x: (function(x), x), lambda x, g: (back(x, g),))
    return applied(x)


_BY_NAME = {
    "relu": {},
    "relu6": {"max_value": 6.0},
    "leaky_relu": {"negative_slope": 0.2},
}


def _pieces(layer):
    """What `GuidedRectifier` takes to stand for ``layer``; None where it is no rectifier."""
    if isinstance(layer, keras.layers.ReLU):
        return {
            "negative_slope": float(layer.negative_slope),
            "max_value": layer.max_value,
            "threshold": float(layer.threshold),
        }
    if isinstance(layer, keras.layers.LeakyReLU):
        return {"negative_slope": float(layer.negative_slope)}
    if isinstance(layer, keras.layers.PReLU):
        return {"negative_slope": array(layer.alpha)}
    if isinstance(layer, keras.layers.Activation):
        return _BY_NAME.get(layer.activation.__name__)
    return None


def _fused_pieces(layer):
    activation = getattr(layer, "activation", None)
    if isinstance(layer, keras.layers.Activation) or activation is None:
        return None
    if isinstance(activation, keras.layers.Layer):
        return _pieces(activation)
    return _BY_NAME.get(activation.__name__)


@functools.cache
def guided_network(model):
    """A copy of ``model`` with the rule of Springenberg et al. at every rectifier."""
    return with_rectifiers(model, GuidedRectifier)


def with_rectifiers(model, kind):
    """A copy of ``model`` whose rectifiers are layers of a ``kind`` such as `GuidedRectifier`.

    A fused rectifier becomes a layer of its own, under the name of the layer it was fused into.
    Of operations that are no layers, none is a rectifier here.
    """
    after = {}

    def copied(layer):
        pieces = _pieces(layer)
        if pieces is not None:
            return kind(**pieces, name=layer.name)
        if not isinstance(layer, keras.layers.Layer):
            return layer
        config = layer.get_config()
        pieces = _fused_pieces(layer)
        if pieces is not None:
            after[f"{layer.name}_linear"] = kind(**pieces, name=layer.name)
            config |= {"name": f"{layer.name}_linear", "activation": "linear"}
        return type(layer).from_config(config)

    def call(operation, *args, **kwargs):
        made = operation(*args, **kwargs)
        return after[operation.name](made) if operation.name in after else made

    clone = keras.models.clone_model(model, clone_function=copied, call_function=call)
    copies = {layer.name: layer for layer in clone.layers}
    for layer in model.layers:
        if layer.weights and not isinstance(layer, keras.layers.PReLU):
            copy = copies.get(f"{layer.name}_linear") or copies[layer.name]
            copy.set_weights(layer.get_weights())
    return clone


# -- gradient ascent -------------------------------------------------------------------------------


def up_to(model, layer, size=None):
    """The model that ends with ``layer``, for images of ``size`` (height, width)."""
    part = keras.Model(model.input, model.get_layer(layer).output)
    if size is None:
        return part
    copy = keras.models.clone_model(part, input_tensors=keras.Input((*size, part.input_shape[-1])))
    copy.set_weights(part.get_weights())
    return copy


def with_linear_end(model):
    """A copy whose last layer, a Dense, has no activation."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.layers[-1].activation = keras.activations.linear
    return copy


def slope_of_total_variation(x):
    """d Σ|differences of neighboring pixels| / d image, difference by difference."""
    slope = np.zeros_like(x)
    down, right = np.sign(x[1:] - x[:-1]), np.sign(x[:, 1:] - x[:, :-1])
    slope[1:] += down
    slope[:-1] -= down
    slope[:, 1:] += right
    slope[:, :-1] -= right
    return slope


def gradient_ascent(both, start, rule, rate, steps, l2=0.0, tv=0.0):
    """(scores before each step, images after each step) of one image (H, W, C).

    ``both`` gives (score, gradient) of an image; λ‖x‖²/2 and total variation are taken from the
    score, their slopes by hand.
    """
    x, scores, images = start.astype("float32"), [], []
    taken = climber(rule, rate, x)
    for _ in range(steps):
        score, slope = both(x)
        slope = slope - np.float32(l2) * x - np.float32(tv) * slope_of_total_variation(x)
        x = taken(x, slope)
        scores.append(score)
        images.append(x)
    return np.array(scores), np.array(images)


def climber(rule, rate, start):
    """A function of where one is and of the gradient there: one step uphill."""
    if rule == "rms":  # tutorial row A3
        return lambda x, g: x + np.float32(rate) * g / (np.sqrt(np.mean(g**2)) + np.float32(1e-5))
    if rule == "l2":  # row D1: tf.math.l2_normalize, whose epsilon is 1e-12
        return lambda x, g: x + np.float32(rate) * g / np.sqrt(max(np.sum(g**2), np.float32(1e-12)))
    variable = keras.Variable(start)
    optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)

    def adam(x, g):
        optimizer.apply([tensor(-g)], [variable])
        return array(variable.value)

    return adam


# Lucid, lucid/optvis/param/color.py: color_correlation_svd_sqrt.
LUCID_COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


class FourierPicture:
    """One picture (H, W, 3 or 1) in 0..1 out of frequencies, as in Lucid, and the way back.

    Frequencies are (2, C, H, W // 2 + 1): real and imaginary parts.
    """

    def __init__(self, size, channels):
        self.size = size
        height, width = size
        rows = [min(k, height - k) / height for k in range(height)]
        columns = [k / width for k in range(width // 2 + 1)]
        radius = np.sqrt(np.add.outer(np.square(rows), np.square(columns)))
        self.scale = np.sqrt(width * height) / np.maximum(radius, 1 / max(width, height))
        longest = np.linalg.norm(LUCID_COLORS, axis=0).max()
        self.colors = LUCID_COLORS / longest if channels == 3 else np.eye(channels)

    def picture(self, numbers):
        spectrum = (numbers[0] + 1j * numbers[1]) * self.scale
        planes = np.fft.irfft2(spectrum, self.size) / 4
        return self.shown(planes)

    def shown(self, planes):
        return 1 / (1 + np.exp(-np.moveaxis(planes, 0, -1) @ self.colors.T))

    def back(self, numbers, slope):
        """The chain rule by hand: d score / d numbers, of ``slope``, d score / d picture."""
        height, width = self.size
        shown = self.picture(numbers)
        planes = np.moveaxis((slope * shown * (1 - shown)) @ self.colors, -1, 0) / 4
        # All columns of half a spectrum but the first, and the last of an even width, count twice.
        twice = np.full(width // 2 + 1, 2.0)
        twice[0] = 1
        if width % 2 == 0:
            twice[-1] = 1
        spectrum = np.fft.rfft2(planes) * twice * self.scale / (height * width)
        return np.stack([spectrum.real, spectrum.imag])


def view(picture, matrix, size, fill):
    """One picture (H, W, C) sampled bilinearly, pixel by pixel; outside is ``fill``.

    The point (y, x) of the view, from its center, comes from ``matrix`` (2, 3) @ (y, x, 1) of the
    picture, from its center.
    """
    height, width, channels = picture.shape
    seen = np.zeros((*size, channels))
    for row, column in np.ndindex(*size):
        point = [row - (size[0] - 1) / 2, column - (size[1] - 1) / 2, 1]
        y, x = matrix @ point + [(height - 1) / 2, (width - 1) / 2]
        top, left = int(np.floor(y)), int(np.floor(x))
        for i, j in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            is_inside = 0 <= i < height and 0 <= j < width
            share = (1 - abs(y - i)) * (1 - abs(x - j))
            seen[row, column] += share * (picture[i, j] if is_inside else fill)
    return seen
