"""Detects changes of a model after it was opened.

Opening a model turns its layers into steps, and running them compiles programs that contain the
settings of the layers. Weights are read at every call, so training may continue.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph.keras_private import settings
from optogram.graph.keras_private.copies import original

_WITHOUT_EFFECT = frozenset(("input_spec", "seed", "seed_generator", "generator", "backend"))
_ENDINGS_WITHOUT_EFFECT = ("_initializer", "_regularizer", "_constraint")
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_LARGEST_ARRAY = 1 << 16
"""Largest array, in bytes, that is compared by content; larger ones are compared by identity."""


class Snapshot:
    """The settings of all layers of ``model``, and the layers and variables that they hold."""

    def __init__(self, model: keras.Model) -> None:
        # All objects are kept alive, so that ids stay unique.
        self._objects: list[_Setting] = []
        self._structures: list[_Setting] = []
        self._held = []
        for layer in settings.layers_within(model):
            for namespace, name in settings.settings(layer):
                self._keep(layer, namespace, name)
            if held := settings.held(layer):
                self._held.append((layer, held, tuple(map(id, held))))

    def _keep(self, layer: keras.Layer, namespace: dict[str, Any], name: str) -> None:
        value = namespace.get(name, _MISSING)
        if _has_no_effect(name, value, layer):
            return
        is_mutable = isinstance(value, list | dict | set | np.ndarray)
        kept = self._structures if is_mutable else self._objects
        kept.append((layer, namespace, name, value, _frozen(value)))

    def add_trainable(self, layers: Sequence[keras.Layer]) -> None:
        """Also watch whether these ``layers`` are trainable, where this changes their outputs."""
        for layer in layers:
            self._keep(layer, *settings.trainable(layer))

    def change(self) -> str | None:
        """A description of what has changed; None if nothing has."""
        for setting in self._objects:
            _, namespace, name, value, _ = setting
            if namespace.get(name, _MISSING) is not value and _has_changed(setting):
                return _described(setting)
        for setting in self._structures:
            if _has_changed(setting):
                return _described(setting)
        for layer, _, ids in self._held:
            if tuple(map(id, settings.held(layer))) != ids:
                return f"layer {layer.name!r}: the layers or weights inside it"
        return None

    def leave_out_changes(self, run: Iterable[Any]) -> None:
        """Ignore changes so far: attributes changed by merely running a layer are not settings.

        What was ``run`` are copies of layers, or other objects.
        """
        layers = [layer for layer in run if isinstance(layer, keras.Layer) and _is_foreign(layer)]
        inside = [one for layer in layers for one in settings.layers_within(layer)]
        made = {id(original(copy)): vars(copy) for copy in inside if _is_foreign(copy)}

        def is_left(setting: _Setting) -> bool:
            layer, _, name, value, frozen = setting
            now = made.get(id(layer), {}).get(name, value)
            if isinstance(value, _PLAIN) and _frozen(now) != frozen:
                return False
            if isinstance(value, list | dict | set) and len(now) != len(value):
                return False
            return not _has_changed(setting)

        self._objects = list(filter(is_left, self._objects))
        self._structures = list(filter(is_left, self._structures))


_Setting = tuple[keras.Layer, dict[str, Any], str, Any, Any]
"""A layer, the dictionary of an attribute, its name, its value, and a frozen copy of it."""

_MISSING = object()


def _has_changed(setting: _Setting) -> bool:
    _, namespace, name, _, frozen = setting
    return bool(_frozen(namespace.get(name, _MISSING)) != frozen)


def _described(setting: _Setting) -> str:
    layer, _, name, _, _ = setting
    return f"layer {layer.name!r}: {name.lstrip('_')}"


def _has_no_effect(name: str, value: Any, layer: keras.Layer) -> bool:
    """Whether an attribute does not affect the output of the layer."""
    if name in _WITHOUT_EFFECT or name.endswith(_ENDINGS_WITHOUT_EFFECT):
        return True
    if isinstance(value, keras.random.SeedGenerator | keras.metrics.Metric):
        return True
    if value is None and not layer.built:
        return True  # set when the layer is built
    # Custom layers may keep tensors of the last call; Keras layers keep normalization factors.
    return _is_foreign(layer) and keras.ops.is_tensor(value)


def _is_foreign(layer: keras.Layer) -> bool:
    return not type(layer).__module__.startswith("keras.")


class _Same:
    """Equal only to the same object."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._thing is other._thing

    def __hash__(self) -> int:
        return id(self._thing)


def _frozen(value: Any) -> Any:
    """A frozen value, equal for equal settings, unaffected by changes of ``value`` in place."""
    if isinstance(value, _PLAIN):
        return value if value == value else repr(value)  # NaN is not equal to itself
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    if isinstance(value, set):
        return frozenset(map(_frozen, value))
    if isinstance(value, dict):
        return tuple((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, np.ndarray) and value.nbytes <= _LARGEST_ARRAY:
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, keras.DTypePolicy):
        return type(value).__name__, value.name
    return _Same(value)
