"""Prepared batches that know the part of each photo that the network sees."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from optogram.pictures.fit import seen_region


class PreparedPhotos(np.ndarray):
    """A batch (N, H, W, C) in network units that remembers the photos that it was made of.

    Slices along the batch and copies remember too; arithmetic, and whatever else moves or changes
    pixels, gives arrays that do not.

    Attributes
    ----------
    seen : ndarray of shape (N, 4), or None
        What the network sees of each photo: top, left, bottom, right as shares of its height and
        width. All of it is 0, 0, 1, 1; around a padded photo it reaches beyond that.
    photo_size : ndarray of shape (N, 2), or None
        Height and width of each photo in pixels.
    fit : str or None
        How the photos became as large as the network takes; see `fit_picture`.
    """

    seen: np.ndarray | None
    photo_size: np.ndarray | None
    fit: str | None

    def __array_finalize__(self, other: Any) -> None:
        """Whatever NumPy makes of the batch remembers nothing by itself."""
        self.seen = self.photo_size = self.fit = None

    def __array_wrap__(self, array: np.ndarray, *_: Any) -> Any:
        """What arithmetic gives: a plain array, or number."""
        array = np.asarray(array)
        return array if array.ndim else array[()]

    def __getitem__(self, key: Any) -> Any:
        """A part: of the batch with what is known of its photos, else as a plain array."""
        part = self.view(np.ndarray)[key]
        is_along_batch = isinstance(key, slice | list | np.ndarray) and part.ndim == self.ndim
        if self.seen is None or self.photo_size is None or not is_along_batch:
            return part
        return remembering(part, self.seen[key], self.photo_size[key], self.fit)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The images, as plain arrays."""
        return iter(self.view(np.ndarray))

    def copy(self, order: Any = "C") -> Self:
        """A copy that remembers the same."""
        return self._like(super().copy(order))

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any] | None) -> Self:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: the array, and what it remembers."""
        build, arguments, state = tuple(super().__reduce__())
        return build, arguments, (state, self.seen, self.photo_size, self.fit)

    def __setstate__(self, state: Any) -> None:
        """See `__reduce__`."""
        array, self.seen, self.photo_size, self.fit = state
        super().__setstate__(array)

    def _like(self, other: Any) -> Self:
        other.seen, other.photo_size, other.fit = self.seen, self.photo_size, self.fit
        return other


def remembering(
    x: np.ndarray, seen: np.ndarray | None, photo_size: np.ndarray | None, fit: str | None
) -> PreparedPhotos:
    """``x`` (N, H, W, C), not copied, as a batch that remembers."""
    batch = x.view(PreparedPhotos)
    batch.seen, batch.photo_size, batch.fit = seen, photo_size, fit
    return batch


def prepared_from(
    x: np.ndarray,
    photo_sizes: Sequence[tuple[int, int]],
    size: tuple[int | None, int | None] | None,
    fit: str,
) -> PreparedPhotos:
    """``x`` as a batch that remembers what ``fit_picture(photo, size, fit)`` took of each photo."""
    sides = np.array(photo_sizes)
    edges = np.array([seen_region((int(height), int(width)), size, fit) for height, width in sides])
    seen = (edges / np.tile(sides, 2)).astype(np.float32)
    return remembering(x, seen, sides, fit)
