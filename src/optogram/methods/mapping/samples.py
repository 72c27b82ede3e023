"""Activations of a layer at random positions of many photos."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optogram.errors import InputError, PhotoError
from optogram.graph.steps import Output
from optogram.interpreters.gradients import gradients
from optogram.methods.request.checkpoint import Checkpoint, photo_mark
from optogram.methods.request.photo_list import listed_photos
from optogram.network.network import Network
from optogram.network.predictions import CHUNK
from optogram.pictures.fit import fit_picture
from optogram.pictures.photo_files import photo_names
from optogram.pictures.prepared import as_shown, is_prepared
from optogram.pictures.sources import in_chunks, is_stream, labeled
from optogram.progress import Progress

EVERY_CLASS = 20
"""Networks with more classes are asked for the gradient of the predicted class only."""
_HELD = 64 << 20
"""Bytes of gradients that are held at a time; those of a single photo may be more."""
_WITH_BORDER = 4
"""Larger maps are sampled without their outermost rows and columns."""
_KEPT = 10_000
"""Photos of a stream of which a small copy is kept."""
_COPY = 64
"""Longer side in pixels of such a copy, at most."""

Position = Callable[[int, tuple[int, int]], np.ndarray]
"""Positions (n, 2) in a map of some (height, width), for the photo with that number."""


@dataclass
class Samples:
    """Activations, and where they were taken.

    Attributes
    ----------
    activations : float32 ndarray of shape (n, channels)
        One sample in each row.
    photos : int ndarray of shape (n,)
        Index of its photo in ``names``.
    positions : int ndarray of shape (n, 2)
        (y, x) in the map; 0, 0 for layers without maps.
    contributions : float32 ndarray of shape (n, classes) or (n, 1), or None
        h · ∂logit/∂h of every class, or of the predicted class alone; None without classes.
    predicted : int ndarray of shape (n,), or None
        The predicted class of the photo; None where every class has its contribution.
    names : list of str
        Names of all photos.
    unread : dict of str to str
        Photos that could not be read, with the reason.
    opened : sequence or dict
        The photos by index; of a stream, small copies of the first.
    """

    activations: np.ndarray
    photos: np.ndarray
    positions: np.ndarray
    contributions: np.ndarray | None
    predicted: np.ndarray | None
    names: Sequence[str] = ()
    unread: dict[str, str] = field(default_factory=dict)
    opened: Any = None


def random_positions(each: int, seed: int) -> Position:
    """``each`` distinct random positions, by the photo's number alone.

    The outermost rows and columns of maps larger than 4×4 are left out. If a map has fewer
    positions, all are taken.
    """

    def positions(number: int, shape: tuple[int, int]) -> np.ndarray:
        edge = int(min(shape) > _WITH_BORDER)
        inner = shape[0] - 2 * edge, shape[1] - 2 * edge
        generator = np.random.default_rng([seed, number])
        count = min(each, inner[0] * inner[1])
        flat = generator.choice(inner[0] * inner[1], count, replace=False)
        return np.stack(np.divmod(flat, inner[1]), axis=-1) + edge

    return positions


@dataclass(frozen=True)
class Sampler:
    """Takes samples of a layer.

    Attributes
    ----------
    net, output
        The network and the output of the layer.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size.
    position : Position
        Where samples are taken.
    memory : float, str or None
        Memory budget of the passes.
    """

    net: Network
    output: Output
    fit: str
    position: Position
    memory: float | str | None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of prepared photos."""
        return self.net.nominal_size

    @property
    def has_classes(self) -> bool:
        """Whether the network has class scores that depend on the layer."""
        head = self.net.head
        if head.is_spatial or head.is_regression:
            return False
        return self.output.step in self.net.graph.ancestors([head.logits])

    @property
    def has_every_class(self) -> bool:
        """Whether each class has its contribution."""
        return self.has_classes and self.net.head.classes <= EVERY_CLASS

    def of_list(self, photos: Any, saved: Checkpoint | None, told: Progress) -> Samples:
        """The samples of photos that are read by number.

        Raises
        ------
        InputError
            If no photo, or a photo of a list, can be read.
        """
        if is_prepared(photos):
            photos = [photos[i : i + 1] for i in range(len(photos))]
        names, held = listed_photos(photos)
        sources, is_folder = held.sources, bool(held.origin)
        parts, unread, done = _begun(saved, names, sources)
        marks = dict(parts.marks)
        length = self._chunk()
        while done < len(names):
            part = range(done, min(done + length, len(names)))
            x, read = self._read(sources, part, is_folder, unread, names)
            if read:
                parts.add(*self._samples(x, read, length))
            done = part.stop
            if saved:
                marks |= {names[i]: _mark(sources, i) for i in part}
                if saved.is_due:
                    saved.write(parts.arrays(), {"marks": marks, "unread": unread})
            told(done, len(names), "photos")
        if len(unread) == len(names):
            raise InputError(
                f"None of the {len(names)} photos can be read: {next(iter(unread.values()))}"
            )
        if saved and len(marks) > len(parts.marks):
            saved.write(parts.arrays(), {"marks": marks, "unread": unread})
        return parts.samples(list(names), unread, sources)

    def of_stream(self, photos: Any, told: Progress) -> Samples:
        """The samples of a stream, which is read once.

        Raises
        ------
        InputError
            If it is empty, a photo cannot be read, or a photo is named twice.
        """
        names: list[str] = []
        kept: dict[int, np.ndarray] = {}
        parts, length = _Parts(), self._chunk()
        for chunk in in_chunks((photo for photo, _ in labeled(photos)), length):
            numbers = range(len(names), len(names) + len(chunk))
            names += photo_names(chunk, numbers.start)
            x, read = self._read(dict(zip(numbers, chunk, strict=True)), numbers, False, {}, names)
            for row, number in enumerate(numbers):
                if number < _KEPT:
                    kept[number] = _small(self.net.display(x[row : row + 1])[0])
            parts.add(*self._samples(x, read, length))
            told(len(names), len(names), "photos")
        if not names:
            raise InputError("Expected at least one photo, got an empty stream.")
        if len(set(names)) < len(names):
            raise InputError("A photo is named twice in the stream: name each once.")
        return parts.samples(names, {}, kept)

    def _chunk(self) -> int:
        """Number of photos whose gradients are held together."""
        values = np.prod(self.net.shape(self.output, self.size)) * 4
        rows = self.net.head.outputs if self.has_every_class else 1
        return int(np.clip(_HELD // (values * (rows + 1)), 1, CHUNK))

    def _read(
        self,
        sources: Sequence[Any] | Mapping[int, Any],
        numbers: Sequence[int],
        is_skipping: bool,
        unread: dict[str, str],
        names: Sequence[str],
    ) -> tuple[np.ndarray, list[int]]:
        """Prepared photos (N, H, W, C), and the numbers of those that could be read."""
        found, read = [], []
        for number in numbers:
            try:
                found.append(np.asarray(self._prepared(sources[number], number)))
                read.append(number)
            except PhotoError as error:
                if not is_skipping:
                    raise
                unread[names[number]] = f"Skipped: {error}"
        empty = np.zeros((0, *self.size, self.net.channels), np.float32)
        return np.concatenate([empty, *found]), read

    def _prepared(self, source: Any, number: int) -> np.ndarray:
        """One photo in network units, (1, H, W, C)."""
        if not is_prepared(source):
            return self.net.fed([source], self.fit, self.size, first=number)
        x = self.net.fed(source, is_any_size=True)
        if x.shape[1:3] != self.size:
            raise InputError(
                f"A prepared photo has {x.shape[1]}×{x.shape[2]} pixels, expected "
                f"{self.size[0]}×{self.size[1]}."
            )
        return x

    def _samples(
        self, x: np.ndarray, numbers: Sequence[int], length: int
    ) -> tuple[np.ndarray, ...]:
        """Activations, photos, positions, contributions, predicted classes of some photos."""
        count = len(x)
        x = np.concatenate([x, np.repeat(x[-1:], length - count, axis=0)])  # compiled once
        maps, back, outputs = self._passes(x)
        flat = maps.ndim == 2
        shape = (1, 1) if flat else maps.shape[1:3]
        places = [np.zeros((1, 2), int) if flat else self.position(i, shape) for i in numbers]
        rows = np.repeat(np.arange(count), [len(place) for place in places])
        positions = np.concatenate(places)
        at = (rows,) if flat else (rows, positions[:, 0], positions[:, 1])
        activations = maps[at].astype(np.float32)
        photos = np.array(numbers)[rows]
        if back is None:
            nothing = np.zeros((len(rows), 0), np.float32)
            return activations, photos, positions, nothing, np.zeros((0,), int)
        contributions = np.stack([np.sum(one[at] * activations, axis=-1) for one in back], axis=1)
        if self.net.head.is_binary:
            contributions = np.concatenate([-contributions, contributions], axis=1)
        predicted = np.zeros((0,), int)
        if outputs is not None:
            predicted = outputs.argmax(axis=1)[rows]
        return activations, photos, positions, contributions, predicted

    def _passes(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """The layer's output; gradients (classes or 1, N, ...) there; logits without each class."""
        net = self.net
        if not self.has_classes:
            return net.evaluate(x, [self.output], self.memory)[0], None, None
        logits, count = net.head.logits, net.head.outputs
        weights = {logits: np.eye(count, dtype=np.float32)[:, None]}
        found = gradients(
            net, x, weights if self.has_every_class else None, [self.output], memory=self.memory
        )
        return found.at[0].maps, found.at[0].gradient, found.outputs


class _Parts:
    """Samples that are collected chunk by chunk."""

    def __init__(self) -> None:
        self._parts: list[list[np.ndarray]] = [[], [], [], [], []]
        self.marks: dict[str, str] = {}

    def add(self, *arrays: np.ndarray) -> None:
        """Add the arrays of a chunk."""
        for part, array in zip(self._parts, arrays, strict=True):
            part.append(array)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays so far, for a checkpoint."""
        for part in self._parts:  # joined in place: parts and their copy are not held together
            part[:] = [np.concatenate(part)] if part else []
        return {name: part[0] for name, part in zip(_NAMES, self._parts, strict=True) if part}

    def samples(self, names: list[str], unread: dict[str, str], opened: Any) -> Samples:
        """The samples of all chunks."""
        activations, photos, positions, contributions, predicted = self.arrays().values()
        return Samples(
            activations=activations,
            photos=photos,
            positions=positions,
            contributions=contributions if contributions.shape[1] else None,
            predicted=predicted if len(predicted) else None,
            names=names,
            unread=unread,
            opened=opened,
        )


_NAMES = ("activations", "photos", "positions", "contributions", "predicted")


def _begun(
    saved: Checkpoint | None, names: Sequence[str], sources: Sequence[Any]
) -> tuple[_Parts, dict[str, str], int]:
    """The samples in a checkpoint, the unread photos among them, and the number of photos done."""
    parts = _Parts()
    kept = saved.read() if saved else None
    if saved is None or kept is None:
        return parts, {}, 0
    arrays, texts = kept
    try:
        marks, unread = dict(texts["marks"]), dict(texts["unread"])
        if arrays:
            found = [arrays[name] for name in _NAMES]
            counts = {len(array) for array in found[:4]}
            if len(counts) != 1 or found[1].max(initial=0) >= len(marks):
                raise ValueError("lengths")
            parts.add(*found)
    # In a modified file anything may be missing or have another shape.
    except (KeyError, TypeError, ValueError) as error:
        raise saved.damaged() from error
    # Positions depend on the number of a photo: the photos must be the same, in the same order.
    if len(marks) > len(names) or any(
        names[i] != known or _mark(sources, i) != mark
        for i, (known, mark) in enumerate(marks.items())
    ):
        raise saved.other_run()
    parts.marks = marks
    return parts, unread, len(marks)


def _mark(sources: Sequence[Any], number: int) -> str:
    """A hash of the content of a photo; "" if it cannot be read."""
    try:
        return photo_mark(sources[number])
    except PhotoError:
        return ""


def _small(picture: np.ndarray) -> np.ndarray:
    """A uint8 picture (H, W, C), at most as large as a copy."""
    factor = max(1.0, max(picture.shape[:2]) / _COPY)
    if factor == 1:
        return picture
    height, width = (max(1, round(side / factor)) for side in picture.shape[:2])
    return as_shown(fit_picture(picture, (height, width)))


def taken(photos: Any, sampler: Sampler, saved: Checkpoint | None, told: Progress) -> Samples:
    """The samples of a folder, list or stream."""
    if is_stream(photos):
        return sampler.of_stream(photos, told)
    return sampler.of_list(photos, saved, told)
