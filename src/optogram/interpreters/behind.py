"""Runs what lies behind a step, for maps that are sums of directions: Σₖ maskₖ · Uₖ · Wₖ."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters import forward
from optogram.interpreters.edited import computed_again, held_outputs, is_batch
from optogram.interpreters.engine import Computation, lengthened
from optogram.interpreters.memory import batches


class Behind:
    """Runs a network from the first output of a step on.

    Branches that go around the step are computed from the image.

    Parameters
    ----------
    net : Computation
        The network.
    layer : Output
        The first output of a step with feature maps.
    wanted : sequence of Output
        The outputs to compute, at least one of which depends on the layer.
    """

    def __init__(self, net: Computation, layer: Output, wanted: Sequence[Output]) -> None:
        self._net, self._layer, self._wanted = net, layer, tuple(wanted)
        again = computed_again(net.graph, [layer.step])
        held, _ = held_outputs(net.graph, self._wanted, again)
        self._beside = tuple(output for output in held if output != layer)

    def outputs(
        self,
        x: np.ndarray,
        coefficients: np.ndarray,
        directions: np.ndarray,
        masks: np.ndarray,
        reduce: Callable[[list[np.ndarray]], np.ndarray],
        memory: float | str | None = None,
    ) -> np.ndarray:
        """What ``reduce`` makes of the outputs ``wanted``, for one image and several masks.

        Parameters
        ----------
        x : ndarray of shape (1, H, W, C)
            The image, in network units; used only if there are branches around the layer.
        coefficients : ndarray of shape (h, w, K)
            U, at each position of the map.
        directions : ndarray of shape (K, channels)
            W, so that the map put in is (mask · U) W.
        masks : ndarray of shape (M, K)
            A factor of each direction.
        reduce : callable
            Takes the outputs (n, ...) of a batch of masks, returns an array (n, ...).
        memory : float or str, optional
            Memory budget.

        Returns
        -------
        ndarray of shape (M, ...)
        """
        graph, layer, wanted, beside = self._net.graph, self._layer, self._wanted, self._beside
        dtype = graph.steps[layer.step].dtypes[0]
        steps = graph.steps
        (height, width, parts), channels = coefficients.shape, directions.shape[1]
        repeated = [is_batch(steps[output.step].shapes[output.index]) for output in beside]

        def build() -> Callable[..., list[Any]]:
            schedule = forward.schedule(graph, wanted, [layer, *beside])

            def function(masks: Any, used: Any, vectors: Any, *others: Any) -> list[Any]:
                count = keras.ops.shape(masks)[0]
                scaled = used[None] * masks[:, None, None, :]
                flat = keras.ops.matmul(keras.ops.reshape(scaled, (-1, parts)), vectors)
                maps = keras.ops.reshape(flat, (-1, height, width, channels))
                known = {layer: keras.ops.cast(maps, dtype)}
                for output, other, is_image in zip(beside, others, repeated, strict=True):
                    known[output] = keras.ops.repeat(other, count, axis=0) if is_image else other
                return schedule.run(None, known=known)

            return function

        key = ("behind", layer, wanted, coefficients.shape, channels)
        given = [np.asarray(coefficients, np.float32), np.asarray(directions, np.float32)]
        if beside:
            given += self._made_beside(x)
        size, found = x.shape[1:3], list[np.ndarray]()
        each = self._net.bytes_forward(size, [*self._wanted, layer])
        length = 0
        for part in batches(len(masks), each, memory, is_forward=True):
            taken = part.stop - part.start
            length = length or taken
            fed = lengthened(np.asarray(masks[part], np.float32), length)
            made = self._net.run(key, build, [fed, *given], batched=(0,))
            found.append(reduce([array[:taken] for array in made]))
        return np.concatenate(found)

    def _made_beside(self, x: np.ndarray) -> list[Any]:
        """The outputs of branches around the layer, for one image."""
        graph, beside = self._net.graph, self._beside

        def build() -> Callable[[Any], list[Any]]:
            return forward.schedule(graph, beside).run

        made: list[Any] = self._net.run(
            ("base", beside), build, [np.asarray(x)], batched=(0,), as_tensors=True
        )
        return made
