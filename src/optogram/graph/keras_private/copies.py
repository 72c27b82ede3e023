"""Copies of layers that share their weights, because Keras changes layers when they are called.

A call records nodes on layers, clears and adds losses, and counts names. All of this happens to
copies, so that the user's model is unchanged after every call, also while other threads use it.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import MethodType
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.ops.node import Node
from keras.src.utils.tracking import Tracker

_ORIGINAL = "_optogram_original"

_NUMBERS = "object_name_uids"
"""Per-thread counters of Keras for generated names."""

_PENDING = "uninitialized_variables"
"""Per-thread list of Keras of variables that are not initialized yet."""

# Keras wraps these methods for each layer; the wrappers refer to the original layer.
_WRAPPED = ("build", "quantize")

_NOTHING = "nothing"
"""Name of the symbol in place of None."""

_KINDS = (list, tuple, set, deque, OrderedDict, defaultdict, dict)


def original(operation: Any) -> Any:
    """The user's layer or operation that ``operation`` is a copy of; itself if it is not a copy.

    The graph of a copied model contains copies of its operations.
    """
    return getattr(operation, "__dict__", {}).get(_ORIGINAL, operation)


def view(layer: keras.layers.Layer, **other: Any) -> keras.layers.Layer:
    """A layer that shares everything with ``layer``, including weights, except some attributes.

    It does not share nodes and losses of calls.
    """
    # Copying a layer means saving and loading it, which creates new weights.
    found = object.__new__(type(layer))
    found.__dict__.update(layer.__dict__, **_traces(), **other)
    return found


def with_dtype_policy(layer: keras.layers.Layer, policy: str) -> keras.layers.Layer:
    """A `view` of ``layer`` that computes by the dtype policy of that name."""
    return view(layer, _dtype_policy=keras.DTypePolicy(policy))


@contextmanager
def own_names(numbers: defaultdict[str, int] | None = None) -> Iterator[None]:
    """Run the block with separate counters ``numbers`` for names that Keras generates.

    The names do not depend on earlier ones, and do not affect later ones.
    """
    usual = global_state.get_global_attribute(_NUMBERS)
    own: defaultdict[str, int] = defaultdict(int)
    global_state.set_global_attribute(_NUMBERS, own if numbers is None else numbers)
    try:
        yield
    finally:
        global_state.set_global_attribute(_NUMBERS, usual)


@contextmanager
def no_updates() -> Iterator[list[keras.Variable]]:
    """Run the block with variables that keep their values in spite of assignments.

    Variables created in the block have shapes, but no values; they are yielded.
    """
    usual = global_state.get_global_attribute(_PENDING)
    made: list[keras.Variable] = []
    global_state.set_global_attribute(_PENDING, made)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield made
    finally:
        global_state.set_global_attribute(_PENDING, usual)


class Copies:
    """Makes one copy of each layer; copies hold copies."""

    def __init__(self) -> None:
        # Originals are kept alive, so that ids stay unique.
        self._made: dict[int, tuple[Any, Any]] = {}
        self._waiting: deque[tuple[Any, Any]] = deque()

    def of(self, operation: Any) -> Any:
        """The copy of a layer or operation, which is run and traced instead of it."""
        found = self._copied(operation)
        while self._waiting:
            old, new = self._waiting.popleft()
            self._fill(old, new)
        return found

    def with_new_weights(self) -> list[str]:
        """Names of copied layers that created weights, as the user's layers have none yet."""
        pairs = [(old, new) for old, new in self._made.values() if isinstance(new, keras.Layer)]
        return [new.name for old, new in pairs if len(_own(new)) > len(_own(old))]

    def _copied(self, value: Any) -> Any:
        """``value`` with copies of the layers in it, at any depth of containers."""
        if id(value) in self._made:
            return self._made[id(value)][1]
        if isinstance(value, keras.Operation | Node | Tracker):
            return value if _ORIGINAL in vars(value) else self._shell(value)
        if isinstance(value, MethodType) and isinstance(value.__self__, keras.Operation):
            return MethodType(value.__func__, self._copied(value.__self__))
        if isinstance(value, partial):
            parts = self._copied((value.func, value.args, value.keywords))
            return partial(parts[0], *parts[1], **parts[2])
        kind = value.__class__  # TensorFlow wraps some containers
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return kind(*map(self._copied, value))
        is_plain = kind in _KINDS or kind.__module__ == "keras.src.utils.tracking"
        return self._container(value) if is_plain else value

    def _shell(self, value: Any) -> Any:
        """An empty copy of a layer; layers may refer to each other in a cycle."""
        found = object.__new__(type(value))
        self._made[id(value)] = value, found
        self._waiting.append((value, found))
        return found

    def _container(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._copied, value))
        kind = next(kind for kind in _KINDS if isinstance(value, kind))
        found: Any = defaultdict(value.default_factory) if kind is defaultdict else kind()
        self._made[id(value)] = value, found  # may occur in several places
        # Iterate over lists, because other threads may add items.
        if isinstance(value, dict):
            found.update((key, self._copied(one)) for key, one in list(value.items()))
            return found
        add = found.add if isinstance(value, set) else found.append
        for one in list(value):
            add(self._copied(one))
        return found

    def _fill(self, old: Any, new: Any) -> None:
        """Give the copy ``new`` all attributes of ``old``."""
        held = dict(vars(old))
        if isinstance(old, keras.Operation):
            for name in _WRAPPED:
                held.pop(name, None)
            held |= _traces()
        new.__dict__.update((name, self._copied(value)) for name, value in held.items())
        if isinstance(old, keras.Operation):
            new.__dict__[_ORIGINAL] = old
        if isinstance(old, keras.Layer) and not type(old).__module__.startswith("keras."):
            new.__dict__["symbolic_call"] = partial(_symbolic_call, new)
        if isinstance(old, Tracker):
            new.stored_ids = {
                name: {*ids, *map(id, new.config[name][1])} for name, ids in old.stored_ids.items()
            }


def _symbolic_call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
    """The symbols that ``layer`` returns, with a number for None: Keras refuses calls with None."""
    outputs = layer.compute_output_spec(*args, **kwargs)
    return keras.tree.map_structure(
        lambda leaf: keras.KerasTensor((), name=_NOTHING) if leaf is None else leaf, outputs
    )


def is_nothing(symbol: keras.KerasTensor) -> bool:
    """Whether a symbol stands for None that a custom layer returned."""
    return symbol.name == _NOTHING


def _traces() -> dict[str, Any]:
    """Attributes of calls on a layer, before the first call."""
    return {"_inbound_nodes": [], "_outbound_nodes": [], "_losses": [], "_loss_ids": set()}


def _own(layer: keras.Layer) -> list[keras.Variable]:
    """The weights that ``layer`` itself has created."""
    return layer._trainable_variables + layer._non_trainable_variables
