"""The layer that a method explains."""

from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.methods.request.request import Request


def explained_layer(request: Request, layer: str | None) -> tuple[str, Output, tuple[str, ...]]:
    """The name of the layer, its output, and warnings about scores that do not depend on it.

    ``layer=None`` stands for `Network.default_layer`.

    Raises
    ------
    InputError
        If the layer has no feature maps, or no score depends on it.
    """
    net, graph = request.net, request.net.graph
    name = net.default_layer if layer is None else layer
    step = net.step(name)
    if len(step.shape) != 4:
        raise InputError(
            f"{name!r} has no feature maps, its output has the shape {step.shape}: "
            f"{_another(request)}."
        )
    if step.index not in graph.ancestors(request.scored()):
        raise InputError(f"The score does not depend on {name!r}: {_another(request)}.")
    warnings = []
    for target in dict.fromkeys(request.targets or ()):
        weights = target.weights(net, request.size, request.score)
        if step.index not in graph.ancestors(weights):
            warnings.append(
                f"The score of {target.describe(net)} does not depend on {name!r}: its map is "
                "zero and has no meaning."
            )
    return name, Output(step.index), tuple(warnings)


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
