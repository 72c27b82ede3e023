"""The graph of a functional model, which Keras keeps private.

And the two things around it that Keras does not offer in public: a layer without its fused
activation, and the mask that Keras pins on a tensor. All that touches Keras's private side is in
the ``keras_…`` files of this folder, tested against the oldest and the newest Keras that optogram
supports.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.backend.common import global_state
from keras.src.models.functional import Functional

from optogram.network.keras_copies import original, view

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

_POLICY = "_dtype_policy"
"""Where a layer keeps the types that it computes in."""

_OF_TRAINING = frozenset(
    (
        "auto_scale_loss",
        "compiled",
        "history",
        "jit_compile",
        "loss",
        "optimizer",
        "output_names",
        "predict_function",
        "run_eagerly",
        "steps_per_execution",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
        "test_function",
        "train_function",
        "unrolled_steps_per_execution",
    )
)
"""What models keep for training, evaluation and prediction."""

_SHARED_GENERATOR = "global_seed_generator"
"""Where Keras keeps what random operations without a generator of their own draw from."""

_RATES = ("rate", "stddev", "dropout", "recurrent_dropout")
"""What random layers call how much they do; the others always do something."""


@dataclass(frozen=True)
class Call:
    """One use of an operation in a model's graph; its tensors are symbolic ``KerasTensor``s.

    ``operation`` is the user's own, ``runs`` what stands for it in the graph: a copy, maybe.
    """

    operation: Any
    runs: Any
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
    return unique(zip(names, tensors, strict=True))


def unique(named: Iterable[tuple[str, keras.KerasTensor]]) -> dict[str, keras.KerasTensor]:
    """Tensors by name, a number behind names that several of them have."""
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
    """The operations that ``model`` runs, inputs left out, in the order in which Keras does."""
    known = {id(tensor) for tensor in model.inputs}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input or any(id(x) not in known for x in node.input_tensors):
                continue
            known.update(id(tensor) for tensor in node.outputs)
            runs, given = node.operation, node.arguments
            yield Call(original(runs), runs, given.args, given.kwargs, node.outputs)


def input_layer(tensor: keras.KerasTensor) -> keras.layers.InputLayer:
    """The layer that stands for a model's input ``tensor``."""
    return made_by(tensor)


def made_by(tensor: keras.KerasTensor) -> Any:
    """The operation that made the symbolic ``tensor``."""
    return tensor._keras_history.operation


def flat_inputs(model: Functional, inputs: Any) -> list[Any]:
    """``inputs`` as the call of a functional model was given them, in the order of its inputs."""
    if isinstance(inputs, dict) and not isinstance(model.input, dict):
        return [inputs[tensor.name] for tensor in model.inputs]
    return keras.tree.flatten(inputs)


def takes_training(operation: Any) -> bool:
    """Whether a model hands its own ``training`` on to ``operation``, or to layers inside it."""
    return "training" in getattr(operation, "_call_context_args", ())


def trains_by_default(operation: Any) -> bool:
    """Whether ``operation`` is in training mode unless told otherwise, as augmenting layers are.

    Keras keeps that as if whoever built the model had asked for it.
    """
    training = inspect.signature(operation.call).parameters.get("training")
    return training is not None and training.default is True


def draws(operation: Any) -> bool:
    """Whether ``operation``, or a layer inside it, draws random numbers in training mode."""
    if not isinstance(operation, keras.Layer):
        return False
    drawing = [layer for layer in operation._flatten_layers() if layer._seed_generators]
    return any(map(_has_rate, drawing))


def _has_rate(layer: keras.Layer) -> bool:
    rates = [vars(layer)[name] for name in _RATES if name in vars(layer)]
    return not rates or any(bool(np.any(rate)) for rate in rates)


def acts_in_training(operation: keras.Layer) -> bool:
    """Whether training mode changes what Keras's layers in ``operation`` answer."""
    return draws(operation) or any(
        isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for layer in operation._flatten_layers()
    )


@contextmanager
def seed_states(model: keras.Layer) -> Iterator[list[keras.Variable]]:
    """What random layers of ``model`` draw from: states of its generators, and of Keras's own.

    Keras makes its own when it is first drawn from; until then there is another one in the block.
    """
    own = [generator for layer in model._flatten_layers() for generator in layer._seed_generators]
    kept = global_state.get_global_attribute(_SHARED_GENERATOR)
    shared = kept or keras.random.SeedGenerator(0, name="optogram")
    global_state.set_global_attribute(_SHARED_GENERATOR, shared)
    try:
        yield [generator.state for generator in (*own, shared)]
    finally:
        global_state.set_global_attribute(_SHARED_GENERATOR, kept)


def layers_within(model: keras.Layer) -> list[keras.Layer]:
    """``model`` and all layers inside it, those given as activations too."""
    return model._flatten_layers()


def settings(layer: keras.Layer) -> Iterator[tuple[dict[str, Any], str]]:
    """Where ``layer`` keeps what it is set to, and under which name: attributes that it may read.

    Attributes that every layer has are none, but for the policy of its types and a ``call`` of its
    own. What a model has for its training is none either.
    """
    every = _what_every_layer_has()
    is_keras = type(layer).__module__.startswith("keras.")
    is_model = isinstance(layer, keras.Model)
    own = vars(layer)
    # PyTorch keeps layers inside layers in a place of their own.
    for names in (own, own.get("_modules", {})) if not (is_model and is_keras) else ():
        for name in names:
            is_private = name.startswith("_" if is_keras or is_model else "_self_")
            is_training = is_model and name in _OF_TRAINING
            if not is_private and not is_training and name not in every:
                yield names, name
    yield own, _POLICY
    yield own, "call"


@cache
def _what_every_layer_has() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer(name="bare")))


def trainable(layer: keras.Layer) -> tuple[dict[str, Any], str]:
    """Where ``layer`` keeps whether it is trained."""
    return vars(layer), "_trainable"


def held(layer: keras.Layer) -> tuple[Any, ...]:
    """The variables and the layers that ``layer`` holds itself; none before it is built."""
    if not layer.built:
        return ()
    return (*layer._trainable_variables, *layer._non_trainable_variables, *layer._layers)


def mask_of(tensor: Any) -> Any | None:
    """The mask that Keras pinned on a tensor or symbol."""
    return get_keras_mask(tensor)


def shape_arguments(operation: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The ``kwargs`` of a call that ``operation`` also takes when it is asked for shapes alone."""
    specify = getattr(operation, "compute_output_spec", None)
    known = inspect.signature(specify).parameters.values() if specify else ()
    takes = any(each.name == "training" or each.kind is each.VAR_KEYWORD for each in known)
    if takes and getattr(operation, "_call_has_training_arg", False):
        return dict(kwargs)
    return {name: value for name, value in kwargs.items() if name != "training"}


def is_pipeline(operation: Any) -> bool:
    """Whether ``operation`` runs layers one after the other, and tells each whether it trains."""
    return type(operation) is keras.layers.Pipeline


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


def apply_activation(activation: Any, tensor: Any, **training: bool) -> Any:
    """``activation(tensor)`` with the mask kept, as the layer it is fused into would.

    ``training`` is what that layer would hand on to an activation that is a layer.
    """
    result = activation(tensor, **training)
    mask = get_keras_mask(tensor)
    if mask is not None:
        set_keras_mask(result, mask)
    return result
