"""The networks, their steps, and their classes."""

from typing import Any

from optogram.graph.token_grids import kind_of
from optogram.methods import ATTRIBUTIONS
from optogram.methods.request.left_out import left_out
from optogram.network.network import Network
from optogram.web.asking import MODEL, Tell, question, whole, words
from optogram.web.opening import made_again
from optogram.web.packing import Answer
from optogram.web.questions.attention import attention_names
from optogram.web.questions.survey import described
from optogram.web.workspace import Workspace


@question(is_kept=False, has_numbers=False)
def networks(workspace: Workspace, tell: Tell) -> Answer:
    """The networks, in the order of their numbers, and the survey that is open, if there is one."""
    survey = None if workspace.survey is None else described(workspace.survey)
    found = [_described(workspace, net) for net in workspace.networks]
    return Answer({"networks": found, "survey": survey})


def _described(workspace: Workspace, net: Network) -> dict[str, Any]:
    layers = {} if net.is_opaque else net.map_layers()
    return {
        "name": net.name,
        "origin": net.origin,
        "size": net.nominal_size,
        "channels": net.channels,
        "classes": net.head.classes,
        "is_opaque": net.is_opaque,
        "left_out": list(left_out(net, ATTRIBUTIONS)),
        "map_layers": list(layers),
        "attention_layers": attention_names(net),
        "default_layer": net.default_layer if layers else None,
        "warnings": list(net.warnings),
        **made_again(workspace, net, ["print(net.summary())"], ["inspect"]),
    }


@question(MODEL, has_numbers=False)
def steps(workspace: Workspace, tell: Tell, model: Network) -> Answer:
    """The steps of a network: what each does, and which earlier ones it reads."""
    geometry = model.geometry(model.nominal_size)
    found = []
    for step in model.graph.steps:
        measured = geometry[step.index]
        shape = [None if side is None else int(side) for side in measured.shape]
        found.append(
            {
                "name": step.name,
                "kind": kind_of(step),
                "half": step.half,
                "shape": shape[1:],
                "reads": sorted({output.step for output in step.inputs}),
                "has_maps": step.has_maps,
            }
        )
    return Answer({"steps": found})


@question(MODEL, whole("first", "Number of the first class.", 0, default=0), has_numbers=False)
def classes(workspace: Workspace, tell: Tell, model: Network, first: int) -> Answer:
    """The names of up to 5000 classes, from a number on."""
    count = model.head.classes or 0
    last = min(count, first + 5000)
    return Answer(
        {
            "first": first,
            "count": count,
            "names": [model.labels.names[i] for i in range(first, last)],
        }
    )


@question(MODEL, words("text", "Words, a part of a name, or a number."), has_numbers=False)
def find_classes(workspace: Workspace, tell: Tell, model: Network, text: str) -> Answer:
    """The classes whose names fit a text, best first."""
    found = model.find_classes(text)[:50]
    return Answer({"classes": [{"index": each.index, "name": each.label} for each in found]})
