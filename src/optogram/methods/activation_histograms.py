"""Histograms of the activations of each filter of a layer over many photos, in one pass."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from optogram.arguments import checked, whole
from optogram.errors import InputError, PhotoError
from optogram.graph.steps import Output
from optogram.methods.request.explained_layer import step_with_maps
from optogram.methods.request.photo_list import listed_photos
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.network.predictions import CHUNK
from optogram.pictures.prepared import is_prepared
from optogram.pictures.sources import in_chunks, is_stream, labeled
from optogram.progress import Progress, ShownProgress, reporting
from optogram.result import ActivationHistograms
from optogram.words import counted

_MOST_BINS = 4096
_DIGITS = 24
"""Bins are not narrower than this many halvings of the largest magnitude: the digits of float32."""
_SMALLEST = -120
"""Exponent of the narrowest bin, for filters that are zero everywhere."""
_BLOCK = 1 << 20
"""Number of activations that are counted at a time."""


@checked
def activation_histograms(
    net: Network,
    layer: str,
    photos: Any,
    bins: int = 64,
    *,
    fit: str = "stretch",
    size: tuple[int, int] | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> ActivationHistograms:
    """Histograms of the activations of each filter of a layer over the positions of all photos.

    Photos are read once, a few at a time, and activations are not kept. Bins of a filter are as
    wide as a power of two, and their edges are multiples of it: as the range of its activations
    grows, pairs of bins become one. So counts are exact, and do not depend on the order of photos.

    Parameters
    ----------
    net : Network
        The network; only the steps up to the layer are run.
    layer : str
        Name of a layer with feature maps.
    photos : path, sequence of what `Network.prepare` takes, or stream
        As for `strongest_images`.
    bins : int
        Number of bins of each filter, at least 2; about half of them to all cover its range.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    size : (height, width), optional
        Input size in pixels. None: the network's size, 224×224 if it takes any size.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    ActivationHistograms
        ``values`` (filters, bins): the counts, with edges, mean, share of zeros, minimum and
        maximum of each filter. Photos of a folder that cannot be read are skipped, with a warning
        for each.

    Raises
    ------
    InputError
        If the layer has no feature maps, no photo can be read, or a photo of a list cannot be
        read.
    """
    step = step_with_maps(net, layer)
    bins = whole("bins", bins, 2, _MOST_BINS)
    height, width = size or net.nominal_size
    fitted = (whole("size, height,", height, 1), whole("size, width,", width, 1))
    counts, count, unread = _Counts(step.shape[-1] or 0, bins), 0, dict[str, str]()
    with reporting(progress) as told:
        for x in _batches(net, photos, fit, fitted, unread, told):
            count += len(x)
            for _, (maps,) in net.stream(
                x.__getitem__, len(x), fitted, [Output(step.index)], memory, beside=x.nbytes
            ):
                counts.add(maps)
    if not count:
        raise InputError(
            f"None of the {len(unread)} photos can be read: {next(iter(unread.values()))}"
        )
    wrong = counts.not_finite
    bad = (
        [f"{counted(wrong, 'activation')} of {layer!r} are NaN or infinite and were not counted."]
        if wrong
        else []
    )
    return ActivationHistograms(
        values=counts.counts,
        method="activation_histograms",
        parameters={"bins": bins, "fit": fit, "size": fitted},
        provenance={**provenance_of(net, (*fitted, net.channels)), "resample": net.resample},
        warnings=(*net.warnings, *unread.values(), *bad),
        layer=layer,
        photos=count,
        edges=counts.edges,
        mean=counts.total / np.maximum(counts.number, 1),
        zeros=counts.zeros / np.maximum(counts.number, 1),
        minimum=np.where(counts.number, counts.low, np.nan),
        maximum=np.where(counts.number, counts.high, np.nan),
        unread=tuple(unread),
    )


def _batches(
    net: Network,
    photos: Any,
    fit: str,
    size: tuple[int, int],
    unread: dict[str, str],
    told: Progress,
) -> Iterator[np.ndarray]:
    """The photos, prepared, a few at a time; adds those that cannot be read to ``unread``."""
    if is_stream(photos):
        done = 0
        for chunk in in_chunks((photo for photo, _ in labeled(photos)), CHUNK):
            numbers = range(done, done + len(chunk))
            pairs = zip(chunk, numbers, strict=True)
            yield np.concatenate([_prepared(net, photo, fit, size, i) for photo, i in pairs])
            done += len(chunk)
            told(done, done, "photos")
        if not done:
            raise InputError("Expected at least one photo, got an empty stream.")
        return
    names, held = listed_photos(photos)
    for start in range(0, len(names), CHUNK):
        read = []
        for number in range(start, min(start + CHUNK, len(names))):
            try:
                read.append(_prepared(net, held.source(number), fit, size, number))
            except PhotoError as error:
                if not held.origin:
                    raise
                unread[names[number]] = f"Skipped: {error}"
        if read:
            yield np.concatenate(read)
        told(min(start + CHUNK, len(names)), len(names), "photos")


def _prepared(net: Network, photo: Any, fit: str, size: tuple[int, int], number: int) -> np.ndarray:
    """One photo as a batch (1, H, W, C) in network units."""
    if not is_prepared(photo):
        return np.asarray(net.fed([photo], fit, size, first=number))
    x = np.asarray(net.fed(photo, is_any_size=True))
    if x.shape[1:3] != size:
        raise InputError(
            f"A prepared photo has {x.shape[1]}×{x.shape[2]} pixels, expected {size[0]}×{size[1]}: "
            "give size=(height, width)."
        )
    return x


class _Counts:
    """Histograms of filters whose bins double in width as the range of activations grows.

    Parameters
    ----------
    filters, bins : int
        Number of filters, and of bins of each.

    Attributes
    ----------
    counts : int64 ndarray of shape (filters, bins)
        The counts.
    low, high, total : float64 ndarrays of shape (filters,)
        Smallest and largest activation, and the sum.
    zeros, number : int64 ndarrays of shape (filters,)
        Number of zeros, and of all finite activations.
    not_finite : int
        Number of activations that are NaN or infinite.
    """

    def __init__(self, filters: int, bins: int) -> None:
        self.counts = np.zeros((filters, bins), np.int64)
        self.low, self.high = np.full(filters, np.inf), np.full(filters, -np.inf)
        self.total = np.zeros(filters)
        self.zeros, self.number = np.zeros(filters, np.int64), np.zeros(filters, np.int64)
        self.not_finite = 0
        # Bin i of a filter holds multiples first + i to first + i + 1 of 2 ** exponent.
        self._exponent = np.full(filters, _SMALLEST)
        self._first = np.zeros(filters, np.int64)

    @property
    def edges(self) -> np.ndarray:
        """(filters, bins + 1): the edges of the bins."""
        steps = self._first[:, None] + np.arange(self.counts.shape[1] + 1)
        return steps * np.exp2(self._exponent)[:, None]

    def add(self, maps: np.ndarray) -> None:
        """Add activations (..., filters)."""
        flat = maps.reshape(-1, maps.shape[-1])
        length = max(1, _BLOCK // max(1, flat.shape[1]))
        for start in range(0, len(flat), length):
            self._add(flat[start : start + length].astype(np.float64))

    def _add(self, values: np.ndarray) -> None:
        filters, bins = self.counts.shape
        finite = np.isfinite(values)
        self.not_finite += int(values.size - np.count_nonzero(finite))
        self.low = np.minimum(self.low, np.where(finite, values, np.inf).min(axis=0))
        self.high = np.maximum(self.high, np.where(finite, values, -np.inf).max(axis=0))
        self.number += finite.sum(axis=0)
        self.zeros += (values == 0).sum(axis=0)
        values = np.where(finite, values, 0)
        self.total += values.sum(axis=0)
        self._widen()
        places = np.floor(values * np.exp2(-self._exponent)).astype(np.int64) - self._first
        places += np.arange(filters) * bins
        found = np.bincount(places[finite], minlength=filters * bins)
        self.counts += found.reshape(filters, bins)

    def _widen(self) -> None:
        """Bins as narrow as they can be for `low` to `high`, with the counts moved into them."""
        bins = self.counts.shape[1]
        known = self.number > 0
        low, high = np.where(known, self.low, 0), np.where(known, self.high, 0)
        exponent = self._exponent
        for size, digits in ((np.maximum(-low, high), _DIGITS), ((high - low) / bins, 1)):
            least = np.where(size > 0, np.frexp(size)[1] - digits, _SMALLEST)
            exponent = np.maximum(exponent, least)
        while True:
            width = np.exp2(exponent)
            first = np.floor(low / width).astype(np.int64)
            is_narrow = np.floor(high / width).astype(np.int64) - first >= bins
            if not is_narrow.any():
                break
            exponent = exponent + is_narrow
        changed = (exponent != self._exponent) | (first != self._first)
        if changed.any():
            old = self._first[changed, None] + np.arange(bins)
            shift = np.minimum(exponent - self._exponent, 62)[changed, None]
            new = (old >> shift) - first[changed, None]
            counts = self.counts[changed]
            row, column = np.nonzero(counts)
            moved = np.zeros_like(counts)
            np.add.at(moved, (row, new[row, column]), counts[row, column])
            self.counts[changed] = moved
        self._exponent, self._first = exponent, first
