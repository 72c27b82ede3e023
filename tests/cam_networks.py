"""A small network whose class activation maps other libraries have computed, see `reference`."""

import keras
import numpy as np

import optogram as og

LAYER, TARGETS = "relu1", [1, 4]


def weights():
    """Of two convolutions, of a normalization, and of the dense layer at the end, by name."""
    rng = np.random.default_rng(3)
    shapes = {"conv1": (3, 3, 3, 8), "conv2": (3, 3, 8, 12), "dense": (12, 5)}
    made = {
        name: [rng.normal(0, 0.4, shape), rng.normal(0, 0.3, shape[-1])]
        for name, shape in shapes.items()
    }
    made["dense"][0] /= 10  # no probability is as good as zero
    made["norm"] = [rng.uniform(0.5, 1.5, 12), *rng.normal(0, 0.5, (2, 12)), rng.uniform(1, 2, 12)]
    return {name: [array.astype(np.float32) for array in arrays] for name, arrays in made.items()}


def images():
    """Two images (20, 18, 3)."""
    return np.random.default_rng(4).uniform(-1, 1, (2, 20, 18, 3)).astype(np.float32)


def network():
    """Two convolutions, with a batch normalization and ReLUs, a mean and a dense layer."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((20, 18, 3)),
            layers.Conv2D(8, 3, name="conv1"),
            layers.ReLU(name=LAYER),
            layers.MaxPooling2D(2),
            layers.Conv2D(12, 3, name="conv2"),
            layers.BatchNormalization(epsilon=1e-3, name="norm"),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, name="dense"),
        ]
    )
    for name, arrays in weights().items():
        model.get_layer(name).set_weights(arrays)
    return og.Network(model, "none")


def explained(net):
    """What optogram finds, by name; Eigen-CAM of centered maps, as pytorch-grad-cam computes it."""
    from optogram.methods.request.principal import principal_map

    x = images()
    cam = og.gradcam(net, x, TARGETS, LAYER)
    unrectified = {"layer": LAYER, "rectify": False}

    def centered(maps):
        made = [principal_map(one - one.mean(axis=(0, 1))) for one in maps]
        return np.stack(made)

    full = og.fullgrad(net, x, TARGETS)
    return {
        "hirescam": og.hirescam(net, x, TARGETS, **unrectified).values,
        "xgradcam": og.xgradcam(net, x, TARGETS, **unrectified).values,
        "finercam": og.finercam(net, x, TARGETS, similar=1, **unrectified).values,
        "ablationcam": og.ablationcam(net, x, TARGETS, **unrectified).values,
        "eigencam, centered": centered(cam.maps),
        "eigengradcam, centered": centered(cam.maps * cam.gradients),
        "fullgrad, sums": np.column_stack([full.input_sum, full.bias_sums[:, :3]]),
    }
