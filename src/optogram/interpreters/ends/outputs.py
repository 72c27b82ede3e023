"""Classifies the outputs of a network by their values on test images.

For ends that the graph does not prove: averages of softmaxes, custom bounded activations, custom
code.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.errors import InputError
from optogram.graph.steps import Graph, Output, Shape
from optogram.interpreters import forward
from optogram.interpreters.ends.bounds import unbounded
from optogram.interpreters.ends.proof import as_array, can_be_tried, has_weights, random_numbers
from optogram.interpreters.geometry import measure, shapes
from optogram.interpreters.memory import free
from optogram.interpreters.room import bytes_forward

_SIDES = (64, 224, 331)
"""Sizes of test images for a network of any size; the first accepted one is used."""
_BEYOND = {"float16": 1e-3, "bfloat16": 1e-2}
"""Tolerance of probabilities outside 0…1."""
_ROUNDING = {"float16": 1e-2, "bfloat16": 5e-2}
"""Tolerance of the sum of probabilities."""
_PAIR = 2
"""Number of test images per batch."""
_LARGE, _FAR = 1000, 0.2
"""Both tolerances for images with values over 1000, whose sums have larger rounding errors."""


def kind_of_outputs(graph: Graph, output: Output, variables: Sequence[keras.Variable]) -> str:
    """Kind of ``output`` (N, ..., C): "softmax", "sigmoid" or "linear".

    Probabilities are in 0…1 for any input; those of a softmax also add up to 1. First, the steps
    after the last weights are run on random numbers. If they include custom code, the network is
    run on test images: noise, plain and smooth images in 0…1 and in 0…255, and signed noise up to
    50,000. Unbounded outputs leave 0…1 for some of these, however small they are for photos.
    """
    step = graph.steps[output.step]
    seen = _Seen(step.dtypes[output.index], step.shapes[output.index][-1])
    ends = _weighted(graph, output)
    if output not in ends and can_be_tried(graph, output, ends):
        made = _made_of(graph, output, random_numbers(graph, ends))
        if made is not None:
            seen.add(made)
        if seen.kind != "linear" or (made is not None and all(unbounded(graph, v) for v in ends)):
            return seen.kind
    seen = _Seen(seen.dtype, seen.classes)
    for is_large, answers in _answers(graph, output, variables):
        seen.add(answers, is_large)
        if not seen.is_within:
            break
    return seen.kind


def _made_of(graph: Graph, output: Output, given: Mapping[Output, Any]) -> np.ndarray | None:
    """Kind of ``output`` when some tensors are replaced; None if that fails."""
    # Custom code can raise any exception for test numbers. Its writes are discarded.
    with suppress(Exception), keras.StatelessScope():
        return as_array(forward.run(graph, None, [output], known=given)[0])
    return None


def _weighted(graph: Graph, output: Output) -> list[Output]:
    """The outputs of the last weights, from which later steps compute ``output``."""
    found, waiting = set[Output](), {output}
    while waiting:
        output = waiting.pop()
        step = graph.steps[output.step]
        if not step.inputs or step.kind == "Constant" or has_weights(step):
            found.add(output)
        else:
            waiting.update(step.inputs)
    return sorted(found, key=lambda output: (output.step, output.index))


class _Seen:
    """Properties of the outputs seen so far."""

    def __init__(self, dtype: str, classes: int | None) -> None:
        self.dtype, self.classes = dtype, classes
        self.is_within, self._adds_up = True, classes != 1
        self._lowest, self._highest = np.inf, -np.inf

    def add(self, answers: np.ndarray, is_large: bool = False) -> None:
        """Add outputs (N, ..., C), with larger tolerances for images with large values."""
        answers = answers[np.isfinite(answers).reshape(len(answers), -1).all(axis=1)]
        if not answers.size:
            return
        beyond = _FAR if is_large else _BEYOND.get(self.dtype, 1e-6)
        rounding = _FAR if is_large else _ROUNDING.get(self.dtype, 1e-3)
        self._lowest = min(self._lowest, answers.min())
        self._highest = max(self._highest, answers.max())
        self.is_within &= bool(answers.min() >= -beyond and answers.max() <= 1 + beyond)
        self._adds_up &= bool(np.allclose(answers.sum(axis=-1), 1, rtol=0, atol=rounding))

    @property
    def kind(self) -> str:
        """The kind of the outputs. A single constant number gives no information."""
        is_constant = self.classes == 1 and self._lowest == self._highest
        if not self.is_within or is_constant or self._lowest > self._highest:
            return "linear"
        return "softmax" if self._adds_up else "sigmoid"


def _answers(
    graph: Graph, output: Output, variables: Sequence[keras.Variable]
) -> Iterator[tuple[bool, np.ndarray]]:
    """Whether test images have large values, and the outputs of the network for them."""
    computing, size = backend.current(), _size(graph)
    if size is None:
        return
    geometry = measure(graph, (_PAIR, *size))
    if _PAIR * bytes_forward(graph, geometry, [output]) > free():
        return  # unknown; every call will raise for lack of memory

    program = computing.compile(forward.schedule(graph, [output]).run, variables)
    for first, second in _test_images(size):
        fed = computing.to_tensor(np.stack([first, second]).astype(np.float32))
        is_large = max(np.abs(first).max(), np.abs(second).max()) > _LARGE
        yield is_large, as_array(program(fed)[0])


def _size(graph: Graph) -> tuple[int, ...] | None:
    """The (height, width, channels) of images that the network accepts."""
    shape: Shape = graph.steps[graph.inputs[0].step].shape
    for side in _SIDES:
        sides = tuple(length or side for length in shape[1:])
        try:
            shapes(graph, (2, *sides))
        except InputError:
            continue
        return sides
    return None


def _test_images(size: tuple[int, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of images, those with small values first."""
    rng = np.random.default_rng(0)
    for reach in (1, 255):
        yield rng.uniform(0, reach, size), _smooth(rng, size) * reach
        yield np.full(size, 0.5 * reach), np.full(size, float(reach))
    for reach in (1, 100, 10_000):
        yield rng.normal(0, reach, size), -rng.uniform(0, 5 * reach, size)


def _smooth(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """An image in 0…1 of a few long waves, similar to a photo."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / max(size[:2])
    waves = [
        np.sin(2 * np.pi * (y * down + x * along) + at)
        for down, along, at in rng.uniform(-3, 3, (4 * size[2], 3))
    ]
    summed = np.stack(waves).reshape(4, size[2], *size[:2]).sum(axis=0)
    return np.moveaxis(0.5 + summed / 8, 0, -1)
