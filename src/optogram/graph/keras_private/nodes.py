"""The graph of a functional model, which is private in Keras.

Also two related functions that Keras does not have in public: a layer without its fused
activation, and the mask attached to a tensor. This folder has all access to private parts of
Keras, tested against the oldest and the newest supported Keras.
"""

import inspect
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.backend import compute_output_spec, get_keras_mask, set_keras_mask
from keras.src.models.functional import Functional

from optogram.graph import layer_types
from optogram.graph.keras_private.copies import original, view

_BUILDING = threading.Lock()
"""Held while an activation is built, which must not happen twice."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
"""Names that TensorFlow accepts as scopes, which Keras makes from layer names."""


@dataclass(frozen=True)
class Call:
    """One use of an operation in a model's graph; its tensors are symbolic ``KerasTensor``s.

    ``operation`` is the user's object, ``runs`` the object in the graph, which may be a copy.
    """

    operation: Any
    runs: Any
    args: tuple
    kwargs: dict
    outputs: Sequence[keras.KerasTensor]


def functional(operation: Any) -> Functional | None:
    """The functional model that ``operation`` is or holds; None if it has no graph.

    A subclass with its own ``call`` is opaque: its graph may differ from what it computes.
    """
    if isinstance(operation, keras.Sequential):
        if type(operation).call is not keras.Sequential.call:
            return None
        operation = operation._functional
    if isinstance(operation, Functional) and type(operation).call is Functional.call:
        return operation
    return None


def inputs_by_name(model: Functional) -> dict[str, keras.KerasTensor]:
    """The inputs of ``model`` by name."""
    names = [input_layer(tensor).name for tensor in model.inputs]
    return _by_name(model.input, names, model.inputs)


def outputs_by_name(model: Functional) -> dict[str, keras.KerasTensor]:
    """The outputs of ``model`` by name."""
    return _by_name(model.output, model.output_names, model.outputs)


def _by_name(
    structure: Any, names: Sequence[str], tensors: Sequence[keras.KerasTensor]
) -> dict[str, keras.KerasTensor]:
    """Tensors by their keys in a dictionary, otherwise by ``names``, which may not be unique."""
    if isinstance(structure, dict) and all(
        isinstance(tensor, keras.KerasTensor) for tensor in structure.values()
    ):
        return dict(structure)
    return unique(zip(names, tensors, strict=True))


def unique(named: Iterable[tuple[str, keras.KerasTensor]]) -> dict[str, keras.KerasTensor]:
    """Tensors by name, with numbers appended to names that are not unique."""
    found: dict[str, keras.KerasTensor] = {}
    for name, tensor in named:
        again = sum(other.partition("@")[0] == name for other in found)
        found[f"{name}@{again + 1}" if again else name] = tensor
    return found


def reads(model: Functional) -> frozenset[int]:
    """The ids of all tensors that something in ``model`` reads, or that it returns."""
    read = [leaf for call in calls(model) for leaf in keras.tree.flatten((call.args, call.kwargs))]
    return frozenset(map(id, (*read, *model.outputs)))


def calls(model: Functional) -> Iterator[Call]:
    """The operations that ``model`` runs, without inputs, in the order of Keras."""
    known = {id(tensor) for tensor in model.inputs}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input or any(id(x) not in known for x in node.input_tensors):
                continue
            known.update(id(tensor) for tensor in node.outputs)
            runs, given = node.operation, node.arguments
            yield Call(original(runs), runs, given.args, given.kwargs, node.outputs)


def input_layer(tensor: keras.KerasTensor) -> keras.layers.InputLayer:
    """The input layer of a model's input ``tensor``."""
    return made_by(tensor)


def made_by(tensor: keras.KerasTensor) -> Any:
    """The operation that made the symbolic ``tensor``."""
    return tensor._keras_history.operation


def flat_inputs(model: Functional, inputs: Any) -> list[Any]:
    """``inputs`` of a call of a functional model, in the order of its inputs."""
    if isinstance(inputs, dict) and not isinstance(model.input, dict):
        return [inputs[tensor.name] for tensor in model.inputs]
    return keras.tree.flatten(inputs)


def takes_training(operation: Any) -> bool:
    """Whether a model passes its ``training`` to ``operation``, or to layers inside it."""
    return "training" in getattr(operation, "_call_context_args", ())


def mask_of(tensor: Any) -> Any | None:
    """The mask attached to a tensor or symbol."""
    return get_keras_mask(tensor)


def shape_arguments(operation: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The ``kwargs`` of a call that shape inference of ``operation`` accepts."""
    specify = getattr(operation, "compute_output_spec", None)
    known = inspect.signature(specify).parameters.values() if specify else ()
    takes = any(each.name == "training" or each.kind is each.VAR_KEYWORD for each in known)
    if takes and getattr(operation, "_call_has_training_arg", False):
        return dict(kwargs)
    return {name: value for name, value in kwargs.items() if name != "training"}


def is_pipeline(operation: Any) -> bool:
    """Whether ``operation`` runs layers in sequence, passing ``training`` to each."""
    return type(operation) is keras.layers.Pipeline


def tried(function: Callable[..., Any], tensors: Sequence[Any]) -> Any:
    """Run ``function`` on tensors without values in the shapes of symbolic ``tensors``.

    Returns symbols in the shapes of its results. Raises whatever the backend raises.
    """
    return compute_output_spec(function, *tensors)


def fused_activation(operation: Any) -> Any | None:
    """The activation that ``operation`` applies to its result, if it can be split off."""
    if not any(
        isinstance(operation, layer) and type(operation).call is layer.call
        for layer in layer_types.WITH_FUSED_ACTIVATION
    ):
        return None
    activation = operation.activation
    return None if activation in (None, keras.activations.linear) else activation


def applied(operation: Any) -> tuple[Any, ...]:
    """The operations that ``operation`` applies in turn, taken out of the layers that wrap them.

    `keras.layers.Activation` applies the function that it wraps; a fused activation counts too.
    """
    if isinstance(operation, keras.layers.Activation):
        is_plain = type(operation).call is keras.layers.Activation.call
        return applied(operation.activation) if is_plain else (operation,)
    activation = fused_activation(operation)
    return (operation,) if activation is None else (operation, *applied(activation))


def build_activation(operation: Any, shape: Sequence[int | None]) -> None:
    """Build the layer that is the activation of ``operation``, if it was not run yet.

    Keras builds such a layer on its first run. Until then its model does not know its weights, and
    a copy would create its own weights.
    """
    activation = getattr(operation, "activation", None)
    if isinstance(activation, keras.Layer):
        # What cannot be built for images of any size says so when it runs.
        with _BUILDING, suppress(Exception):
            if not activation.built:
                activation.build(tuple(shape))


def without_activation(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A view of ``layer`` that shares everything, including weights, but applies no activation."""
    return view(layer, activation=keras.activations.linear)


def with_plain_name(operation: Any) -> Any:
    """A view of a layer with a name that every backend accepts, if its own is not accepted."""
    if not isinstance(operation, keras.Layer) or _PLAIN_NAME.fullmatch(operation.name):
        return operation
    return view(operation, name="x" + re.sub(r"[^A-Za-z0-9_.-]", "_", operation.name))


def apply_activation(activation: Any, tensor: Any, **training: bool) -> Any:
    """``activation(tensor)`` with the mask kept, as in the layer that it is fused into.

    ``training`` is the mode that this layer would pass to an activation layer.
    """
    result = activation(tensor, **training)
    mask = get_keras_mask(tensor)
    if mask is not None:
        set_keras_mask(result, mask)
    return result
