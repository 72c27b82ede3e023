"""Every touch of Keras's private side, and nothing else.

The graph of a functional model, and the two things around it that Keras does not offer in public:
a layer without its fused activation, and the mask that Keras pins on a tensor. Tested against the
oldest and the newest Keras that optogram supports.
"""

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras
from keras.src.backend import compute_output_spec, get_keras_mask, set_keras_mask
from keras.src.backend.common import global_state
from keras.src.models.functional import Functional

# Their call() ends with `self.activation(outputs)`: the activation can be split off. Layers like
# LSTM also have an `activation`, but use it in the middle of their work.
_FUSED = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
    keras.layers.EinsumDense,
)

_PLAIN_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
"""What TensorFlow takes as the name of a scope, which Keras makes of a layer's name."""

_NUMBERS = "object_name_uids"
"""Where Keras counts how many operations of each kind it has named."""


@dataclass(frozen=True)
class Call:
    """One use of an operation in a model's graph; its tensors are symbolic ``KerasTensor``s."""

    operation: Any
    args: tuple
    kwargs: dict
    outputs: Sequence[keras.KerasTensor]


def functional(operation: Any) -> Functional | None:
    """The functional model that ``operation`` is or holds; None where it has no graph of its own.

    A subclass with a ``call`` of its own is opaque: its graph need not be what it computes.
    """
    if isinstance(operation, keras.Sequential):
        if type(operation).call is not keras.Sequential.call:
            return None
        operation = operation._functional
    if isinstance(operation, Functional) and type(operation).call is Functional.call:
        return operation
    return None


def graph_of(model: keras.Model) -> tuple[Functional | None, bool]:
    """The graph of any model that was built, and whether it is opaque: one step, the model itself.

    The ``call`` of a subclassed model is followed with symbolic inputs: where it is made of layers
    and Keras operations alone, those are its graph. None where not even the shape of what it
    returns can be told. The model keeps no trace of being asked.
    """
    own = functional(model)
    if own is not None:
        return own, False
    with losses_kept([model]), _no_trace(model, defaultdict(int)):
        for call, is_opaque in ((model.call, False), (model, True)):
            inputs = _symbols(model)
            if inputs is None:
                return None, True
            # What somebody else's call does with symbols can fail in any way.
            with suppress(Exception):
                found = keras.Model(inputs, call(inputs), name=model.name)
                _try(found)
                return found, is_opaque
    return None, True


def _symbols(model: keras.Model) -> Any:
    """New symbolic inputs like those that ``model`` was built with; None where it was not."""
    if isinstance(model, Functional):
        return keras.tree.map_structure(
            lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name),
            model.input,
        )
    shapes = ((model.get_build_config() or {}) if model.built else {}).get("input_shape")
    numbers = count()
    return shapes and keras.tree.map_shape_structure(
        lambda sides: keras.Input(
            sides[1:], dtype=model.input_dtype, name=f"input_{next(numbers)}"
        ),
        shapes,
    )


@contextmanager
def _no_trace(model: keras.Layer, numbers: defaultdict[str, int]) -> Iterator[None]:
    """Run the block, then take out what it added to the graphs that the layers are part of.

    Operations made in it are counted in ``numbers``: their names do not depend on what the user
    made before, nor those of the user's next layers on them.
    """
    own = global_state.get_global_attribute(_NUMBERS)
    global_state.set_global_attribute(_NUMBERS, numbers)
    kept = [
        (nodes, len(nodes))
        for layer in model._flatten_layers()
        for nodes in (layer._inbound_nodes, layer._outbound_nodes)
    ]
    try:
        yield
    finally:
        for nodes, count in kept:
            del nodes[count:]
        global_state.set_global_attribute(_NUMBERS, own)


def inputs_by_name(model: Functional) -> dict[str, keras.KerasTensor]:
    """The inputs of ``model`` under the names that its users know."""
    names = [input_layer(tensor).name for tensor in model.inputs]
    return _by_name(model.input, names, model.inputs)


def outputs_by_name(model: Functional) -> dict[str, keras.KerasTensor]:
    """The outputs of ``model`` under the names that its users know."""
    return _by_name(model.output, model.output_names, model.outputs)


def _by_name(
    structure: Any, names: Sequence[str], tensors: Sequence[keras.KerasTensor]
) -> dict[str, keras.KerasTensor]:
    """Tensors by their keys in a dictionary; elsewhere by ``names``, of which some may be equal."""
    if isinstance(structure, dict) and all(
        isinstance(tensor, keras.KerasTensor) for tensor in structure.values()
    ):
        return dict(structure)
    found: dict[str, keras.KerasTensor] = {}
    for name, tensor in zip(names, tensors, strict=True):
        again = sum(other.partition("@")[0] == name for other in found)
        found[f"{name}@{again + 1}" if again else name] = tensor
    return found


def reads(model: Functional) -> frozenset[int]:
    """The ids of all tensors that something in ``model`` reads, or that it returns."""
    read = [leaf for call in calls(model) for leaf in keras.tree.flatten((call.args, call.kwargs))]
    return frozenset(map(id, (*read, *model.outputs)))


def calls(model: Functional) -> Iterator[Call]:
    """The operations that ``model`` runs, inputs left out, in the order in which Keras does."""
    known = {id(tensor) for tensor in model.inputs}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input or any(id(x) not in known for x in node.input_tensors):
                continue
            known.update(id(tensor) for tensor in node.outputs)
            yield Call(node.operation, node.arguments.args, node.arguments.kwargs, node.outputs)


def input_layer(tensor: keras.KerasTensor) -> keras.layers.InputLayer:
    """The layer that stands for a model's input ``tensor``."""
    return tensor._keras_history.operation


def flat_inputs(model: Functional, inputs: Any) -> list[Any]:
    """``inputs`` as the call of a functional model was given them, in the order of its inputs."""
    if isinstance(inputs, dict) and not isinstance(model.input, dict):
        return [inputs[tensor.name] for tensor in model.inputs]
    return keras.tree.flatten(inputs)


def takes_training(operation: Any) -> bool:
    """Whether a model hands its own ``training`` on to ``operation``, or to layers inside it."""
    return "training" in getattr(operation, "_call_context_args", ())


def asked_to_train(operation: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether whoever built a model called ``operation`` with ``training=True``.

    Layers that augment images do so by default, and Keras keeps that as if it had been asked for.
    """
    training = inspect.signature(operation.call).parameters.get("training")
    is_default = training is not None and training.default is True
    return bool(kwargs.get("training")) and not is_default


def shape_arguments(operation: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The ``kwargs`` of a call that ``operation`` also takes when it is asked for shapes alone."""
    specify = getattr(operation, "compute_output_spec", None)
    known = inspect.signature(specify).parameters.values() if specify else ()
    takes = any(each.name == "training" or each.kind is each.VAR_KEYWORD for each in known)
    if takes and getattr(operation, "_call_has_training_arg", False):
        return dict(kwargs)
    return {name: value for name, value in kwargs.items() if name != "training"}


def followed(call: Call, numbers: defaultdict[str, int]) -> Functional | None:
    """The graph inside a call of a pipeline, or of somebody else's layer made of layers.

    Its inputs are the tensors that the call reads, in order; ``numbers`` counts its operations.
    None where it holds no layers, or does more than layers and Keras operations do. The layer
    keeps no trace of being asked.
    """
    layer = call.operation
    is_other = type(layer).__module__.startswith("keras.") and not is_pipeline(layer)
    if is_other or not isinstance(layer, keras.Layer):
        return None
    if not any(True for _ in layer._flatten_layers(include_self=False)):
        return None
    places = count()
    symbols: dict[int, keras.KerasTensor] = {}

    def symbol(leaf: Any) -> Any:
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        if id(leaf) not in symbols:
            symbols[id(leaf)] = keras.Input(
                batch_shape=leaf.shape, dtype=leaf.dtype, name=f"input_{next(places)}"
            )
        return symbols[id(leaf)]

    with losses_kept([layer]), _no_trace(layer, numbers), suppress(Exception):
        args, kwargs = keras.tree.map_structure(symbol, (call.args, dict(call.kwargs)))
        if not layer._call_has_training_arg:
            kwargs.pop("training", None)
        found = keras.Model(list(symbols.values()), layer.call(*args, **kwargs))
        _try(found)
        return found
    return None


def is_pipeline(operation: Any) -> bool:
    """Whether ``operation`` runs layers one after the other, and tells each whether it trains."""
    return type(operation) is keras.layers.Pipeline


def _try(model: Functional) -> None:
    """Run ``model`` on tensors without numbers, as its backend has them.

    Symbols let pass what tensors do not, such as a shape asked of a batch whose size is not known.
    """
    compute_output_spec(lambda *tensors: model(list(tensors)), *model.inputs)


def fused_activation(operation: Any) -> Any | None:
    """The activation that ``operation`` applies to its result, where there is one to split off."""
    if not any(
        isinstance(operation, layer) and type(operation).call is layer.call for layer in _FUSED
    ):
        return None
    activation = operation.activation
    return None if activation in (None, keras.activations.linear) else activation


def applied(operation: Any) -> tuple[Any, ...]:
    """The operations that ``operation`` applies, one after the other, out of layers that hold them.

    `keras.layers.Activation` applies what it holds, and a layer with a fused activation that, too.
    """
    if isinstance(operation, keras.layers.Activation):
        is_plain = type(operation).call is keras.layers.Activation.call
        return applied(operation.activation) if is_plain else (operation,)
    activation = fused_activation(operation)
    return (operation,) if activation is None else (operation, *applied(activation))


def without_activation(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A view of ``layer`` that shares all it has, its weights too, but applies no activation."""
    return view(layer, activation=keras.activations.linear)


def with_plain_name(operation: Any) -> Any:
    """A view of a layer under a name that every backend takes, where its own is none."""
    if not isinstance(operation, keras.Layer) or _PLAIN_NAME.fullmatch(operation.name):
        return operation
    return view(operation, name="x" + re.sub(r"[^A-Za-z0-9_.-]", "_", operation.name))


def view(layer: keras.layers.Layer, **other: Any) -> keras.layers.Layer:
    """A layer that shares all that ``layer`` has, its weights too, but for some attributes."""
    # Layers define copying as saving and loading; their constructors make new weights.
    found = object.__new__(type(layer))
    found.__dict__.update(layer.__dict__, **other)
    return found


@contextmanager
def losses_kept(operations: Iterable[Any]) -> Iterator[None]:
    """Run the block, then give layers back the losses of their last call, which Keras clears."""
    layers = [
        layer
        for operation in operations
        if isinstance(operation, keras.Layer)
        for layer in operation._flatten_layers()
    ]
    kept = [(list(layer._losses), set(layer._loss_ids)) for layer in layers]
    try:
        yield
    finally:
        for layer, (losses, ids) in zip(layers, kept, strict=True):
            layer._losses[:] = losses
            layer._loss_ids.clear()
            layer._loss_ids.update(ids)


def apply_activation(activation: Any, tensor: Any, **training: bool) -> Any:
    """``activation(tensor)`` with the mask kept, as the layer it is fused into would.

    ``training`` is what that layer would hand on to an activation that is a layer.
    """
    result = activation(tensor, **training)
    mask = get_keras_mask(tensor)
    if mask is not None:
        set_keras_mask(result, mask)
    return result
