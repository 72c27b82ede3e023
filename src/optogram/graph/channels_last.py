"""Converts channels-first networks to steps that read and return channels-last tensors.

All steps of a graph exchange (N, H, W, C), whatever layout their layers were built for, so that
interpreters, methods and results have one layout. Also, channels-first networks run on backends
without kernels for them, such as TensorFlow on a CPU.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras

from optogram.graph import layer_types
from optogram.graph.keras_private.copies import view
from optogram.graph.mixing import is_elementwise
from optogram.graph.steps import Graph, Output, Shape, Step

_RANK = 4
_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_ROWS_AND_COLUMNS = (2, 3)

_MOVE_AXES = ("Permute", "Transpose", "Moveaxis", "Swapaxes", "Reshape")


def channels_last(graph: Graph) -> Graph:
    """The same network with all maps (N, H, W, C); ``graph`` itself if they already are."""
    if not any(_layout(step) == "channels_first" for step in graph.steps):
        return graph
    turned = _channels_first_outputs(graph)
    return replace(graph, steps=tuple(_turned(step, turned) for step in graph.steps))


def _layout(step: Step) -> str | None:
    """The layout that the step's layer was built for; None if it does not matter."""
    return (
        step.operation.data_format
        if isinstance(step.operation, layer_types.WITH_ANY_DATA_FORMAT)
        else None
    )


def _channels_first_outputs(graph: Graph) -> frozenset[Output]:
    """The outputs that are (N, C, H, W) in the user's model."""
    found = _read_channels_first(graph)
    for step in graph.steps:
        keeps = _keeps_axes(step) and found.intersection(step.inputs)
        if _layout(step) == "channels_first" or keeps:
            found.update(Output(step.index, i) for i in range(len(step.shapes)))
    return frozenset(v for v in found if len(graph.steps[v.step].shapes[v.index]) == _RANK)


def _read_channels_first(graph: Graph) -> set[Output]:
    """The outputs that channels-first layers read, also through steps that keep axes."""
    found: set[Output] = set()
    for step in reversed(graph.steps):
        keeps = _keeps_axes(step) and Output(step.index) in found
        if _layout(step) == "channels_first" or keeps:
            found.update(step.inputs)
    return found


def _keeps_axes(step: Step) -> bool:
    """Whether a step returns the axes that it reads; weights of the network are not maps."""
    if step.kind == "Constant" and not isinstance(step.operation, keras.layers.InputLayer):
        return False
    return _layout(step) is None and step.kind not in _MOVE_AXES


def _turned(step: Step, turned: frozenset[Output]) -> Step:
    """``step`` in channels-last layout, where ``turned`` contains its inputs or outputs."""
    made = tuple(Output(step.index, i) in turned for i in range(len(step.shapes)))
    if not any(made) and turned.isdisjoint(step.inputs):
        return step
    shapes = tuple(
        _last(shape) if is_turned else shape
        for shape, is_turned in zip(step.shapes, made, strict=True)
    )
    maps = [v in turned for v in step.inputs]
    run = _native(step) if all(maps) else None
    spatial = _ROWS_AND_COLUMNS if all(maps) else ()
    return replace(step, shapes=shapes, run=run or _Turning(step, turned, made), spatial=spatial)


def _native(step: Step) -> Callable[..., Any] | None:
    """The channels-last equivalent of an operation, if there is one."""
    layer = step.operation
    if step.kind == "InputLayer" or is_elementwise(step):
        return step.run
    if step.half == "activation":
        return None
    if isinstance(layer, layer_types.WITH_DATA_FORMAT) and isinstance(step.run, keras.Layer):
        return _view(step.run, data_format="channels_last")
    is_itself = isinstance(step.run, keras.Layer)  # not a substitute for it
    if (
        isinstance(layer, layer_types.WITH_CHANNEL_AXIS)
        and is_itself
        and getattr(layer, "axis", None) in (1, [1])
    ):
        axis = [3] if isinstance(layer.axis, list) else 3
        return _view(step.run, axis=axis)
    return None


def _view(layer: keras.Layer, **other: Any) -> keras.Layer:
    found = view(layer, **other)
    found.input_spec = None  # refers to the other layout
    return found


class _Turning:
    """Runs a step on (N, C, H, W), with inputs and outputs (N, H, W, C)."""

    def __init__(self, step: Step, turned: frozenset[Output], made: tuple[bool, ...]) -> None:
        self._run = step.run
        self._specify = getattr(step.shaping, "compute_output_spec", step.run)
        self._read = keras.tree.map_structure(
            lambda leaf: leaf in turned if isinstance(leaf, Output) else False,
            (step.args, dict(step.kwargs)),
        )
        self._made = made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on tensors."""
        return self._between(self._run, args, kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Run on symbolic tensors."""
        return self._between(self._specify, args, kwargs)

    def _between(self, function: Callable[..., Any], args: tuple, kwargs: dict) -> list[Any]:
        read, named = self._read
        # Not every caller gives the mode, ``training``.
        args, kwargs = keras.tree.map_structure(
            lambda is_turned, given: keras.ops.transpose(given, _TO_FIRST) if is_turned else given,
            (read, {name: named[name] for name in kwargs}),
            (args, kwargs),
        )
        outputs = keras.tree.flatten(function(*args, **kwargs))
        return [
            keras.ops.transpose(output, _TO_LAST) if is_turned else output
            for output, is_turned in zip(outputs, self._made, strict=True)
        ]


def _last(shape: Shape) -> Shape:
    return tuple(shape[axis] for axis in _TO_LAST)
