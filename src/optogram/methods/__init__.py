"""One method, one file, one function, named after its paper."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from optogram.arguments import shown
from optogram.errors import InputError, nearest

ATTRIBUTIONS = (
    "saliency",
    "gradient_times_input",
    "guided_backprop",
    "deconvnet",
    "smoothgrad",
    "vargrad",
    "squaregrad",
    "integrated_gradients",
    "fullgrad",
    "expected_gradients",
    "guided_integrated_gradients",
    "xrai",
    "gradcam",
    "gradcam_plus_plus",
    "layercam",
    "hirescam",
    "xgradcam",
    "finercam",
    "eigencam",
    "eigengradcam",
    "scorecam",
    "ablationcam",
    "layer_conductance",
    "guided_gradcam",
    "attention_rollout",
    "transformer_attribution",
    "legrad",
    "lrp",
    "occlusion",
    "rise",
    "sobol",
    "kernel_shap",
    "lime",
)
"""The methods that say where in an image a score comes from."""

COMMON = (
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
"""Those that are shown first: one of each kind, as most tools have them."""

OF_A_LAYER = (
    "gradcam",
    "gradcam_plus_plus",
    "layercam",
    "hirescam",
    "xgradcam",
    "finercam",
    "eigencam",
    "eigengradcam",
    "scorecam",
    "ablationcam",
    "layer_conductance",
    "guided_gradcam",
)
"""Those that explain a layer with feature maps, and take its name as ``layer``."""

OF_ATTENTION = ("attention_rollout", "transformer_attribution", "legrad")
"""Those that follow attention, in transformers."""

_GROUPS = {"all": ATTRIBUTIONS, "common": COMMON}


def named_methods(names: Any, argument: str = "method") -> list[str]:
    """Names of `ATTRIBUTIONS` without duplicates; "all" and "common" stand for groups.

    Raises
    ------
    InputError
        If there is no such method, or none is named; ``argument`` is what the user gave it as.
    """
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, Iterable) or not (names := list(names)):
        raise InputError(f"{argument} must name at least one method, not {shown(names)}.")
    found: dict[str, None] = {}
    for name in names:
        if not isinstance(name, str) or name not in (*ATTRIBUTIONS, *_GROUPS):
            hint = nearest(str(name), ATTRIBUTIONS)
            raise InputError(
                f"{argument} must be common, all, or some of {', '.join(ATTRIBUTIONS)}, not "
                f"{shown(name)}{': ' if hint else ''}{hint}."
            )
        found |= dict.fromkeys(_GROUPS.get(name, (name,)))
    return list(found)


def of_groups(names: Iterable[str]) -> frozenset[str]:
    """The methods that ``names`` mean by "all" or "common" alone, and do not name."""
    names = list(names)
    meant = {method for name in names for method in _GROUPS.get(name, ())}
    return frozenset(meant.difference(names))


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
