"""What maps are compared with: a random map and an edge map, and curves in their order."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from optogram.graph.fingerprint import content
from optogram.methods.request.request import Request
from optogram.methods.request.upsampling import Upsampling
from optogram.methods.sanity.perturbation import edge_map, perturbation_curves, ranking
from optogram.progress import Progress


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of one map and of its rivals.

    Attributes
    ----------
    deletion, insertion : ndarray of shape (3, steps + 1)
        Those of the map, the random map and the edge map.
    edges : ndarray of shape (h, w)
        The edge map, at the resolution of the map.
    """

    deletion: np.ndarray
    insertion: np.ndarray
    edges: np.ndarray


class Rivals:
    """A random map and an edge map for each map, with the curves of all three.

    The curves of the rivals are kept: those of one image, target and resolution are the same for
    every method.

    Parameters
    ----------
    steps, seed, memory
        See `optogram.check`.
    """

    def __init__(self, steps: int, seed: int, memory: float | str | None) -> None:
        self._steps, self._seed, self._memory = steps, seed, memory
        self._known: dict[Hashable, Curves] = {}

    def curves(
        self,
        request: Request,
        picture: np.ndarray,
        shape: tuple[int, int],
        heat: np.ndarray,
        progress: Progress,
    ) -> Curves:
        """The curves of a map.

        Parameters
        ----------
        request : Request
            One image and its target.
        picture : uint8 ndarray of shape (H, W, C)
            The image.
        shape : (h, w)
            The resolution of the map.
        heat : ndarray of shape (H, W)
            The map at each pixel.
        progress : callable
            See `Computation.evaluate`.
        """
        weights = request.weights().items()
        key = (
            id(request.net),
            shape,
            str(content(request.x)),
            *((output, str(content(array))) for output, array in weights),
        )
        known = self._known.get(key)
        # The map's ties are drawn first, however many it has, so that all maps of one resolution
        # have the same rivals.
        generator = np.random.default_rng(self._seed)
        noise = generator.random(shape, np.float32)
        rankings = [ranking(heat, generator)]
        if known is None:
            edges = _as_coarse(edge_map(picture), shape)
            enlarged = Upsampling(shape, request.size)(np.stack([noise, edges]))
            rankings += [ranking(rival, generator) for rival in enlarged]
        found = perturbation_curves(
            request, np.stack(rankings), self._steps, self._memory, progress
        )
        if known is None:
            known = self._known[key] = Curves(*found, edges)
        deletion, insertion = (
            np.concatenate([own[:1], kept[1:]])
            for own, kept in zip(found, (known.deletion, known.insertion), strict=True)
        )
        return Curves(deletion, insertion, known.edges)


def _as_coarse(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map at a smaller ``size`` (height, width), each cell the mean of what it covers."""
    height, width = size
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))
