"""What the numbers that a network returns are, told by those that it returns.

For ends of which the graph proves nothing: averages of softmaxes, activations with bounds of their
own, somebody else's code.
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
"""What images of a network that takes any size are made; the first that goes through it."""
_BEYOND = {"float16": 1e-3, "bfloat16": 1e-2}
"""How far rounding lets a probability be outside 0…1."""
_ROUNDING = {"float16": 1e-2, "bfloat16": 5e-2}
"""How far it lets those of an image be from adding up to 1."""
_PAIR = 2
"""How many test images are fed at a time."""
_LARGE, _FAR = 1000, 0.2
"""Both, for images of larger numbers than 1000, whose sums are rounded more."""


def kind_of_outputs(graph: Graph, output: Output, variables: Sequence[keras.Variable]) -> str:
    """What ``output`` (N, ..., C) is: "softmax", "sigmoid" or "linear".

    Probabilities are within 0…1 whatever the network is fed; those of one softmax also add up to 1.
    Asked first is what is behind the last weights, with random numbers in place of what those make.
    Where that is somebody else's code too, the network is run on test images: noise, plain and
    smooth pictures in 0…1 and in 0…255, and noise of both signs up to 50,000. A number without
    bounds leaves 0…1 for some of these, however small it is for photos.
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
    """What ``output`` is with other tensors in the place of some; None where that fails."""
    # As code can in any way on numbers that are not the network's own. What it writes is let go.
    with suppress(Exception), keras.StatelessScope():
        return as_array(forward.run(graph, None, [output], known=given)[0])
    return None


def _weighted(graph: Graph, output: Output) -> list[Output]:
    """What the last weights make, of which the steps behind them make ``output``."""
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
    """What is known of outputs, of those that were seen."""

    def __init__(self, dtype: str, classes: int | None) -> None:
        self.dtype, self.classes = dtype, classes
        self.is_within, self._adds_up = True, classes != 1
        self._lowest, self._highest = np.inf, -np.inf

    def add(self, answers: np.ndarray, is_large: bool = False) -> None:
        """Take in outputs (N, ..., C), those for images of large numbers with some allowance."""
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
        """What they are. A single number that is always the same tells nothing."""
        is_constant = self.classes == 1 and self._lowest == self._highest
        if not self.is_within or is_constant or self._lowest > self._highest:
            return "linear"
        return "softmax" if self._adds_up else "sigmoid"


def _answers(
    graph: Graph, output: Output, variables: Sequence[keras.Variable]
) -> Iterator[tuple[bool, np.ndarray]]:
    """Whether test images are large numbers, and what the network returns for them."""
    computing, size = backend.current(), _size(graph)
    if size is None:
        return
    geometry = measure(graph, (_PAIR, *size))
    if _PAIR * bytes_forward(graph, geometry, [output]) > free():
        return  # nothing is known of them; every call will say that there is no room

    program = computing.compile(forward.schedule(graph, [output]).run, variables)
    for first, second in _test_images(size):
        fed = computing.to_tensor(np.stack([first, second]).astype(np.float32))
        is_large = max(np.abs(first).max(), np.abs(second).max()) > _LARGE
        yield is_large, as_array(program(fed)[0])


def _size(graph: Graph) -> tuple[int, ...] | None:
    """The (height, width, channels) of images that go through the network."""
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
    """Pairs of images, those of small numbers first."""
    rng = np.random.default_rng(0)
    for reach in (1, 255):
        yield rng.uniform(0, reach, size), _smooth(rng, size) * reach
        yield np.full(size, 0.5 * reach), np.full(size, float(reach))
    for reach in (1, 100, 10_000):
        yield rng.normal(0, reach, size), -rng.uniform(0, 5 * reach, size)


def _smooth(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """A picture in 0…1 of a few long waves, as photos are."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / max(size[:2])
    waves = [
        np.sin(2 * np.pi * (y * down + x * along) + at)
        for down, along, at in rng.uniform(-3, 3, (4 * size[2], 3))
    ]
    summed = np.stack(waves).reshape(4, size[2], *size[:2]).sum(axis=0)
    return np.moveaxis(0.5 + summed / 8, 0, -1)
