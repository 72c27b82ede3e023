"""The layer whose maps a method weighs."""

from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.methods.request.request import Request


def explained_layer(request: Request, layer: str | None) -> tuple[str, Output, tuple[str, ...]]:
    """The name of the layer, its output, and warnings about scores that do not depend on it.

    None stands for `Network.default_layer`.

    Raises
    ------
    InputError
        If the layer makes no maps, or no score depends on it.
    """
    net, graph = request.net, request.net.graph
    name = net.default_layer if layer is None else layer
    step = net.step(name)
    if len(step.shape) != 4:
        raise InputError(
            f"{name!r} makes no maps, its output has the shape {step.shape}: {_another(request)}."
        )
    if step.index not in graph.ancestors(request.scored()):
        raise InputError(f"The score does not depend on {name!r}: {_another(request)}.")
    warnings = []
    for target in dict.fromkeys(request.targets or ()):
        weights = target.weights(net, request.size, request.score)
        if step.index not in graph.ancestors(weights):
            warnings.append(
                f"The score of {target.describe(net)} does not depend on {name!r}: its map is "
                "zero, and says nothing."
            )
    return name, Output(step.index), tuple(warnings)


def _another(request: Request) -> str:
    """What to choose in place of a layer that will not do."""
    net, scored = request.net, request.scored()
    on_the_way = net.graph.ancestors(scored) - {value.step for value in scored}
    known = [name for name in net.map_layers(request.size) if net.step(name).index in on_the_way]
    if known:
        return f"choose a layer on the way to the score, such as {known[-1]!r}"
    return "no layer on the way to the score makes maps; saliency and occlusion need none"
