"""The classes that each unit serves: gradient × activation for the class that is predicted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram.interpreters import forward
from optogram.interpreters.engine import lengthened
from optogram.interpreters.gradients import bytes_beside
from optogram.jobs.work import Made
from optogram.network.network import Network
from optogram.surveying.photos import Block, batches_of, rows_of
from optogram.surveying.table import UnitTable

_LARGEST, _MOST_BATCH = 2**29, 32


@dataclass(frozen=True, eq=False)
class ContributionBlock(Block):
    """One forward and one backward pass for each sampled photo of a block."""

    marks: str = "blocks/contributions_done"

    def compute(self, net: Network) -> Made:
        """The contributions of all units in each sampled photo."""
        rows = rows_of(self.first, len(self.photos), self.reading.every)
        found = np.full((len(rows), len(self.table)), np.nan, np.float32)
        errors = [""] * len(self.photos)
        for numbers, x in batches_of(net, self.photos, list(rows), self.reading, errors):
            found[[rows[number] for number in numbers]] = contributions(net, x, self.table)
        start = self.first // self.reading.every
        chunks = [("samples/contribution", slice(start, start + len(rows)), found)]
        return Made(chunks, len(rows))


def contributions(net: Network, x: np.ndarray, table: UnitTable) -> np.ndarray:
    """Σ gradient × activation over the positions of each unit, (N, units).

    The gradient is that of the logit of the predicted class of each image. Of a layer that the
    logit depends on linearly, the contributions of all units and the biases add up to the logit.
    """
    scored = net.head.logits
    wanted = (scored, *table.outputs)
    graph, head, gradient = net.graph, net.head, net.backend.gradient
    size = x.shape[1:3]
    each = net.bytes_backward(size, wanted) + bytes_beside(net, size, table.outputs)
    length = 1 << min(max(int(_LARGEST // each), 1), _MOST_BATCH).bit_length() - 1
    shapes = [net.shape(output, size) for output in table.outputs]

    def build() -> Callable[..., Any]:
        schedule = forward.schedule(graph, wanted)

        def function(zeros: list[Any], fed: Any) -> tuple[Any, Any]:
            add = dict(zip((output.step for output in table.outputs), zeros, strict=True))
            logits, *maps = schedule.run(fed, add)
            logits = keras.ops.cast(logits, "float32")
            winners = keras.ops.stop_gradient(head.winning_weights_inside(logits))
            return keras.ops.sum(logits * winners, axis=1)[None], maps

        differentiated = gradient(function)

        def reduced(fed: Any, *zeros: Any) -> Any:
            gradients, maps = differentiated(list(zeros), fed)
            return keras.ops.concatenate(
                [_summed(back[0] * made) for back, made in zip(gradients, maps, strict=True)],
                axis=1,
            )

        return reduced

    found = np.empty((len(x), len(table)), np.float32)
    zeros = [np.zeros((length, *shape), np.float32) for shape in shapes]
    key = ("contributions", wanted)
    for start in range(0, len(x), length):
        part = x[start : start + length]
        made = net.run(key, build, [lengthened(part, length), *zeros], range(len(zeros) + 1))
        found[start : start + length] = made[: len(part)]
    return found


def _summed(products: Any) -> Any:
    """(N, C) from (N, h, w, C) or (N, C)."""
    products = keras.ops.cast(products, "float32")
    return keras.ops.sum(products, axis=(1, 2)) if len(products.shape) == 4 else products
