"""Traces custom ``call`` methods with symbolic inputs, for the graph of their computation.

This file uses private parts of Keras.
"""

import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.backend import compute_output_spec

from optogram.errors import ModelError
from optogram.graph.call_structure import given_to, has_integers, named_outputs
from optogram.graph.keras_private import nodes
from optogram.graph.keras_private.copies import Copies, no_updates, own_names
from optogram.graph.keras_private.nodes import Call, Functional

# Only one thread at a time traces calls, with these symbols.
_FOLLOWING = threading.RLock()
_SYMBOLS: list[keras.KerasTensor] = []


@dataclass(frozen=True)
class Found:
    """The graph of a model, with the names of its inputs and outputs.

    Attributes
    ----------
    graph : Functional
        The computation, without unused inputs.
    inputs, outputs : mapping of str to KerasTensor
        All of them, by name.
    is_opaque : bool
        Whether the model is a single step that cannot be traced.
    is_code : bool
        Whether the graph was traced from the model's ``call``.
    """

    graph: Functional
    inputs: Mapping[str, keras.KerasTensor]
    outputs: Mapping[str, keras.KerasTensor]
    is_opaque: bool
    is_code: bool = True


@contextmanager
def no_trace() -> Iterator[None]:
    """Trace calls, and use the result, only in this block, which leaves no traces on layers.

    Calls are traced through copies of layers. Code can also reach an original layer, for example as
    a global name: the nodes recorded on it are removed again, and threads wait for each other.
    """
    with _FOLLOWING, own_names():
        begin = len(_SYMBOLS)
        try:
            yield
        finally:
            _untie(_SYMBOLS[begin:])
            del _SYMBOLS[begin:]


def _untie(symbols: Sequence[keras.KerasTensor]) -> None:
    """Remove the nodes of calls that read ``symbols``, or tensors derived from them."""
    known, found = set(map(id, symbols)), {}
    waiting = [nodes.input_layer(symbol) for symbol in symbols]
    touched = {id(operation): operation for operation in waiting}
    while waiting:
        operation = waiting.pop()
        for node in list(operation._outbound_nodes):
            if id(node) not in found and any(id(tensor) in known for tensor in node.input_tensors):
                found[id(node)] = node
                known.update(map(id, node.outputs))
                touched[id(node.operation)] = node.operation
                waiting.append(node.operation)
    for operation in touched.values():
        for calls in (operation._inbound_nodes, operation._outbound_nodes):
            # Nodes know their index: if another thread's node follows, ours has to stay.
            while calls and id(calls[-1]) in found:
                calls.pop()


def _symbol(shape: Sequence[int | None], dtype: str, name: str) -> keras.KerasTensor:
    made = keras.Input(batch_shape=tuple(shape), dtype=dtype, name=name.replace("/", "_"))
    _SYMBOLS.append(made)
    return made


def graph_of(model: keras.Model, fixed: Mapping[str, Any]) -> Found | None:
    """The graph of any model that was built; call it inside `no_trace`.

    The ``call`` of a subclassed model is traced with symbolic inputs: if it consists of layers and
    Keras operations, these are its graph. ``fixed`` has arrays for arguments whose shape Keras does
    not keep. None if not even the shape of the output can be determined.

    Raises
    ------
    ModelError
        If layers of the model have no weights yet.
    InputError
        If Keras keeps no shape of an argument, and ``fixed`` has no value for it.
    """
    own = nodes.functional(model)
    if own is not None:
        named = nodes.inputs_by_name(own), nodes.outputs_by_name(own)
        return Found(own, *named, is_opaque=False, is_code=False)
    copies = Copies()
    copied = copies.of(model)
    types = (False, True) if has_integers(fixed) else (False,)
    ways = itertools.product(((copied.call, False), (copied, True)), types)
    for (call, is_opaque), as_integers in ways:
        given = given_to(model, fixed, _symbol, as_integers)
        if given is None:
            return None
        found = None
        # A custom call can raise any exception for symbols.
        with suppress(Exception), own_names(), no_updates(), _in_mode(copied, False):
            made = call(*given.args, **_told(copied, given.kwargs, False))
            outputs = named_outputs(made, is_opaque)
            read = [x for x in given.named.values() if nodes.input_layer(x)._outbound_nodes]
            graph = keras.Model(read, [tensor for _, tensor in outputs], name=model.name)
            _try(graph)
            found = Found(graph, given.named, nodes.unique(outputs), is_opaque)
        require_weights(model.name, copies)
        if found is not None:
            return found
    return None


@contextmanager
def _in_mode(layer: keras.Layer, training: bool) -> Iterator[None]:
    """Run the block, which calls ``layer.call``, as if inside a call of ``layer`` in that mode.

    Layers inside then know the mode, and Keras records no default mode for them.
    """
    layer._get_call_context().set_value("training", training)
    try:
        yield
    finally:
        layer._maybe_reset_call_context()


def _told(layer: keras.Layer, kwargs: Mapping[str, Any], training: bool) -> dict[str, Any]:
    """The arguments of a call of ``layer`` in that mode."""
    told = {"training": training} if layer._call_has_training_arg else {}
    return {name: value for name, value in kwargs.items() if name != "training"} | told


def followed(
    call: Call, training: bool, copies: Copies, numbers: defaultdict[str, int]
) -> Functional | None:
    """The graph inside a call of a pipeline, or of a custom layer made of layers.

    Its inputs are the tensors that the call reads, in order; ``numbers`` counts its operations.
    ``training`` is the mode of the call; modes set by the layer's own code are in the calls inside.
    None if it contains no layers, or does more than layers and Keras operations. Call it inside
    `no_trace`.

    Raises
    ------
    ModelError
        If layers inside have no weights yet.
    """
    layer = call.operation
    is_other = type(layer).__module__.startswith("keras.") and not nodes.is_pipeline(layer)
    if is_other or not isinstance(layer, keras.Layer):
        return None
    if not any(True for _ in layer._flatten_layers(include_self=False)):
        return None
    symbols: dict[int, keras.KerasTensor] = {}

    def symbol(leaf: Any) -> Any:
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        if id(leaf) not in symbols:
            symbols[id(leaf)] = _symbol(leaf.shape, leaf.dtype, f"input_{len(symbols)}")
        return symbols[id(leaf)]

    found = None
    copied = copies.of(call.runs)
    with suppress(Exception), own_names(numbers), no_updates(), _in_mode(copied, training):
        args, kwargs = keras.tree.map_structure(symbol, (call.args, dict(call.kwargs)))
        made = copied.call(*args, **_told(layer, kwargs, training))
        graph = keras.Model(list(symbols.values()), made)
        _try(graph)
        found = graph
    require_weights(layer.name, copies)
    return found


def require_weights(name: str, copies: Copies) -> None:
    """Raise a ModelError if tracing created weights that the user's layers do not have."""
    lacking = copies.with_new_weights()
    if lacking:
        raise ModelError(
            f"{name!r} has layers that were never run and have no weights yet ({lacking[0]!r}): "
            "call the model on a batch of images once, before opening it."
        )


def _try(model: Functional) -> None:
    """Run ``model`` on tensors without values, in the form of the backend.

    Symbols allow operations that tensors do not, such as reading an unknown batch size.
    """
    compute_output_spec(lambda *tensors: model(list(tensors)), *model.inputs)
