"""optogram, on the backend that Keras is set to.

It may take 4 GB: its default is a share of the memory that the other sides leave free.
"""

from collections.abc import Callable
from typing import Any

from .. import networks
from ..side import Given, Opened
from ..tasks import (
    FILTERS,
    MASKS,
    NOISE,
    PATCH,
    POINTS,
    SAMPLES,
    SIDE,
    STEPS,
    segments,
)

FAST = ("occlusion", "scorecam", "ablationcam", "rise", "kernel_shap", "maximize")


def opened(name: str, given: Given, precision: str = "exact") -> Opened:
    """The network with the weights that every side has; "fast" has the tasks that take it."""
    import keras

    import optogram as og

    net = networks.opened(name)
    net.model.set_weights(given.weights)
    many, one, label = given.photos, given.photos[:1], given.label
    labels = [label] * len(many)
    filters = og.Filter(given.layer, range(FILTERS))
    size = (SIDE, SIDE)
    exact = {"memory": "4GB"}
    other = {"precision": precision, **exact}
    drawn = {"masks": MASKS, "tolerance": 0, **other}
    tasks: dict[str, Callable[[], Any]] = {
        "gradcam": lambda: og.gradcam(net, many, labels, given.layer, **exact),
        "saliency": lambda: og.saliency(net, many, labels, **exact),
        "guided_backprop": lambda: og.guided_backprop(net, many, labels, **exact),
        "smoothgrad": lambda: og.smoothgrad(net, one, label, samples=SAMPLES, noise=NOISE, **exact),
        "integrated_gradients": lambda: og.integrated_gradients(
            net, one, label, points=POINTS, **exact
        ),
        "occlusion": lambda: og.occlusion(net, one, label, patch=PATCH, stride=PATCH, **other),
        "scorecam": lambda: og.scorecam(net, one, label, given.layer, **other),
        "ablationcam": lambda: og.ablationcam(net, one, label, given.layer, **other),
        "rise": lambda: og.rise(net, one, label, **drawn),
        "kernel_shap": lambda: og.kernel_shap(net, one, label, segments=segments(), **drawn),
        "maximize": lambda: og.maximize(net, filters, "tutorial", steps=STEPS, size=size, **other),
    }
    return Opened(
        lambda: keras.ops.convert_to_numpy(net.model(one, training=False)),
        {
            task: lambda run=run: run().values
            for task, run in tasks.items()
            if precision == "exact" or task in FAST
        },
    )
