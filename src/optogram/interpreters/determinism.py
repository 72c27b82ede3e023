"""Checks whether outputs for an image are deterministic and independent of the batch."""

from collections.abc import Sequence
from contextlib import suppress

import keras
import numpy as np

from optogram import backend
from optogram.graph.keras_private import layer_modes
from optogram.graph.steps import Graph, Output
from optogram.interpreters import forward
from optogram.interpreters.separation import treats_images_separately

_NOMINAL_SIDE = 64
_ROUNDING = 1e-3
_ROUNDING_OF_HALVES = 3e-2
"""Largest difference between outputs for one image, relative to the largest value."""

_RANDOM = (
    "The model's answers are random: one image has another answer each time, and maps of it show "
    "that noise as well."
)
_OF_THE_BATCH = (
    "The model's answer for an image depends on which other images share its batch. optogram runs "
    "several together, so answers also depend on memory=…, and maps made of many copies of an "
    "image, such as occlusion, are not reliable."
)


def warnings_about_answers(
    graph: Graph, answer: Output, model: keras.Model, variables: Sequence[keras.Variable]
) -> tuple[str, ...]:
    """Warnings about a network whose output for an image varies.

    Unless the steps prove that it does not, three small batches of noise are run.

    Parameters
    ----------
    graph : Graph
        The graph, with one input.
    answer : Output
        The output to compare.
    model : keras.Model
        The model, for its random generators.
    variables : sequence of keras.Variable
        All variables that the steps read.
    """
    if treats_images_separately(graph, answer):
        return ()
    # Custom code can raise any exception; it will raise it again when it is used.
    with suppress(Exception), layer_modes.seed_states(model) as seeds:
        return _found(graph, answer, seeds, variables)
    return ()


def _found(
    graph: Graph,
    answer: Output,
    seeds: Sequence[keras.Variable],
    variables: Sequence[keras.Variable],
) -> tuple[str, ...]:
    current = backend.current()
    read = list({id(variable): variable for variable in (*variables, *seeds)}.values())
    program = current.compile(forward.schedule(graph, [answer]).run, read)
    seeded = {id(seed) for seed in seeds}
    held = [keras.ops.convert_to_tensor(variable) for variable in read]
    drawn_anew = [
        value + 1 if id(variable) in seeded else value
        for variable, value in zip(read, held, strict=True)
    ]

    def answers(images: Sequence[np.ndarray], values: list) -> np.ndarray:
        fed = current.to_tensor(np.stack(images).astype(np.float32))
        return current.to_array(program(fed, weights=values)[0])

    sides = [side or _NOMINAL_SIDE for side in graph.steps[graph.inputs[0].step].shape[1:]]
    one, other, third = np.random.default_rng(0).uniform(0, 1, (3, *sides))
    first = answers([one, one, other], held)
    is_half = any("float16" in dtype for step in graph.steps for dtype in step.dtypes)
    allowed = (_ROUNDING_OF_HALVES if is_half else _ROUNDING) * max(np.abs(first).max(), 1e-30)

    def differ(a: np.ndarray, b: np.ndarray) -> bool:
        return bool(np.abs(a - b).max() > allowed)

    if differ(first, answers([one, one, other], drawn_anew)):
        return (_RANDOM,)
    # This batch has another mean, minimum and maximum.
    mixed = answers([one, 4 * third - 2, 4 * third - 2], held)
    depends = differ(first[0], first[1]) or differ(first[0], mixed[0])
    return (_OF_THE_BATCH,) if depends else ()
