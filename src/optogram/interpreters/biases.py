"""The biases of steps: what they make of zeros."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph.mixing import is_written_by_keras
from optogram.graph.steps import Output, Step
from optogram.interpreters import forward
from optogram.interpreters.engine import Computation
from optogram.interpreters.relevance.linear import has_kernel

_SCALING = (
    keras.layers.BatchNormalization,
    keras.layers.Normalization,
    keras.layers.Rescaling,
)

_RANK_OF_MAPS = 4


def biases(
    net: Computation, size: tuple[int, int], scored: Sequence[Output]
) -> dict[Output, np.ndarray]:
    """The biases of the steps that ``scored`` depends on, without those that are zero.

    Each array broadcasts to one example of the output. The steps are convolutions and dense layers,
    batch normalizations with fixed statistics, normalizations and rescalings: for all of them the
    bias is the output for an input of zeros, such as β − γμ/σ.
    """
    graph, geometry = net.graph, net.geometry(size, scored)
    steps = [graph.steps[i] for i in sorted(graph.ancestors(scored)) if _is_affine(graph.steps[i])]
    if not steps:
        return {}

    def build() -> Callable[[Any], list[Any]]:
        runners = [forward.runner(step, forward.fastest(step.run)) for step in steps]

        def function(zero: Any) -> list[Any]:
            made = []
            for step, run in zip(steps, runners, strict=True):
                (source,) = step.inputs
                shape = geometry[source.step].shape[1:]
                dtype = graph.steps[source.step].dtypes[source.index]
                # What is fed, so that nothing is computed while compiling.
                given = keras.ops.broadcast_to(keras.ops.cast(zero, dtype), (1, *shape))
                output = keras.ops.cast(run({source: given})[0], "float32")
                is_alike = len(output.shape) == _RANK_OF_MAPS and not _varies(step)
                made.append(output[:, :1, :1] if is_alike else output)
            return made

        return function

    key = ("biases", tuple(scored), tuple(size))
    found = net.run(key, build, [np.zeros((), np.float32)], is_short=True)
    pairs = zip(steps, found, strict=True)
    return {Output(step.index): array[0] for step, array in pairs if np.any(array)}


def _is_affine(step: Step) -> bool:
    if len(step.inputs) != 1 or step.inputs[0].index:
        return False
    is_scaling = is_written_by_keras(step.operation) and isinstance(step.operation, _SCALING)
    return has_kernel(step) or (is_scaling and not step.kwargs.get("training"))


def _varies(step: Step) -> bool:
    """Whether the bias may differ between positions."""
    return isinstance(step.operation, keras.layers.Normalization | keras.layers.Rescaling)
