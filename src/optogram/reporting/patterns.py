"""Images that maximize filters, kept in the user's cache folder: they do not depend on photos."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from optogram.errors import OptogramError
from optogram.files import cache_folder, read_arrays, replacing
from optogram.graph.steps import Output
from optogram.methods.maximize import maximize
from optogram.methods.request.checkpoint import fingerprint
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.target import Filter

SIDE, STEPS = 96, 48
"""Side of an image in pixels, and steps of gradient ascent: fewer than the recipe's, for speed."""
_RECIPE = "fast"
_MOST_BYTES = 64_000_000
_ENDING = ".npz"


def patterns_folder() -> Path:
    """The folder of cached images."""
    return cache_folder() / "patterns"


class Patterns:
    """Images that maximize filters of a network, computed or from the cache.

    Parameters
    ----------
    net : Network
        The network.
    computes : bool
        Whether images that are not in the cache are computed. They are then added to it.
    memory : float or str, optional
        Memory budget of `maximize`.
    """

    def __init__(self, net: Network, computes: bool, memory: float | str | None = None) -> None:
        self._net, self._computes, self._memory = net, computes, memory
        self._marks: dict[str, str] = {}

    def of(
        self, layer: str, channels: Sequence[int], progress: Progress = silent
    ) -> dict[int, np.ndarray]:
        """The images, uint8 (H, W, C), of those ``channels`` of which there is one."""
        found: dict[int, np.ndarray] = {}
        if not self._computes and not patterns_folder().is_dir():
            return found  # the paths below take a fingerprint of the network
        for channel in channels:
            image = _read(self._path(layer, channel))
            if image is not None and image.shape[-1] == self._net.channels:
                found[channel] = image
        missing = [channel for channel in channels if channel not in found]
        if missing and self._computes:
            found |= self._computed(layer, missing, progress)
        return found

    def _computed(
        self, layer: str, channels: list[int], progress: Progress
    ) -> dict[int, np.ndarray]:
        try:
            result = maximize(
                self._net,
                Filter(layer, channels),
                _RECIPE,
                size=self._size,
                steps=STEPS,
                memory=self._memory,
                progress=progress,
            )
        # A filter without a gradient, or a network that takes no image of this size.
        except OptogramError:
            return {}
        images = dict(zip(channels, result.images, strict=True))
        for channel, image in images.items():
            _write(self._path(layer, channel), image)
        _prune()
        return images

    @property
    def _size(self) -> tuple[int, int] | None:
        """The size of the images; None, the network's, where it is smaller."""
        return (SIDE, SIDE) if min(self._net.nominal_size) >= SIDE else None

    def _path(self, layer: str, channel: int) -> Path:
        if layer not in self._marks:
            output = Output(self._net.step(layer).index)
            asked = ("pattern", _RECIPE, STEPS, self._size)
            size = self._size or self._net.nominal_size
            self._marks[layer] = fingerprint(self._net, [output], size, *asked)[:32]
        return patterns_folder() / f"{self._marks[layer]}-{channel}{_ENDING}"


def _read(path: Path) -> np.ndarray | None:
    """The image at ``path``; None if there is none, or it is damaged."""
    try:
        image = read_arrays(path)["image"]
    # A damaged file can fail anywhere inside NumPy, with any exception.
    except Exception:
        return None
    is_image = image.dtype == np.uint8 and image.ndim == 3 and image.size
    return image if is_image else None


def _write(path: Path, image: np.ndarray) -> None:
    """Keep ``image``, if the cache can be written."""
    with contextlib.suppress(OSError, OptogramError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, image=image)


def _prune() -> None:
    """Remove the oldest images, so that the cache stays within its limit."""
    with contextlib.suppress(OSError):
        files = [(path, path.stat()) for path in patterns_folder().glob(f"*{_ENDING}")]
        left = sum(status.st_size for _, status in files) - _MOST_BYTES
        for path, status in sorted(files, key=lambda file: file[1].st_mtime):
            if left <= 0:
                return
            path.unlink()
            left -= status.st_size
