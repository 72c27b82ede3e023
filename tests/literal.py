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
    x = tensor(x[None])
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = score(model(x, training=False)[0])
        found = tape.gradient(value, x)
    elif BACKEND == "torch":
        import torch

        x.requires_grad_()
        (found,) = torch.autograd.grad(score(model(x, training=False)[0]), x)
    else:
        import jax

        found = jax.jit(jax.grad(lambda x: score(model(x, training=False)[0])))(x)
    return array(found)[0]


def gradient(model, x, score, layer=None):
    """(d score(logits) / d maps of ``layer``, those maps); of the image where there is no layer."""
    features, finish = before_last_dense(model)
    if layer is None:
        return gradient_of_output(features, x, lambda last: score(finish(last[None])[0])), x
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
        found, at = _gradient_in_jax(model, both, x, score, finish, layer)
    return array(found)[0], array(at)[0]


def _gradient_in_jax(model, both, x, score, finish, layer):
    import jax

    shift = Shift()

    def call(operation, *args, **kwargs):
        made = operation(*args, **kwargs)
        return shift(made) if operation.name == layer else made

    # JAX has no gradient with respect to something in the middle, only to an argument.
    clone = keras.models.clone_model(model, call_function=call)
    clone.set_weights(model.get_weights())
    features, finish = before_activation(clone)
    inner = keras.Model(clone.input, features)

    @jax.jit
    @jax.grad
    def loss(value):
        shift.value = value
        try:
            return score(finish(inner(x, training=False))[0])
        finally:
            shift.value = 0.0

    at, _ = fast(both)(x)
    return loss(at * 0), at


def feature_maps(model, x, layer):
    """(h, w, C) of one image."""
    return array(fast(keras.Model(model.input, model.get_layer(layer).output))(tensor(x[None])))[0]


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
    from scipy.ndimage import gaussian_filter1d

    for axis in (0, 1):
        x = gaussian_filter1d(x, sigma, axis, mode="nearest", radius=round(3 * sigma))
    return x
