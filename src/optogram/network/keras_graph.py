"""Every touch of Keras's private side, and nothing else.

The graph of a functional model, and the two things around it that Keras does not offer in public:
a layer without its fused activation, and the mask that Keras pins on a tensor. Tested against the
oldest and the newest Keras that optogram supports.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.backend import get_keras_mask, set_keras_mask
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
    """Whether a model hands its own ``training`` on to ``operation``."""
    return "training" in getattr(operation, "_call_context_args", ())


def fused_activation(operation: Any) -> Any | None:
    """The activation that ``operation`` applies to its result, where there is one to split off."""
    if not any(
        isinstance(operation, layer) and type(operation).call is layer.call for layer in _FUSED
    ):
        return None
    activation = operation.activation
    return None if activation in (None, keras.activations.linear) else activation


def without_activation(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A view of ``layer`` that shares all it has, its weights too, but applies no activation."""
    # Layers define copying as saving and loading; their constructors make new weights.
    view = object.__new__(type(layer))
    view.__dict__.update(layer.__dict__)
    view.__dict__["activation"] = keras.activations.linear
    return view


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


def apply_activation(activation: Any, tensor: Any) -> Any:
    """``activation(tensor)`` with the mask kept, as the layer it is fused into would."""
    result = activation(tensor)
    mask = get_keras_mask(tensor)
    if mask is not None:
        set_keras_mask(result, mask)
    return result
