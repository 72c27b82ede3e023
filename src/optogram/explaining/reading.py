"""Reading the photos of a work unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optogram.errors import PhotoError
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.prepared import PreparedPhoto, PreparedPhotos, remembering

_MOST_BLOCK, _LARGEST = 256, 2**26
"""Photos of a work unit, at most, and bytes of them, prepared."""


@dataclass(frozen=True)
class Reading:
    """How photos are read; the same for all work units.

    Attributes
    ----------
    size : (height, width)
        Input size.
    fit : str
        How photos are brought to it.
    block : int
        Photos of a work unit.
    """

    size: tuple[int, int]
    fit: str
    block: int

    def read(
        self, net: Network, photos: PhotoSet, errors: list[str]
    ) -> tuple[Sequence[int], np.ndarray]:
        """The numbers of the photos that can be read, and these photos, prepared.

        ``errors`` takes the reasons why others cannot.
        """
        numbers: list[int] = []
        batches: list[np.ndarray] = []
        known: list[PreparedPhoto] = []
        for number in range(len(photos)):
            try:
                x = net.fed([photos.source(number)], self.fit, self.size)
            except PhotoError as error:
                errors[number] = str(error)
                continue
            numbers.append(number)
            known += (isinstance(x, PreparedPhotos) and x.photos) or ()
            batches.append(np.asarray(x))
        if not numbers:
            return numbers, np.zeros((0, *self.size, net.channels), np.float32)
        return numbers, remembering(np.concatenate(batches), tuple(known))


def block_length(size: tuple[int, int], channels: int) -> int:
    """Photos of a work unit: as many as 64 MB hold, prepared, a power of two.

    It depends on nothing else, so that all methods have the same blocks.
    """
    fit = _LARGEST // (4 * size[0] * size[1] * channels)
    return 1 << min(max(fit, 1), _MOST_BLOCK).bit_length() - 1
