"""Traces custom ``call`` methods with symbolic inputs, for the graph of their computation.

This file uses private parts of Keras.
"""

import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras.src.backend import compute_output_spec

from optogram.errors import ModelError
from optogram.graph.call_structure import given_to, has_integers, named_outputs
from optogram.graph.keras_private import attention, nodes
from optogram.graph.keras_private.copies import Copies, no_updates, own_names, view
from optogram.graph.keras_private.nodes import Call, Functional

_RANK_OF_TOKENS, _RANK_OF_MAPS = 3, 4

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


@dataclass(frozen=True)
class Inside:
    """The graph inside a call of a layer.

    Attributes
    ----------
    graph : Functional
        The computation. Its inputs are the tensors that the call reads, in order, then `held`.
    held : tuple of (str, object)
        Variables and arrays of the layer that its code reads itself, with their names.
    batch : int or None
        A number that stands for the batch size in shapes and settings: see `BATCH`.
    names : mapping of int to str
        Names of calls that Keras would only number, by the id of their output.
    """

    graph: Functional
    held: tuple[tuple[str, Any], ...] = ()
    batch: int | None = None
    names: Mapping[int, str] = field(default_factory=dict)


BATCH = 1_009
"""Stands for the batch size where code computes with it, such as ``ops.shape(x)[0] * windows``.

A prime number: of the numbers in shapes and settings, exactly its multiples are multiples of the
batch size, unless a layer has such a number of its own.
"""


def followed(
    call: Call,
    training: bool,
    copies: Copies,
    numbers: defaultdict[str, int],
    batch: int | None = None,
) -> Inside | None:
    """The graph inside a call of a pipeline, an attention layer, or a custom layer made of layers.

    ``numbers`` counts its operations. ``training`` is the mode of the call; modes set by the
    layer's own code are in the calls inside. None if it contains no layers, or does more than
    layers and Keras operations. Call it inside `no_trace`.

    First with an unknown batch size, as in the model. Code that computes with the batch size gets
    ``BATCH`` instead, and symbols for the variables that it reads, so that a token that is
    repeated for each image is a step, too. Inside such a call, ``batch`` is known.

    Raises
    ------
    ModelError
        If layers inside have no weights yet.
    """
    operation = call.operation
    if not _is_followed(call):
        return None
    copied = copies.of(call.runs)
    found = None
    for size in (None, BATCH) if batch is None else (batch,):
        if size is not None and _has_number(operation, call, size):
            break
        with suppress(Exception), own_names(numbers), no_updates():
            found = _traced(copied, call, training, size)
        require_weights(operation.name, copies)
        if found is not None:
            break
    if found is None or _has_layers(operation):
        return found
    # Layers that drop at random return what they read outside training.
    return found if _does_nothing(found) or _handles_tokens(call) else None


def _is_followed(call: Call) -> bool:
    """Whether the code of a layer or operation is traced."""
    operation = call.operation
    if attention.is_attention(operation) or nodes.is_pipeline(operation):
        return True
    is_own = type(operation).__module__.startswith("keras.")
    if is_own or not isinstance(operation, keras.Layer):
        return False
    return _has_layers(operation) or bool(operation._seed_generators) or _handles_tokens(call)


def _has_layers(operation: Any) -> bool:
    """Whether there is more inside than one operation."""
    if attention.is_attention(operation):
        return True
    return any(True for _ in operation._flatten_layers(include_self=False))


def _handles_tokens(call: Call) -> bool:
    """Whether a call makes tokens of an image or map, adds some, such as a class token, or pools.

    Its code says where the patches stand, and which tokens are read.
    """
    read = [x for x in keras.tree.flatten((call.args, call.kwargs)) if _is_symbol(x)]
    if len(read) != 1 or len(call.outputs) != 1:
        return False
    given, made = read[0].shape, call.outputs[0].shape
    if len(given) == _RANK_OF_TOKENS and len(made) == _RANK_OF_TOKENS - 1:
        return bool(given[2] == made[1])
    if len(made) != _RANK_OF_TOKENS or len(given) not in (_RANK_OF_MAPS, _RANK_OF_TOKENS):
        return False
    is_known = None not in (given[1], made[1])
    return len(given) == _RANK_OF_MAPS or (is_known and given[1] < made[1] and given[2] == made[2])


def _does_nothing(inside: Inside) -> bool:
    return [id(x) for x in inside.graph.inputs] == [id(x) for x in inside.graph.outputs]


def _traced(runs: Any, call: Call, training: bool, batch: int | None) -> Inside:
    """The graph of what a call runs, which can raise any exception for symbols."""
    symbols: dict[int, keras.KerasTensor] = {}

    def symbol(leaf: Any) -> Any:
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        if id(leaf) not in symbols:
            shape = tuple(leaf.shape)
            if batch is not None and shape[:1] == (None,):
                shape = (batch, *shape[1:])
            symbols[id(leaf)] = _symbol(shape, leaf.dtype, f"input_{len(symbols)}")
        return symbols[id(leaf)]

    args, kwargs = keras.tree.map_structure(symbol, (call.args, dict(call.kwargs)))
    read, held = list(symbols.values()), _Held()
    if attention.is_attention(runs):
        made = attention.with_scores(runs, args, kwargs, training)
    else:
        with _in_mode(runs, training):
            layer = runs if batch is None else _with_symbols(runs, held)
            made = layer.call(*args, **_told(layer, kwargs, training))
    # Copies of layers return a number for None.
    nothing = np.zeros((), "float32")
    leaves = [nothing if leaf is None else leaf for leaf in keras.tree.flatten(made)]
    made = [_held_symbol("array", leaf, None, held) for leaf in leaves]
    used = [
        each
        for each in held.values()
        if nodes.input_layer(each.symbol)._outbound_nodes or any(x is each.symbol for x in made)
    ]
    graph = keras.Model([*read, *(each.symbol for each in used)], made)
    _try(graph)
    names = attention.names(graph) if attention.is_attention(runs) else {}
    return Inside(graph, tuple((each.name, each.value) for each in used), batch, names)


@dataclass(frozen=True)
class _HeldValue:
    """A variable or array of a layer, and its symbol."""

    name: str
    value: Any
    symbol: keras.KerasTensor


_Held = dict[int, _HeldValue]
"""By the id of the value."""


def _with_symbols(layer: keras.Layer, held: _Held) -> keras.Layer:
    """A view of ``layer`` with symbols for the variables and arrays that it holds itself."""
    return view(
        layer,
        **{
            name: _held_symbol(name.lstrip("_"), value, layer, held)
            for name, value in vars(layer).items()
            if _is_array(value) and not isinstance(value, np.ndarray)
        },
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, keras.Variable | np.ndarray) or keras.ops.is_tensor(value)


def _held_symbol(name: str, value: Any, layer: keras.Layer | None, held: _Held) -> Any:
    """The symbol for a variable or array of a layer; other values as they are."""
    if not _is_array(value):
        return value
    if id(value) not in held:
        dtype = keras.backend.standardize_dtype(value.dtype)
        is_cast = isinstance(value, keras.Variable) and value._autocast and "float" in dtype
        if layer is not None and is_cast:
            dtype = layer.compute_dtype  # Keras casts a variable where the layer reads it
        symbol = _symbol(value.shape, dtype, f"held_{len(held)}")
        held[id(value)] = _HeldValue(name, value, symbol)
    return held[id(value)].symbol


def _has_number(operation: Any, call: Call, number: int) -> bool:
    """Whether a multiple of ``number`` is a size of its own, so that it would be ambiguous."""
    shapes = [weight.shape for weight in getattr(operation, "weights", ())]
    shapes += [x.shape[1:] for x in keras.tree.flatten((call.args, call.kwargs)) if _is_symbol(x)]
    return any(side and side % number == 0 for shape in shapes for side in shape)


def _is_symbol(leaf: Any) -> bool:
    return isinstance(leaf, keras.KerasTensor)


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
