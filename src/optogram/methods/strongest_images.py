"""The photos that activate each filter most, and the receptive fields in them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from optogram.arguments import checked, whole
from optogram.errors import InputError, PhotoError
from optogram.graph.steps import Output
from optogram.interpreters.precision import EXACT, in_precision
from optogram.interpreters.relevance.composites import composite_of
from optogram.methods.request.checkpoint import Checkpoint, fingerprint, photo_mark
from optogram.methods.request.explained_layer import step_with_maps
from optogram.methods.request.photo_list import listed_photos
from optogram.methods.request.request import Request, provenance_of
from optogram.methods.request.rounding import SAMPLE
from optogram.network.network import Network
from optogram.network.predictions import CHUNK
from optogram.pictures.fit import fit_picture
from optogram.pictures.photo_files import photo_names
from optogram.pictures.prepared import as_shown, is_prepared
from optogram.pictures.sources import in_chunks, is_stream, labeled
from optogram.progress import Progress, ShownProgress, reporting, silent
from optogram.result import StrongestImages
from optogram.words import counted


@checked
def strongest_images(
    net: Network,
    layer: str,
    photos: Any,
    top: int = 9,
    *,
    by: str = "activation",
    filters: Iterable[int] | None = None,
    fit: str = "stretch",
    size: tuple[int, int] | None = None,
    precision: str = "exact",
    checkpoint: str | os.PathLike | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> StrongestImages:
    """For each filter of a layer, the photos that activate it most, and where.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), figure 2,
    shows such windows. Photos are read in batches and not kept in memory.

    ``by="relevance"``: the photos whose predicted class owes most to the filter (relevance
    maximization, Achtibat et al. 2023, section 4.2): not what activates a filter, but what it is
    used for.

    Parameters
    ----------
    net : Network
        The network; only the steps up to the layer are run.
    layer : str
        Name of a layer with feature maps.
    photos : path, sequence of what `Network.prepare` takes, or stream
        A folder stands for all images in it and its subfolders, sorted by name; if there are none,
        for those in its ``.tar`` files (WebDataset) or ``.parquet`` files. Also the path of such a
        file, a pattern ``shard-{000..012}.tar``, ``data.parquet::column``, or an ``.npy`` file of
        uint8 (N, H, W) or (N, H, W, C). A stream is a generator, dataset or loader, as for
        `Network.predict`: it is read once, and only the photos of the result are kept, at most at
        the input size.
    top : int
        Number of photos per filter, at least 1. Each photo counts once per filter.
    by : {"activation", "relevance"}
        Order of the photos: by the largest activation of the filter, or by its relevance for the
        highest-scoring class of the photo, the sum over its map of what `lrp` assigns.
    filters : iterable of int, optional
        Filter numbers. None: all filters of the layer.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    size : (height, width), optional
        Input size in pixels; it may differ from the network's own, since convolutions and poolings
        take any size. None: the network's size, 224×224 if it takes any size.
    precision : {"exact", "fast"}
        "fast": where that is faster, large products of the network in bfloat16, and normalizations
        folded into convolutions. Relevance is always
        computed exactly.
    checkpoint : path, optional
        A file for intermediate results: an interrupted run continues from it. If photos were
        added to the folder, only these are processed. Photos are identified by content: a photo
        that was replaced makes this another run. Not for streams, which cannot be read again.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    StrongestImages
        ``values`` (filters, top): the largest activation in each photo, or its relevance, strongest
        first, with the photo, the position in the map where it is largest and the window in the
        photo. Photos at a path that cannot be read are skipped: ``unread`` lists them, and a
        warning for each gives the reason.

    Raises
    ------
    InputError
        If the layer has no feature maps, no photo can be read, a photo of a list cannot be read,
        a filter does not exist, or ``checkpoint`` belongs to another network, layer or set of
        photos.
    """
    step = step_with_maps(net, layer)
    top = whole("top", top, 1)
    if by not in ("activation", "relevance"):
        raise InputError(f'by must be "activation" or "relevance", not {by!r}.')
    if by == "relevance":
        net.require_class_scores()
        if precision != EXACT:
            raise InputError(
                'by="relevance" is computed exactly: leave precision out, or order by="activation".'
            )
    if is_stream(photos) and checkpoint is not None:
        raise InputError(
            "checkpoint needs a folder or a list of photos: a stream cannot be read again."
        )
    chosen = _filters(filters, step.shape[-1] or 0, layer)
    height, width = size or net.nominal_size
    fitted = (whole("size, height,", height, 1), whole("size, width,", width, 1))
    output = Output(step.index)
    strongest = _Strongest.begin(len(chosen), top)
    scored, note, _ = in_precision(net, precision, fitted)
    reader = _Reader(net, scored, output, chosen, fit, fitted, memory, by)
    with reporting(progress) as told:
        if is_stream(photos):
            reader.read_stream(photos, strongest, told)
        else:
            saved = None
            if checkpoint is not None:
                read = [output] if by == "activation" else [net.head.logits, output]
                said = (layer, top, chosen, fit, net.resample, precision)
                mark = fingerprint(net, read, fitted, *said)
                saved = Checkpoint(Path(checkpoint), mark, "strongest_images")
            strongest = reader.read_list(photos, strongest, saved, told)
    names = tuple(reader.names)
    places = {name: i for i, name in enumerate(names)}
    columns = net.shape(output, fitted)[1]
    known = strongest.photos != ""
    positions = np.where(known[..., None], np.stack(divmod(strongest.places, columns), axis=-1), 0)
    return StrongestImages(
        values=np.where(known, strongest.values, np.nan).astype(np.float32),
        method="strongest_images",
        parameters={"top": top, "by": by, "fit": fit, "size": fitted, "precision": precision},
        provenance={
            **provenance_of(net, (*fitted, net.channels), rounding=scored.graph.rounding),
            "resample": net.resample,
        },
        warnings=(*net.warnings, *([note] if note else []), *strongest.unread.values()),
        layer=layer,
        filters=np.array(chosen),
        photos=names,
        indices=np.vectorize(lambda name: places.get(name, -1), otypes=[int])(strongest.photos),
        positions=positions,
        windows=_windows(net, step.index, fitted, positions),
        unread=tuple(strongest.unread),
        opened=reader.opened,
        rounding_error=reader.rounding_error,
    )


@dataclass
class _Strongest:
    """The strongest activations so far, and their photos.

    Attributes
    ----------
    values, places : ndarray of shape (filters, top)
        Activations, strongest first, and their flat positions in the map.
    photos : ndarray of str, of the same shape
        Names of photos; "" where there are fewer photos so far.
    done : dict of str to str
        The photos processed, with a hash of the content of each.
    unread : dict of str to str
        Those that could not be read, with the reason.
    """

    values: np.ndarray
    places: np.ndarray
    photos: np.ndarray
    done: dict[str, str]
    unread: dict[str, str]

    @classmethod
    def begin(cls, filters: int, top: int) -> "_Strongest":
        """The state before the first photo."""
        shape = (filters, top)
        nothing = np.full(shape, -np.inf, np.float32)
        return cls(nothing, np.zeros(shape, np.int64), np.full(shape, "", object), {}, {})

    def add(self, peaks: np.ndarray, names: Sequence[str]) -> None:
        """Add the ``peaks`` (n, filters, 2) of photos: largest activation and its position."""
        count, top = self.values.shape
        values = np.hstack([self.values, peaks[..., 0].T])
        places = np.hstack([self.places, peaks[..., 1].T.astype(np.int64)])
        photos = np.hstack([self.photos, np.tile(np.array(names, object), (count, 1))])
        order = np.argsort(-values, axis=1, kind="stable")[:, :top]
        self.values, self.places, self.photos = (
            np.take_along_axis(array, order, axis=1) for array in (values, places, photos)
        )

    def write(self, saved: Checkpoint) -> None:
        """Write a checkpoint."""
        saved.write(
            {"values": self.values, "places": self.places, "photos": self.photos.astype(str)},
            {"done": self.done, "unread": self.unread},
        )

    def read(self, saved: Checkpoint, names: Sequence[str], sources: Sequence[Any]) -> "_Strongest":
        """The state in the checkpoint, or this state if there is no checkpoint.

        ``sources`` are the photos, with ``names``. An unreadable photo that has changed is tried
        again.
        """
        kept = saved.read()
        if kept is None:
            return self
        arrays, texts = kept
        try:
            found = _Strongest(**arrays, done=dict(texts["done"]), unread=dict(texts["unread"]))
            found.photos = found.photos.astype(str).astype(object)
        # In a modified file anything may be missing or have another shape.
        except (KeyError, TypeError, ValueError) as error:
            raise saved.damaged() from error
        pairs = ((found.values, "f"), (found.places, "i"), (found.photos, "O"))
        if any(a.shape != self.values.shape or a.dtype.kind != kind for a, kind in pairs):
            raise saved.damaged()
        numbers = {name: i for i, name in enumerate(names)}
        changed = {
            name
            for name, mark in found.done.items()
            if name not in numbers or _mark(sources, numbers[name]) != mark
        }
        if changed - (found.unread.keys() & numbers.keys()):
            raise saved.other_run()
        for name in changed:
            del found.done[name], found.unread[name]
        return found


@dataclass
class _Reader:
    """Reads photos and finds the strongest.

    Attributes
    ----------
    net, scored, output, filters, fit, size, memory, by
        The network, exact and as it is run, the layer, the filters, how photos are brought to which
        size, the budget, and what the photos are ordered by.
    names : sequence of str
        Names of the photos.
    opened : sequence or dict
        The photos by number; of a stream those that are among the strongest of a filter, at most
        at the input size.
    rounding_error : ndarray of shape (filters,), or None
        Root mean square error of the largest activations in the first few photos.
    """

    net: Network
    scored: Network
    output: Output
    filters: list[int]
    fit: str
    size: tuple[int, int]
    memory: float | str | None
    by: str
    names: Sequence[str] = ()
    opened: Sequence[Any] | dict[int, np.ndarray] = ()
    rounding_error: np.ndarray | None = None

    def read_list(
        self, photos: Any, strongest: _Strongest, saved: Checkpoint | None, told: Progress
    ) -> _Strongest:
        """Add the photos of a folder or list, beginning with those in the checkpoint."""
        names, held = listed_photos(photos)
        sources = held.sources
        self.names, self.opened = names, sources
        if saved:
            strongest = strongest.read(saved, names, sources)
        left = [i for i, name in enumerate(names) if name not in strongest.done]
        unread: dict[int, str] = {}

        def feed(part: slice) -> np.ndarray:
            pictures = np.zeros((part.stop - part.start, *self.size, self.net.channels), np.float32)
            for row, i in enumerate(left[part]):
                try:
                    (pictures[row],) = self.net.fed([sources[i]], self.fit, self.size)
                except PhotoError as error:
                    if not held.origin:
                        raise
                    unread[i] = f"Skipped: {error}"
            return pictures

        try:
            for part, peaks in self._peaks_of(feed, len(left)):
                read = [row for row, i in enumerate(left[part]) if i not in unread]
                batch = [left[part][row] for row in read]
                strongest.add(peaks[read], [names[i] for i in batch])
                strongest.done |= {names[i]: _mark(sources, i) if saved else "" for i in left[part]}
                strongest.unread.update({names[i]: unread[i] for i in left[part] if i in unread})
                if saved and saved.is_due:
                    strongest.write(saved)
                told(len(names) - len(left) + part.stop, len(names), "photos")
        finally:
            if saved:
                strongest.write(saved)
        if len(strongest.unread) == len(names):
            first = next(iter(strongest.unread.values()))
            raise InputError(f"None of the {len(names)} photos can be read: {first}")
        return strongest

    def read_stream(self, photos: Any, strongest: _Strongest, told: Progress) -> None:
        """Add the photos of a stream, a few at a time.

        Raises
        ------
        InputError
            If there are none, one cannot be read, or one is named twice.
        """
        names: list[str] = []
        kept: dict[int, np.ndarray] = {}
        for chunk in in_chunks((photo for photo, _ in labeled(photos)), CHUNK):
            first = len(names)
            names += photo_names(chunk, first)
            x = np.empty((len(chunk), *self.size, self.net.channels), np.float32)
            for row, photo in enumerate(chunk):
                x[row], kept[first + row] = self._prepared(photo, first + row)
            for part, peaks in self._peaks_of(x.__getitem__, len(x)):
                strongest.add(peaks, names[first + part.start : first + part.stop])
            best = set(strongest.photos.ravel())
            kept = {i: picture for i, picture in kept.items() if names[i] in best}
            told(len(names), len(names), "photos")
        if not names:
            raise InputError("Expected at least one photo, got an empty stream.")
        if len(set(names)) < len(names):
            raise InputError("A photo is named twice in the stream: name each once.")
        self.names, self.opened = names, kept

    def _peaks_of(
        self, feed: Callable[[slice], np.ndarray], count: int
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """The value and place of each filter in each photo, (n, filters, 2), batch by batch."""
        if self.by == "relevance":
            yield from self._relevances_of(feed, count)
            return
        given = [self.output], self.memory, silent, _peaks
        for part, (peaks,) in self.scored.stream(feed, count, self.size, *given):
            if self.scored is not self.net and self.rounding_error is None:
                few = min(SAMPLE, part.stop)
                ((_, (exact,)),) = self.net.stream(feed, few, self.size, *given)
                errors = (peaks[:few, :, 0] - exact[..., 0])[:, self.filters]
                self.rounding_error = np.sqrt(np.mean(errors**2, axis=0))
            yield part, peaks[:, self.filters]

    def _relevances_of(
        self, feed: Callable[[slice], np.ndarray], count: int
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """The same by relevance for the class of each photo."""
        rules = composite_of("epsilon_gamma_box")
        for first in range(0, count, CHUNK):
            part = slice(first, min(first + CHUNK, count))
            x = feed(part)
            request = Request(self.net, x, np.arange(len(x)), None, "logit")
            (found,) = request.relevance(rules, [self.output], None, self.memory).found.at
            flat = found.reshape(len(x), -1, found.shape[-1])
            sums, places = flat.sum(axis=1, dtype=np.float64), flat.argmax(axis=1)
            yield part, np.stack([sums, places], axis=-1)[:, self.filters]

    def _prepared(self, photo: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
        """A photo in network units, (H, W, C), and a picture of it for display."""
        if is_prepared(photo):
            x = self.net.fed(photo, is_any_size=True)
            if x.shape[1:3] != self.size:
                raise InputError(
                    f"A prepared photo of the stream has {x.shape[1]}×{x.shape[2]} pixels, "
                    f"expected {self.size[0]}×{self.size[1]}: give size=(height, width)."
                )
            return np.asarray(x)[0], self.net.display(x)[0]
        x = self.net.fed([photo], self.fit, self.size, keep=True, first=number)
        picture = x.photos[0].picture()  # type: ignore[attr-defined]
        factor = max(1.0, *(old / new for old, new in zip(picture.shape, self.size, strict=False)))
        height, width = (max(1, round(side / factor)) for side in picture.shape[:2])
        return np.asarray(x)[0], as_shown(fit_picture(picture, (height, width)))


def _mark(sources: Sequence[Any], number: int) -> str:
    """A hash of the content of a photo; "" if it cannot be read."""
    try:
        return photo_mark(sources[number])
    except PhotoError:
        return ""


def _peaks(maps: Any) -> Any:
    """The largest value of each map (N, h, w, C) and its flat position: (N, C, 2)."""
    flat = keras.ops.reshape(maps, (keras.ops.shape(maps)[0], -1, maps.shape[-1]))
    flat = keras.ops.cast(flat, "float32")
    places = keras.ops.cast(keras.ops.argmax(flat, axis=1), "float32")
    return keras.ops.stack([keras.ops.max(flat, axis=1), places], axis=-1)


def _filters(filters: Iterable[int] | None, count: int, layer: str) -> list[int]:
    chosen = list(range(count)) if filters is None else [int(i) for i in filters]
    wrong = [i for i in chosen if not 0 <= i < count]
    if wrong or not chosen:
        raise InputError(
            f"{layer!r} has {counted(count, 'filter')}, numbered 0 to {count - 1}: "
            f"{wrong or 'none'} given."
        )
    return chosen


def _windows(net: Network, index: int, size: tuple[int, int], positions: np.ndarray) -> np.ndarray:
    """Receptive fields of ``positions`` (..., 2): (top, left, bottom, right), clipped."""
    return net.geometry(size)[index].receptive_field.boxes(positions, size)
