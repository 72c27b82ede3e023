"""The photos that activate each filter most, and the receptive fields in them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from optogram.arguments import checked, whole
from optogram.errors import InputError, PhotoError
from optogram.graph.steps import Output
from optogram.methods.request.checkpoint import Checkpoint, fingerprint, photo_mark
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.pictures.read import pictures_in
from optogram.progress import ShownProgress, reporting, silent
from optogram.result import StrongestImages
from optogram.words import counted


@checked
def strongest_images(
    net: Network,
    layer: str,
    photos: Any,
    top: int = 9,
    *,
    filters: Iterable[int] | None = None,
    fit: str = "stretch",
    size: tuple[int, int] | None = None,
    checkpoint: str | os.PathLike | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> StrongestImages:
    """For each filter of a layer, the photos that activate it most, and where.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), figure 2,
    shows such windows. Photos are read in batches and not kept in memory.

    Parameters
    ----------
    net : Network
        The network; only the steps up to the layer are run.
    layer : str
        Name of a layer with feature maps.
    photos : path of a folder, or sequence of what `Network.prepare` takes
        A folder stands for all images in it and its subfolders, sorted by name.
    top : int
        Number of photos per filter, at least 1. Each photo counts once per filter.
    filters : iterable of int, optional
        Filter numbers. None: all filters of the layer.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    size : (height, width), optional
        Input size in pixels; it may differ from the network's own, since convolutions and poolings
        take any size. None: the network's size, 224×224 if it takes any size.
    checkpoint : path, optional
        A file for intermediate results: an interrupted run continues from it. If photos were
        added to the folder, only these are processed. Photos are identified by content: a photo
        that was replaced makes this another run.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    StrongestImages
        ``values`` (filters, top): the largest activation in each photo, strongest first, with the
        photo, the position in the map and the window in the photo. Photos of a folder that cannot
        be read are skipped: ``unread`` lists them, and a warning for each gives the reason.

    Raises
    ------
    InputError
        If the layer has no feature maps, no photo can be read, a photo of a list cannot be read,
        a filter does not exist, or ``checkpoint`` belongs to another network, layer or set of
        photos.
    """
    step = net.step(layer)
    if len(step.shape) != 4:
        raise InputError(
            f"{layer!r} has no feature maps, its output has the shape {step.shape}: "
            "choose a layer before the maps are flattened or averaged."
        )
    top = whole("top", top, 1)
    names, sources = _listed(photos)
    is_folder = isinstance(photos, str | os.PathLike)
    chosen = _filters(filters, step.shape[-1] or 0, layer)
    height, width = size or net.nominal_size
    fitted = (whole("size, height,", height, 1), whole("size, width,", width, 1))
    output = Output(step.index)
    strongest, saved = _Strongest.begin(len(chosen), top), None
    if checkpoint is not None:
        mark = fingerprint(net, [output], fitted, layer, top, chosen, fit, net.resample)
        saved = Checkpoint(Path(checkpoint), mark, "strongest_images")
        strongest = strongest.read(saved, dict(zip(names, sources, strict=True)))
    left = [i for i, name in enumerate(names) if name not in strongest.done]
    places = {name: i for i, name in enumerate(names)}
    unread: dict[int, str] = {}

    def feed(part: slice) -> np.ndarray:
        pictures = np.zeros((part.stop - part.start, *fitted, net.channels), np.float32)
        for row, i in enumerate(left[part]):
            try:
                (pictures[row],) = net.fed([sources[i]], fit, fitted)
            except PhotoError as error:
                if not is_folder:
                    raise
                unread[i] = f"Skipped: {error}"
        return pictures

    try:
        with reporting(progress) as told:
            for part, (peaks,) in net.stream(
                feed, len(left), fitted, [output], memory, silent, then=_peaks
            ):
                read = [row for row, i in enumerate(left[part]) if i not in unread]
                batch = [left[part][row] for row in read]
                strongest.add(peaks[read][:, chosen], [names[i] for i in batch])
                strongest.done |= {
                    names[i]: photo_mark(sources[i]) if saved else "" for i in left[part]
                }
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
    columns = net.shape(output, fitted)[1]
    known = strongest.photos != ""
    positions = np.where(known[..., None], np.stack(divmod(strongest.places, columns), axis=-1), 0)
    return StrongestImages(
        values=np.where(known, strongest.values, np.nan).astype(np.float32),
        method="strongest_images",
        parameters={"top": top, "fit": fit, "size": fitted},
        provenance={**provenance_of(net, (*fitted, net.channels)), "resample": net.resample},
        warnings=(*net.warnings, *strongest.unread.values()),
        layer=layer,
        filters=np.array(chosen),
        photos=names,
        indices=np.vectorize(lambda name: places.get(name, -1), otypes=[int])(strongest.photos),
        positions=positions,
        windows=_windows(net, step.index, fitted, positions),
        unread=tuple(strongest.unread),
        opened=sources,
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

    def read(self, saved: Checkpoint, sources: Mapping[str, Any]) -> "_Strongest":
        """The state in the checkpoint, or this state if there is no checkpoint.

        ``sources`` are the photos by name. An unreadable photo that has changed is tried again.
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
        changed = {
            name
            for name, mark in found.done.items()
            if name not in sources or photo_mark(sources[name]) != mark
        }
        if changed - (found.unread.keys() & sources.keys()):
            raise saved.other_run()
        for name in changed:
            del found.done[name], found.unread[name]
        return found


def _peaks(maps: Any) -> Any:
    """The largest value of each map (N, h, w, C) and its flat position: (N, C, 2)."""
    flat = keras.ops.reshape(maps, (keras.ops.shape(maps)[0], -1, maps.shape[-1]))
    flat = keras.ops.cast(flat, "float32")
    places = keras.ops.cast(keras.ops.argmax(flat, axis=1), "float32")
    return keras.ops.stack([keras.ops.max(flat, axis=1), places], axis=-1)


def _listed(photos: Any) -> tuple[tuple[str, ...], Sequence[Any]]:
    """The names of the photos, and what to open for each."""
    if isinstance(photos, str | os.PathLike):
        found = pictures_in(photos)
        return tuple(map(str, found)), found
    is_many = isinstance(photos, Sequence | np.ndarray) and getattr(photos, "ndim", 1) != 0
    if not is_many or not len(photos):
        raise InputError("Expected a folder or a list of photos, with at least one in it.")
    names = [
        str(photo) if isinstance(photo, str | os.PathLike) else f"photo {i}"
        for i, photo in enumerate(photos)
    ]
    if len(set(names)) < len(names):
        raise InputError("A photo is named twice in the list: name each once.")
    return tuple(names), photos


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
    field = net.geometry(size)[index].receptive_field
    if field.is_whole:
        whole = np.array([0, 0, *size], np.float32)
        return np.broadcast_to(whole, (*positions.shape[:-1], 4)).copy()
    first = positions * np.array(field.stride) + np.array(field.start)
    last = positions * np.array(field.stride) + np.array(field.end) + 1
    window = np.concatenate([first, last], axis=-1)
    return np.clip(window, 0, np.array([*size, *size])).astype(np.float32)
