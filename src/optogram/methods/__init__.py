"""One method, one file, one function, named after its paper."""

import importlib
from collections.abc import Callable
from typing import Any

ATTRIBUTIONS = (
    "saliency",
    "guided_backprop",
    "smoothgrad",
    "integrated_gradients",
    "gradcam",
    "gradcam_plus_plus",
    "layercam",
    "scorecam",
    "guided_gradcam",
    "lrp",
    "occlusion",
)
"""The methods that say where in an image a score comes from."""


def attribution_method(name: str) -> Callable[..., Any]:
    """The function of one of `ATTRIBUTIONS`; its module is imported when it is asked for.

    Raises
    ------
    KeyError
        If there is no such method.
    """
    if name not in ATTRIBUTIONS:
        raise KeyError(name)
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)
