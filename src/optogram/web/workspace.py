"""What the explorer knows: networks, photos, and what was computed, within a budget of bytes."""

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from optogram.errors import InputError, PhotoError
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.pictures.read import read_picture
from optogram.target import Class, Filter, Target

if TYPE_CHECKING:
    from optogram.web.opening import Opening

PHOTOS = 500
"""Largest number of photos at a time."""
PHOTO_BYTES = 64 << 20
"""Largest size of an uploaded photo."""
_SHOWN_SIDE = 1600
"""Photos are kept at most this large for display; networks read the original."""


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes
    ----------
    id : str
        Identifies its content.
    name : str
        Name of its file.
    source : bytes or Path
        Where it is read from.
    width, height : int
        Size of the original, in pixels, upright.
    shown : bytes
        PNG or JPEG for display.
    """

    id: str
    name: str
    source: bytes | Path
    width: int
    height: int
    shown: bytes


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


class Kept:
    """Things that were computed, within a budget of bytes; the least recently used ones go first.

    What several threads ask for at the same time is computed once.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.size = 0
        self._lock = threading.Lock()
        self._items: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._coming: dict[Any, Future[Any]] = {}

    def get(self, key: Any) -> Any:
        """What is kept under ``key``, or None."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Any, item: Any, size: int) -> None:
        """Keep ``item``, of ``size`` bytes, unless it alone is larger than the budget."""
        with self._lock:
            self._put(key, item, size)

    def once(self, key: Any, make: Callable[[], tuple[Any, int]]) -> Any:
        """What is kept under ``key``, else what ``make`` returns with its size in bytes."""
        while True:
            with self._lock:
                if key in self._items:
                    self._items.move_to_end(key)
                    return self._items[key][0]
                coming = self._coming.get(key)
                if coming is None:
                    coming = self._coming[key] = Future()
                    break
            try:
                return coming.result()
            except StoppedError:  # theirs: ours goes on
                continue
        try:
            item, size = make()
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            coming.set_exception(error)
            raise
        with self._lock:
            del self._coming[key]
            self._put(key, item, size)
        coming.set_result(item)
        return item

    def _put(self, key: Any, item: Any, size: int) -> None:
        self.size -= self._items.pop(key, (None, 0))[1]
        if size > self.budget:
            return
        self._items[key] = (item, size)
        self.size += size
        while self.size > self.budget:
            _, (_, freed) = self._items.popitem(last=False)
            self.size -= freed


class Workspace:
    """Networks and photos that questions are about.

    Parameters
    ----------
    networks : sequence of Network
        The networks; the first is shown first.
    budget : int
        Bytes for answers that are kept, and as many again for what they are computed from.

    Attributes
    ----------
    networks : tuple of Network
        The networks.
    folder : tuple of Path
        Photos in which the strongest crops are searched.
    answers, objects : Kept
        Packed answers, and what they are computed from.
    openings : dict of int to Opening
        How networks were opened, by their `id`; not of those that were opened elsewhere.
    """

    def __init__(
        self, networks: Sequence[Network], folder: Sequence[Path] = (), budget: int = 512 << 20
    ) -> None:
        self.networks = tuple(networks)
        self.folder = tuple(folder)
        self.answers, self.objects = Kept(budget), Kept(budget)
        self.openings: dict[int, Opening] = {}
        self._photos: dict[str, Photo] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Photo]:
        """The photos, in the order in which they came."""
        with self._lock:
            return iter(list(self._photos.values()))

    def network(self, text: str) -> Network:
        """The network with the number ``text``."""
        if not text.isdecimal() or int(text[:6]) >= len(self.networks):
            raise InputError(
                f"There is no network {text[:40]!r}: give a number in 0..{len(self.networks) - 1}."
            )
        return self.networks[int(text)]

    def photo(self, text: str) -> Photo:
        """The photo with the identifier ``text``."""
        with self._lock:
            if text not in self._photos:
                raise InputError(
                    f"There is no photo {text[:40]!r} any more: add it again, or choose one of "
                    "those listed at /api/photos."
                )
            return self._photos[text]

    def add(self, source: bytes | Path, name: str) -> Photo:
        """Read a photo and keep it; one that is already there is not kept twice.

        Raises
        ------
        PhotoError
            If it is no photo that can be read.
        InputError
            If there are too many photos.
        """
        content = source if isinstance(source, bytes) else source.read_bytes()
        found = hashlib.sha256(content).hexdigest()[:16]
        with self._lock:
            if found in self._photos:
                return self._photos[found]
        pixels = np.asarray(np.rint(read_picture(content)), np.uint8)
        height, width = pixels.shape[:2]
        image = Image.fromarray(pixels)
        image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
        shown = io.BytesIO()
        # Small pictures, such as those of 28×28 pixels, would suffer from JPEG.
        if max(image.size) <= 256:
            image.save(shown, "PNG")
        else:
            image.save(shown, "JPEG", quality=92)
        photo = Photo(found, name[:200] or "photo", source, width, height, shown.getvalue())
        with self._lock:
            if len(self._photos) >= PHOTOS:
                raise InputError(f"There are {PHOTOS} photos already: restart to add others.")
            return self._photos.setdefault(found, photo)

    def remove(self, text: str) -> None:
        """Forget the photo with the identifier ``text``; its file stays."""
        self.photo(text)
        with self._lock:
            self._photos.pop(text, None)

    def prepared(self, net: Network, photo: Photo) -> PreparedPhotos | np.ndarray:
        """``photo`` as ``net`` takes it, (1, H, W, C)."""

        def make() -> tuple[Any, int]:
            try:
                x = net.prepare(photo.source)
            except FileNotFoundError as error:
                raise PhotoError(f"{photo.name!r} is no longer there: add it again.") from error
            return x, np.asarray(x).nbytes

        return self.objects.once(("prepared", id(net), photo.id), make)

    def target(self, net: Network, text: str) -> Target | None:
        """The target that ``text`` stands for; None for the highest-scoring class."""
        if not text:
            return None
        if text.startswith("filter:"):
            layer, _, channel = text.removeprefix("filter:").rpartition(":")
            if not channel.isdecimal():
                raise InputError(f"Expected filter:LAYER:NUMBER, got {text[:80]!r}.")
            net.step(layer)
            return Filter(layer, int(channel[:9]))
        winner, minus, other = text.partition("-")
        if not winner.isdecimal() or (minus and not other.isdecimal()):
            raise InputError(
                f"Expected a class number such as 285, or 285-282, as target, got {text[:80]!r}."
            )
        target = Class(net.class_index(int(winner[:9])))
        return target - Class(net.class_index(int(other[:9]))) if minus else target
