"""Selects one image input and one output of models with several of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.errors import InputError, ModelError, nearest
from optogram.graph.call_structure import complaint
from optogram.graph.keras_private import following, nodes
from optogram.graph.steps import Graph, Shape, flatten

_RANK_OF_IMAGES = 4


@dataclass(frozen=True)
class Selection:
    """The explained part of a model.

    Attributes
    ----------
    graph : Graph
        The graph from the image input to one output.
    is_opaque : bool
        Whether the whole model is a single step that cannot be traced.
    outputs : mapping of str to tuple
        Shapes of all outputs of the model, by name.
    """

    graph: Graph
    is_opaque: bool
    outputs: Mapping[str, Shape]


def select(
    model: keras.Model,
    input: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    output: str | None = None,
) -> Selection:
    """The steps from the image input to the output.

    Parameters
    ----------
    model : keras.Model
        Any model that was built.
    input : str, optional
        Name of the image input. None: the only input that can be an image.
    fixed : mapping of str to array, optional
        Values of the other inputs, which are constant, without a batch axis; a number fills the
        array.
    output : str, optional
        Name of the output to explain. None: the only one.

    Raises
    ------
    ModelError
        If the model was never built, or cannot be read.
    InputError
        If the choice among several inputs or outputs is missing, or a value does not fit.
    """
    with following.no_trace():
        found = following.graph_of(model, fixed or {})
        if found is None:
            told = complaint(model, fixed or {})
            if told:
                raise InputError(told)
            raise ModelError(_no_graph(model))
        part = _part(model.name, found, input, fixed or {}, output)
        shapes = {name: tuple(tensor.shape) for name, tensor in found.outputs.items()}
        return Selection(part, found.is_opaque, shapes)


def _part(
    model: str,
    found: following.Found,
    input: str | None,
    fixed: Mapping[str, Any],
    output: str | None,
) -> Graph:
    """The steps from the image input to the output; the other inputs are constants."""
    inputs = found.inputs
    answer = _answer(model, found.outputs, output)
    picture = _picture(model, inputs, input)
    if len(inputs) == len(found.outputs) == 1:
        _require_known(model, "input", fixed, ())
        return flatten(found.graph, is_code=found.is_code)
    answered = keras.Model(found.graph.inputs, found.outputs[answer])
    read = nodes.reads(answered)
    needed = [name for name, tensor in inputs.items() if id(tensor) in read]
    if picture not in needed:
        raise InputError(
            f"The output {answer!r} of {model!r} does not depend on its input {picture!r}, only "
            f"on {_listed(needed)}: choose another one with input=… or output=…."
        )
    others = [name for name in needed if name != picture]
    constants = _constants(model, {name: inputs[name] for name in others}, fixed, inputs)
    ordered = [inputs[name] for name in (picture, *others)]
    part = keras.Model(ordered, found.outputs[answer], name=model)
    return flatten(part, dict(enumerate(constants, 1)), found.is_code)


def _no_graph(model: keras.Model) -> str:
    kind = f"The model {model.name!r} ({type(model).__name__})"
    if not model.built or isinstance(model, keras.Sequential):
        return (
            f"{kind} has no input shape yet: call it on a batch of images once, or "
            "model.build((None, height, width, channels)), before opening it."
        )
    return (
        f"{kind} has a call() that Keras cannot trace with symbolic inputs, so not even the shape "
        "of its output is known: write it with layers and keras.ops."
    )


def _answer(model: str, outputs: Mapping[str, keras.KerasTensor], output: str | None) -> str:
    if output is not None:
        _require_known(model, "output", [output], outputs)
    elif len(outputs) > 1:
        raise InputError(
            f"{model!r} has {len(outputs)} outputs, {_listed(outputs)}: choose one with "
            f'output="{next(iter(outputs))}", or another.'
        )
    name = output or next(iter(outputs))
    if not outputs[name].shape:
        raise InputError(
            f"The output {name!r} of {model!r} is one number for all images: choose an output "
            "with numbers for each image, with output=…."
        )
    return name


def _picture(model: str, inputs: Mapping[str, keras.KerasTensor], input: str | None) -> str:
    if input is not None:
        _require_known(model, "input", [input], inputs)
        return input
    pictures = [name for name, tensor in inputs.items() if len(tensor.shape) == _RANK_OF_IMAGES]
    if len(pictures) == 1 or len(inputs) == 1:
        return (pictures or list(inputs))[0]
    raise InputError(
        f"{model!r} has {len(inputs)} inputs, {_listed(inputs)}, and {len(pictures)} of them take "
        'images (batch, height, width, channels): choose one with input="NAME".'
    )


def _constants(
    model: str,
    others: Mapping[str, keras.KerasTensor],
    fixed: Mapping[str, Any],
    inputs: Mapping[str, keras.KerasTensor],
) -> list[np.ndarray]:
    """The value of each of the ``others``."""
    _require_known(model, "input", fixed, inputs)
    missing = [name for name in others if name not in fixed]
    if missing:
        shape = tuple(others[missing[0]].shape[1:])
        raise InputError(
            f"{model!r} also takes {_listed(missing)}: give each a constant value, "
            f'fixed={{"{missing[0]}": an array of shape {shape}}}.'
        )
    return [_fitted(name, tensor, fixed[name]) for name, tensor in others.items()]


def _fitted(name: str, tensor: keras.KerasTensor, given: Any) -> np.ndarray:
    """``given`` as an array in the shape of the input ``tensor``, without batch axis."""
    wanted = tuple(tensor.shape[1:])
    sides = tuple(side or 1 for side in wanted)
    try:
        array = np.asarray(given).astype(tensor.dtype)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The value of the constant input {name!r} must be of type {tensor.dtype}, "
            f"not {given!r}."
        ) from error
    if array.ndim == 0:
        array = np.full(sides, array)
    if array.shape[:1] == (1,) and array.ndim == len(wanted) + 1:
        array = array[0]
    fits = array.ndim == len(wanted) and all(
        side in (None, length) for side, length in zip(wanted, array.shape, strict=True)
    )
    if not fits or not np.isfinite(array.astype(np.float64)).all():
        raise InputError(
            f"The value of the constant input {name!r} must be an array of shape {wanted}, all "
            f"finite: got shape {array.shape}."
        )
    return array


def _require_known(model: str, kind: str, given: Any, known: Any) -> None:
    for name in given:
        if name not in known:
            hint = nearest(str(name), known) or f"there is {_listed(known) or 'only one'}"
            raise InputError(f"{model!r} has no {kind} {name!r}: {hint}.")


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names))
