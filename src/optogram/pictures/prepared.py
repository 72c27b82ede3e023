"""Prepared photos: batches in network units that know the photos they were made from."""

import dataclasses
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from optogram.errors import InputError
from optogram.pictures.arrays import as_array, is_tensor
from optogram.pictures.fit import fit_picture, seen_region
from optogram.pictures.preparation import Affine, Preparation
from optogram.pictures.read import PIXEL_LIMIT, read_picture
from optogram.pictures.resample import require_resample
from optogram.words import brief

_SHOWN = 3
"""How many photos of a batch its ``repr`` names."""

_KEPT_BYTES = 3 * PIXEL_LIMIT
"""Maximum pixels of decoded images that a batch keeps: any one photo, or ten of 12 megapixels."""

_MOST_DISTORTED = 3.0
"""A photo is not distorted more than this without a warning: 3:1 on a square input."""
_MOST_ENLARGED = 4.0
"""A photo is not enlarged more than this without a warning."""


@dataclass(frozen=True, eq=False)
class PreparedPhoto:
    """Data on one prepared photo.

    Attributes
    ----------
    name : str
        Name of its file; "" if it has none.
    path : str or None
        Absolute path of its file; None for an array or a Pillow image.
    size : (int, int)
        Height and width in pixels.
    fit : str
        How it was brought to the input size; see `fit_picture`.
    seen : (float, float, float, float)
        Part that the network sees: top, left, bottom, right as fractions of its height and width.
        The whole photo is 0, 0, 1, 1; for a padded photo, it extends beyond that.
    preparation : str
        Name of the preprocessing.
    resample : str
        How its pixels were computed at that size; see `fit_picture`.
    is_float : bool
        Whether it was a float array, which may have been preprocessed before.
    """

    name: str
    path: str | None
    size: tuple[int, int]
    fit: str
    seen: tuple[float, float, float, float]
    preparation: str
    resample: str
    is_float: bool
    _stamp: tuple[int, int] | None = field(default=None, repr=False)
    _picture: Callable[[], np.ndarray | None] = field(default=lambda: None, repr=False)

    @property
    def kept(self) -> np.ndarray | None:
        """The decoded image, (H, W, C) uint8, while a batch keeps it; else None."""
        return self._picture()

    def keeping(self, picture: np.ndarray) -> "PreparedPhoto":
        """A copy that finds its ``picture`` (H, W, C) uint8 as long as a batch keeps it."""
        return dataclasses.replace(self, _picture=weakref.ref(picture))

    def picture(self) -> np.ndarray:
        """The photo, upright, (H, W, 3 or its number of channels) uint8.

        It is decoded again if no batch keeps it and its file is unchanged.

        Raises
        ------
        InputError
            If it is not kept, and has no file or the file has changed.
        """
        kept = self.kept
        if kept is not None:
            return kept
        if self.path is None:
            raise InputError(
                "The photo is no longer in memory: give the photo itself, or keep the batch that "
                "net.prepare(photo) made of it."
            )
        if _stamp_of(self.path) != self._stamp:
            raise InputError(
                f"{self.path!r} has changed since it was prepared: prepare it again, or give the "
                "photo that was explained."
            )
        return as_shown(read_picture(self.path))

    def is_at(self, source: Any) -> bool:
        """Whether ``source`` is the path of this photo's file."""
        if self.path is None or not isinstance(source, str | os.PathLike):
            return False
        return _absolute(source) == self.path

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: everything except the image."""
        fields = dataclasses.fields(self)[:-1]
        return type(self), tuple(getattr(self, item.name) for item in fields)


class PreparedPhotos(np.ndarray):
    """A batch (N, H, W, C) in network units with data on the photos that it was made from.

    Slices along the batch and copies keep the data; arithmetic and other operations on pixels
    return plain arrays. Decoded images are kept as long as the batch exists, so that overlays do
    not read files again; pickle omits them.

    Attributes
    ----------
    photos : tuple of PreparedPhoto, or None
        One per image.
    """

    photos: tuple[PreparedPhoto, ...] | None
    _kept: tuple[np.ndarray | None, ...]

    def __repr__(self) -> str:
        """One line about the photos; the numbers where nothing is known of them."""
        if self.photos is None:
            return super().__repr__()
        names = ", ".join(photo.name or "an array" for photo in self.photos[:_SHOWN])
        more = f" and {len(self.photos) - _SHOWN} more" if len(self.photos) > _SHOWN else ""
        return f"<PreparedPhotos {self.shape} of {brief(names)}{more}, fit {self.fit!r}>"

    @property
    def fit(self) -> str | None:
        """How the photos were brought to the input size; see `fit_picture`."""
        return self.photos[0].fit if self.photos else None

    @property
    def resample(self) -> str | None:
        """How the pixels were computed at the input size; see `fit_picture`."""
        return self.photos[0].resample if self.photos else None

    @property
    def seen(self) -> np.ndarray | None:
        """(N, 4): the part of each photo that the network sees; see `PreparedPhoto`."""
        if self.photos is None:
            return None
        return np.array([photo.seen for photo in self.photos], np.float32).reshape(-1, 4)

    @property
    def photo_size(self) -> np.ndarray | None:
        """(N, 2): height and width of each photo in pixels."""
        if self.photos is None:
            return None
        return np.array([photo.size for photo in self.photos], int).reshape(-1, 2)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about photos that were distorted or enlarged very much, one sentence each."""
        return warnings_about_sizes(self.photos or (), self.shape[1:3])

    def without_pictures(self) -> Self:
        """The same batch, not copied, without decoded images."""
        found = np.asarray(self).view(type(self))  # without a reference to this object
        found.photos = self.photos
        return found

    def __array_finalize__(self, other: Any) -> None:
        """Arrays that NumPy derives from the batch have no data on photos by default."""
        self.photos, self._kept = None, ()

    def __array_wrap__(self, array: np.ndarray, *_: Any) -> Any:
        """Results of arithmetic: plain arrays, or numbers."""
        array = np.asarray(array)
        return array if array.ndim else array[()]

    def __getitem__(self, key: Any) -> Any:
        """A part of the batch, with the data on its photos; otherwise a plain array."""
        part = self.view(np.ndarray)[key]
        is_along_batch = isinstance(key, slice | list | np.ndarray) and part.ndim == self.ndim
        if self.photos is None or not is_along_batch:
            return part
        return remembering(part, tuple(self.photos[i] for i in np.arange(len(self.photos))[key]))

    def __iter__(self) -> Iterator[np.ndarray]:
        """The images, as plain arrays."""
        return iter(self.view(np.ndarray))

    def copy(self, order: Any = "C") -> Self:
        """A copy, with the data on its photos."""
        found = super().copy(order)
        found.photos, found._kept = self.photos, self._kept
        return found

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any] | None) -> Self:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: the array, and the data on its photos."""
        build, arguments, state = tuple(super().__reduce__())
        return build, arguments, (state, self.photos)

    def __setstate__(self, state: Any) -> None:
        """See `__reduce__`."""
        array, self.photos = state
        super().__setstate__(array)


def warnings_about_sizes(photos: Sequence[PreparedPhoto], size: tuple[int, ...]) -> tuple[str, ...]:
    """Warnings about ``photos`` that were distorted or enlarged much to ``size``, one of a kind."""
    distorted, enlarged = [], []
    for number, photo in enumerate(photos):
        top, left, bottom, right = photo.seen
        down = size[0] / ((bottom - top) * photo.size[0])
        across = size[1] / ((right - left) * photo.size[1])
        name = repr(photo.name) if photo.name else f"photo {number}"
        shown = f"{name} ({photo.size[0]}×{photo.size[1]} pixels)"
        if max(down, across) > _MOST_DISTORTED * min(down, across):
            distorted.append((shown, max(down, across) / min(down, across)))
        elif max(down, across) > _MOST_ENLARGED:
            enlarged.append((shown, max(down, across)))
    found = []
    to = f"to {size[0]}×{size[1]}"
    if distorted:
        others, factor = _and_others(distorted), distorted[0][1]
        found.append(
            f"{others} stretched {to}, one side {factor:.1f} times as much as the other: what is "
            'in it is distorted, and predictions may be wrong; choose fit="crop" or fit="pad".'
        )
    if enlarged:
        others, factor = _and_others(enlarged), enlarged[0][1]
        found.append(
            f"{others} enlarged {factor:.1f} times {to}: what the network sees is blurred, and "
            "predictions may be wrong; give a larger photo."
        )
    return tuple(found)


def _and_others(photos: Sequence[tuple[str, float]]) -> str:
    """The subject and verb of a sentence about ``photos``."""
    first, others = photos[0][0], len(photos) - 1
    first = first[:1].upper() + first[1:]
    return f"{first} and {others} more were each" if others else f"{first} was"


def is_prepared(image: Any) -> bool:
    """Whether an image, as `Network.prepare` takes it, is a batch that is already prepared."""
    return isinstance(image, np.ndarray) and image.ndim == 4 and image.dtype.kind == "f"


def remembering(x: np.ndarray, photos: tuple[PreparedPhoto, ...] | None) -> PreparedPhotos:
    """``x`` (N, H, W, C), not copied, as a batch of ``photos`` that keeps their pictures."""
    batch = x.view(PreparedPhotos)
    batch.photos, batch._kept = photos, tuple(photo.kept for photo in photos or ())
    return batch


def prepared(
    sources: Sequence[Any],
    channels: int,
    size: tuple[int | None, int | None] | None,
    fit: str,
    resample: str,
    preparation: Preparation,
    keep: bool,
    first: int | None = None,
) -> PreparedPhotos:
    """Read, fit and prepare photos, at least one, each once and one after the other.

    Parameters
    ----------
    sources
        As `read_picture` takes them.
    channels
        Number of channels of the network.
    size, fit, resample
        As `fit_picture` takes them.
    preparation
        The preprocessing.
    keep
        Whether the batch keeps the decoded images, up to 360 MB in all.
    first
        Index of the first photo among all of a stream, for error messages.

    Raises
    ------
    InputError
        If one cannot be read, or they come out in several sizes.
    """
    if not keep and isinstance(preparation, Affine):
        batch = _of_size(sources, channels, size)
        if batch is not None:
            require_resample(resample)
            shape = batch.shape[1:]
            seen = seen_region((shape[0], shape[1]), size, fit)
            of_all = PreparedPhoto(
                **_described(sources[0], shape, seen),
                fit=fit,
                resample=resample,
                preparation=preparation.name,
            )
            return remembering(preparation.to_network(batch), (of_all,) * len(batch))
    x = np.empty((0, 0, 0, channels), np.float32)
    photos: list[PreparedPhoto] = []
    kept: list[np.ndarray] = []
    for number, given in enumerate(sources):
        source = as_array(given) if is_tensor(given) else given
        stamp = _stamp_of(source) if isinstance(source, str | os.PathLike) else None
        is_alone = first is None and len(sources) == 1
        place = None if is_alone else number + (first or 0)
        if keep:
            picture, shown = _read(source, channels, place)
        else:
            picture = shown = read_picture(source, channels, place)
        fitted = fit_picture(picture, size, fit, resample)
        if not number:  # filled one by one: stacked in the end they would be there twice
            x = np.empty((len(sources), *fitted.shape), np.float32)
        if fitted.shape != x.shape[1:]:
            raise InputError(
                "Expected images of one size, but they have several: give "
                "size=(height, width), or one image at a time."
            )
        x[number] = preparation.to_network(fitted[None])[0]
        seen = seen_region((picture.shape[0], picture.shape[1]), size, fit)
        photo = PreparedPhoto(
            **_described(source, picture.shape, seen),
            fit=fit,
            resample=resample,
            preparation=preparation.name,
            _stamp=stamp,
        )
        if keep and sum(one.nbytes for one in kept) + shown.size <= _KEPT_BYTES:
            kept.append(as_shown(shown))
            photo = photo.keeping(kept[-1])
        photos.append(photo)
    return remembering(x, tuple(photos))


def _of_size(
    sources: Sequence[Any], channels: int, size: tuple[int | None, int | None] | None
) -> np.ndarray | None:
    """Pixels (N, H, W, C) of photos that need no conversion, so that all are prepared at once.

    None if a photo is no uint8 array with the size and the channels of the network's input.
    """
    if size is None or None in size:
        return None
    shapes = [(*size, channels), *([tuple(size)] if channels == 1 else [])]
    for source in sources:
        is_array = type(source) is np.ndarray and source.dtype == np.uint8
        if not is_array or source.shape not in shapes:
            return None
    return np.stack([source.reshape(shapes[0]) for source in sources])


def as_shown(picture: np.ndarray) -> np.ndarray:
    """A picture in 0..255 as ``uint8``."""
    return picture if picture.dtype == np.uint8 else np.rint(picture).astype(np.uint8)


def _read(source: Any, channels: int, number: int | None) -> tuple[np.ndarray, np.ndarray]:
    """A photo with the channels of the network, and as it is shown, in color if it has any.

    A file is decoded once.
    """
    if channels != 1:
        picture = read_picture(source, channels, number)
        return picture, picture
    shown = read_picture(source, 3, number)
    if shown.dtype == np.uint8:
        return read_picture(shown, 1), shown
    if isinstance(source, Image.Image) or not hasattr(source, "__array__"):
        return shown[..., :1], shown  # more than 8 bits: such files are gray
    return read_picture(source, 1, number), shown


def _described(
    source: Any, shape: tuple[int, ...], seen: tuple[float, float, float, float]
) -> dict[str, Any]:
    """What a photo of ``shape`` (H, W, C) from ``source`` is; ``seen`` is in pixels."""
    height, width, _ = shape
    top, left, bottom, right = seen
    has_file = isinstance(source, str | os.PathLike)
    file = source if has_file else getattr(source, "filename", getattr(source, "name", ""))
    return {
        "name": Path(os.fsdecode(file)).name if isinstance(file, str | os.PathLike) else "",
        "path": _absolute(source) if has_file else None,
        "size": (height, width),
        "seen": (top / height, left / width, bottom / height, right / width),
        "is_float": isinstance(source, np.ndarray) and source.dtype.kind == "f",
    }


def _absolute(path: str | os.PathLike) -> str:
    return str(Path(os.fsdecode(path)).absolute())


def _stamp_of(path: str | os.PathLike) -> tuple[int, int] | None:
    """Time of modification and size of a file; None if it does not exist."""
    try:
        status = Path(os.fsdecode(path)).stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
