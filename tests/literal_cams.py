"""More class activation maps computed again, slowly, one image at a time.

In plain NumPy, Keras and autodiff, as in `literal`; nothing of optogram is imported here.
"""

import keras
import numpy as np

import literal


def hirescam(model, x, score, layer, rectify=True):
    """Gradient times map, element by element, summed over channels."""
    gradients, maps = literal.gradient(model, x, score, layer)
    total = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        total += gradients[:, :, k] * maps[:, :, k].astype(np.float64)
    return np.maximum(total, 0) if rectify else total


def xgradcam(model, x, score, layer):
    """The weight of a map is its mean gradient, weighted by the map itself."""
    gradients, maps = literal.gradient(model, x, score, layer)
    total = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        own = maps[:, :, k].astype(np.float64)
        if abs(own.sum()) > 1e-6 * abs(own).sum():
            total += (gradients[:, :, k] * own).sum() / own.sum() * own
    return np.maximum(total, 0)


def finercam(model, x, index, layer, similar=3, strength=0.6):
    """Grad-CAM of a class minus a share of the mean of those with the nearest scores."""
    scores = literal.logits(model, x)
    others = sorted(set(range(len(scores))) - {index}, key=lambda i: abs(scores[i] - scores[index]))
    others = others[:similar]

    def score(logits):
        return logits[index] - strength * sum(logits[i] for i in others) / len(others)

    return literal.gradcam(model, x, score, layer)


def principal(maps, toward=1.0):
    """Maps (h, w, K) on their first right singular vector, with the sign ``toward`` a map."""
    rows = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
    found = (rows @ np.linalg.svd(rows)[2][0]).reshape(maps.shape[:2])
    return found * np.sign((found * toward).sum())


def eigencam(model, x, layer):
    return principal(literal.feature_maps(model, x, layer))


def eigengradcam(model, x, score, layer):
    gradients, maps = literal.gradient(model, x, score, layer)
    return np.maximum(principal(gradients * maps, (gradients * maps).sum(axis=2)), 0)


def ablationcam(model, x, score, layer, rectify=True):
    """One forward pass for each map, set to zero where every reader of the layer finds it."""
    shift = literal.Shift()

    def call(operation, *args, **kwargs):
        made = operation(*args, **kwargs)
        return shift(made) if operation.name == layer else made

    clone = keras.models.clone_model(model, call_function=call)
    clone.set_weights(model.get_weights())
    features, finish = literal.before_activation(clone)
    inner = keras.Model(clone.input, features)

    def score_with(value):
        shift.value = literal.tensor(value)
        return float(
            score(literal.array(finish(inner(literal.tensor(x[None]), training=False)))[0])
        )

    maps = literal.feature_maps(model, x, layer)
    whole = score_with(np.zeros_like(maps[None]))
    total = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        missing = np.zeros_like(maps[None])
        missing[0, :, :, k] = -maps[:, :, k]
        total += (whole - score_with(missing)) / abs(whole) * maps[:, :, k]
    return np.maximum(total, 0) if rectify else total


def conductance(model, x, score, layer, black, points, power=1):
    """(h, w, K): for each interval, the gradient in its middle times the change of the maps."""
    total = 0.0
    for i in range(points):
        first, middle, last = (
            x + np.float32((place / points) ** power - 1) * (x - black)
            for place in (i, i + 0.5, i + 1)
        )
        gradients, _ = literal.gradient(model, middle, score, layer)
        before, after = (literal.feature_maps(model, one, layer) for one in (first, last))
        total = total + gradients.astype(np.float64) * (after - before)
    return total


def _without_fused_activations(model):
    """A copy in which an activation inside of a layer is one of its own, after NAME_linear."""
    after = {}

    def copied(layer):
        if not isinstance(layer, keras.layers.Layer):
            return layer
        config, activation = layer.get_config(), getattr(layer, "activation", None)
        is_alone = isinstance(layer, keras.layers.Activation) or layer is model.layers[-1]
        if activation not in (None, keras.activations.linear) and not is_alone:
            after[f"{layer.name}_linear"] = keras.layers.Activation(activation, name=layer.name)
            config |= {"name": f"{layer.name}_linear", "activation": "linear"}
        return type(layer).from_config(config)

    def call(operation, *args, **kwargs):
        made = operation(*args, **kwargs)
        return after[operation.name](made) if operation.name in after else made

    clone = keras.models.clone_model(model, clone_function=copied, call_function=call)
    for layer in model.layers:
        names = {one.name for one in clone.layers}
        linear = f"{layer.name}_linear"
        if layer.get_weights():
            own = clone.get_layer(linear if linear in names else layer.name)
            own.set_weights(layer.get_weights())
    return clone


def fullgrad(model, x, score):
    """(map, {layer: Σ bias-gradient · bias}): the parts of ``model`` with positions, one by one."""
    clone = _without_fused_activations(model)
    gradient, _ = literal.gradient(clone, x, score)
    parts = {"": gradient * x}
    for layer in clone.layers[:-1]:
        weights = [w.astype(np.float64) for w in layer.get_weights()]
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = weights
            bias = beta - gamma * mean / np.sqrt(variance + layer.epsilon)
        elif isinstance(layer, keras.layers.Rescaling):
            bias = np.full(3, layer.offset)
        elif getattr(layer, "bias", None) is not None:
            bias = weights[-1]
        else:
            continue
        parts[layer.name.removesuffix("_linear")] = (
            literal.gradient(clone, x, score, layer.name)[0] * bias
        )
    total = np.zeros(x.shape[:2])
    for part in parts.values():
        size = abs(part)
        size = (size - size.min()) / (size.max() - size.min())
        total += literal.upsampled(size.sum(axis=2), x.shape[:2])
    return total, {name: part.sum() for name, part in parts.items()}
