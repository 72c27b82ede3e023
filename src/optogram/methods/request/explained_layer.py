"""The layers that a method explains."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from optogram.errors import InputError
from optogram.graph.steps import Output, Step
from optogram.methods.request.request import Request
from optogram.network.network import Network

_Answer = TypeVar("_Answer")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class ExplainedLayer:
    """A layer to explain.

    Attributes
    ----------
    name : str
        Its name.
    output : Output
        Its output.
    warnings : tuple of str
        Warnings about scores that do not depend on it.
    """

    name: str
    output: Output
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ExplainedLayers:
    """What a ``layer`` argument stands for.

    Attributes
    ----------
    each : tuple of ExplainedLayer
        The layers, in order of the network.
    is_one : bool
        Whether the argument names one layer, so that the method returns one result.
    """

    each: tuple[ExplainedLayer, ...]
    is_one: bool

    @property
    def outputs(self) -> list[Output]:
        """The outputs of the layers."""
        return [layer.output for layer in self.each]

    def results(
        self, make: Callable[[ExplainedLayer, _Answer], _Found], answers: Iterable[_Answer]
    ) -> "_Found | dict[str, _Found]":
        """``make`` of each layer and its answer: the result of one layer, or a dict by name."""
        pairs = zip(self.each, answers, strict=True)
        found = {layer.name: make(layer, answer) for layer, answer in pairs}
        return found[self.each[0].name] if self.is_one else found


def explained_layers(request: Request, layer: str | Sequence[str] | None) -> ExplainedLayers:
    """The layers that ``layer`` stands for: names or patterns, see `Network.layer_names`.

    None stands for `Network.default_layer`.

    Raises
    ------
    InputError
        If a layer has no feature maps, or no score depends on it.
    """
    net = request.net
    if layer is None:
        return ExplainedLayers((_explained(request, net.default_layer),), is_one=True)
    if not len(layer):
        raise InputError("layer must name at least one layer.")
    names = sorted(net.layer_names(layer), key=lambda name: net.step(name).index)
    each = tuple(_explained(request, name) for name in names)
    return ExplainedLayers(each, is_one=names == [layer])


def step_with_maps(net: Network, name: str) -> Step:
    """The step called ``name``, whose output is feature maps (N, H, W, C).

    Raises
    ------
    InputError
        If there is none, or its output is something else.
    """
    step = net.step(name)
    if not step.has_maps:
        raise InputError(
            f"{name!r} has no feature maps, its output has the shape {step.shape}: choose a layer "
            "before the maps are flattened or averaged."
        )
    return step


def _explained(request: Request, name: str) -> ExplainedLayer:
    net, graph = request.net, request.net.graph
    step = net.step(name)
    if not step.has_maps:
        raise InputError(
            f"{name!r} has no feature maps, its output has the shape {step.shape}: "
            f"{_another(request)}."
        )
    if not step.is_read or step.index not in graph.ancestors(request.scored()):
        raise InputError(f"The score does not depend on {name!r}: {_another(request)}.")
    warnings = []
    for target in dict.fromkeys(request.targets or ()):
        weights = target.weights(net, request.size, request.score)
        if step.index not in graph.ancestors(weights):
            warnings.append(
                f"The score of {target.describe(net)} does not depend on {name!r}: its map is "
                "zero and has no meaning."
            )
    return ExplainedLayer(name, Output(step.index), tuple(warnings))


def _another(request: Request) -> str:
    """A suggestion for another layer."""
    net, scored = request.net, request.scored()
    on_the_way = net.graph.ancestors(scored) - {output.step for output in scored}
    known = [name for name in net.map_layers(request.size) if net.step(name).index in on_the_way]
    if known:
        return f"choose a layer between the image and the score, such as {known[-1]!r}"
    return (
        "no layer between the image and the score has feature maps; saliency and occlusion need "
        "none"
    )
