"""How the maps of a store are made: a method and all its arguments."""

import inspect
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optogram.errors import InputError, nearest
from optogram.methods import OF_ATTENTION, attribution_method, named_methods
from optogram.methods.occluding.covering import Patches
from optogram.methods.request.attention import AttentionStack, attention_stack
from optogram.methods.request.checkpoint import fingerprint, photo_mark
from optogram.methods.request.explained_layer import explained_layers
from optogram.methods.request.request import Answer, Request, ask
from optogram.network.network import Network
from optogram.result import Attribution
from optogram.target import Class, Target, targets_of
from optogram.words import counted

_OF_ALL = ("net", "image", "target", "layer", "fit", "memory", "progress")
"""Parameters of methods that are no settings of one method."""
_ON_THE_IMAGE = ("guided_gradcam",)
"""Methods that explain a layer, and whose maps are as large as the image."""
_BOTH_WAYS = 3
"""A forward and a backward pass, in forward passes."""
_OF_ATTENTION_PASSES = {"attention_rollout": 1, "legrad": 1 + _BOTH_WAYS}
"""Of methods that follow attention, what a map takes, where it is not a pass both ways."""
_POINTS = 32
"""Points of integrated gradients, where their number is not given and no more are needed."""
_BASELINES = ("black", "white", "gray", "mean", "blur")


@dataclass(frozen=True, eq=False)
class MapMethod:
    """A method with all its arguments; the same for all work units.

    Attributes
    ----------
    name : str
        Name of the method.
    layer : str or None
        The explained layer, for methods that explain one.
    target : Target or None
        What is explained; None: the highest-scoring class of each photo.
    settings : mapping
        Its other arguments, with those that have their default values.
    memory : int
        Memory budget in bytes: a fixed one, since the length of batches depends on it, and the
        last digits of results on the length of batches.
    """

    name: str
    layer: str | None
    target: Target | None
    settings: Mapping[str, Any]
    memory: int

    def explain(self, net: Network, x: np.ndarray) -> Attribution:
        """The maps of prepared photos."""
        layer = {} if self.layer is None else {"layer": self.layer}
        method = attribution_method(self.name)
        return method(net, x, self.target, memory=self.memory, **layer, **self.settings)

    def shape(self, net: Network, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of a map: (h, w) or (H, W, C)."""
        if self.name == "occlusion":
            given = (self.settings[name] for name in ("patch", "stride", "margin"))
            return Patches(size, *given).shape
        if self.name == "fullgrad":
            return size
        if self.name in OF_ATTENTION:
            grid = self._stack(net, np.zeros((1, *size, net.channels), np.float32)).grid
            return grid.rows, grid.columns
        if self.layer is None or self.name in _ON_THE_IMAGE:
            return (*size, net.channels)
        shape = net.geometry(size)[net.step(self.layer).index].shape
        return (shape[1] or 0, shape[2] or 0)

    def passes(self, net: Network, size: tuple[int, int]) -> float:
        """What a map takes, in forward passes; of occlusion, if none is computed on windows."""
        if self.name == "occlusion":
            return 1 + math.prod(self.shape(net, size))
        if self.name in ("scorecam", "ablationcam") and self.layer is not None:
            return 1 + (net.geometry(size)[net.step(self.layer).index].shape[-1] or 1)
        if self.name in _OF_ATTENTION_PASSES:
            return _OF_ATTENTION_PASSES[self.name]
        copies = self.settings.get("samples") or self.settings.get("points") or 1
        if "points" in self.settings and self.settings["points"] is None:
            copies = _POINTS
        copies = copies if isinstance(copies, int) else max(copies)
        return _BOTH_WAYS * (2 if self.name in _ON_THE_IMAGE else 1) * copies

    def described(self, net: Network, x: np.ndarray) -> dict[str, Any]:
        """What the maps depend on beside the network and the photos, as JSON.

        ``x`` (1, H, W, C) is a prepared image.
        """
        request = self._request(net, x)
        return {
            "method": self.name,
            "layer": self.layer,
            "target": None if self.target is None else self.target.describe(net),
            "parameters": {name: _told(name, value) for name, value in self.settings.items()},
            "score_unit": Answer(request, np.zeros(1)).score_unit,
            "scored": _mark_of(request),
        }

    def _stack(self, net: Network, x: np.ndarray) -> AttentionStack:
        request = self._request(net, x)
        return attention_stack(request.net, request.size, request.scored(), self.name)

    def _request(self, net: Network, x: np.ndarray) -> Request:
        return ask(net, x, self.target, self.settings["score"])


def map_methods(
    net: Network,
    x: np.ndarray,
    names: str | Sequence[str],
    target: Any,
    layer: str | None,
    memory: int,
    settings: Mapping[str, Any],
) -> list[MapMethod]:
    """The methods called ``names`` with their arguments; ``x`` (1, H, W, C) is a prepared image.

    Raises
    ------
    InputError
        If a method or an argument cannot be used.
    """
    takes = {
        name: inspect.signature(attribution_method(name)).parameters
        for name in named_methods(names)
    }
    require_taken(takes, layer, settings)
    explained = None if target is None else _only(targets_of(target))
    found = []
    for name, parameters in takes.items():
        own = {key: one.default for key, one in parameters.items() if key not in _OF_ALL}
        own |= {key: value for key, value in settings.items() if key in own}
        method = MapMethod(name, None, explained, own, memory)
        request = method._request(net, x)
        if "layer" in parameters:
            each = explained_layers(request, layer).each
            if len(each) > 1:
                raise InputError(
                    f"layer must be one layer, and {layer!r} stands for {len(each)}: a store holds "
                    "one map of each method and photo."
                )
            method = replace(method, layer=each[0].name)
        if name in OF_ATTENTION:
            method._stack(net, x)  # raises where there is no attention to follow
        if name == "occlusion":
            given = (own[key] for key in ("patch", "stride", "margin"))
            patches = Patches(request.size, *given)
            own |= {"patch": patches.patch, "stride": patches.stride}
            method = replace(method, settings=own)
        found.append(method)
    return found


def class_of(target: Target, net: Network) -> int:
    """The index of the class that is the ``target``; −1 if it is something else."""
    is_class = isinstance(target, Class) and target.region is None
    return net.class_index(target.label) if is_class else -1  # type: ignore[attr-defined]


def require_taken(
    takes: Mapping[str, Mapping[str, Any]], layer: str | None, settings: Mapping[str, Any]
) -> None:
    """Raise an InputError where an argument is given that no method takes."""
    given = [*settings, *(["layer"] if layer is not None else [])]
    known = {key for parameters in takes.values() for key in parameters}
    known -= set(_OF_ALL) - {"layer"}
    for key in given:
        if key not in known:
            hint = nearest(key, known)
            verb = "does" if len(takes) == 1 else "do"
            raise InputError(
                f"{', '.join(takes)} {verb} not take {key}{': ' if hint else ''}{hint}."
            )


def _only(targets: Sequence[Target]) -> Target:
    if len(targets) > 1:
        raise InputError(
            f"target must be one target, not {counted(len(targets), 'target')}: a store holds one "
            "map of each method and photo."
        )
    return targets[0]


def _mark_of(request: Request) -> str:
    """Identifies what is explained; "" for the highest-scoring class."""
    if request.targets is None:
        return ""
    weights = request.weights()
    return fingerprint(request.net, list(weights), request.size, list(weights.values()))[:32]


def _told(name: str, value: Any) -> Any:
    """A setting as JSON: photos and arrays by their content."""
    is_path = isinstance(value, str | os.PathLike)
    if name == "baseline" and is_path and os.fspath(value) not in _BASELINES:
        return {"photo": photo_mark(value)[:32]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list) and all(isinstance(one, int | float) for one in value):
        return list(value)
    return {"content": photo_mark(value)[:32]}
