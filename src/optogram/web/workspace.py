"""What the explorer knows: networks, photos, and what was computed, within a budget of bytes."""

import hashlib
import io
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from PIL import Image

from optogram.errors import InputError, PhotoError
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.pictures.read import read_picture, require_picture_file
from optogram.target import Class, Filter, Target

if TYPE_CHECKING:
    from optogram.web.opening import Opening

PHOTOS = 500
"""Largest number of photos at a time."""
PHOTO_BYTES = 64 << 20
"""Largest size of an uploaded photo."""
SOURCE_BYTES = 1 << 30
"""Largest size of all uploaded photos together."""
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


class _Named(io.BytesIO):
    """The content of a file, with the name that errors call it by."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _content(path: Path) -> bytes:
    require_picture_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(
            f"{str(path)!r} cannot be read ({error.strerror}): change its permissions or copy it."
        ) from error


def whole_number(text: str) -> int | None:
    """The whole number that ``text`` is, of up to twelve digits, or None."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else None


def _is_held(source: bytes | Path) -> TypeGuard[bytes]:
    """Whether a photo's content is held in memory."""
    return isinstance(source, bytes)


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)


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
    searched : str or None
        The folder that has these photos, if it is one.
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
        self.searched: str | None = None
        self.answers, self.objects = Kept(budget), Kept(budget)
        self.openings: dict[int, Opening] = {}
        self._photos: dict[str, Photo] = {}
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._lock, self._reading = threading.Lock(), threading.Lock()

    def __iter__(self) -> Iterator[Photo]:
        """The photos, in the order in which they came."""
        with self._lock:
            return iter(list(self._photos.values()))

    @property
    def scratch(self) -> Path:
        """A folder for files that are not needed any more when the explorer ends."""
        with self._lock:
            if self._scratch is None:
                self._scratch = tempfile.TemporaryDirectory(
                    prefix="optogram-", ignore_cleanup_errors=True
                )
            return Path(self._scratch.name)

    def network(self, text: str) -> Network:
        """The network with the number ``text``."""
        number = whole_number(text)
        if number is None or not 0 <= number < len(self.networks):
            raise InputError(
                f"There is no network {text[:40]!r}: give a number in 0..{len(self.networks) - 1}."
            )
        return self.networks[number]

    def uncompiled(self, net: Network) -> Network:
        """``net`` for questions about one photo: nothing is compiled where that starts faster."""
        made: Network = self.objects.once(("uncompiled", id(net)), lambda: (net.uncompiled(), 0))
        return made

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
        content = source if isinstance(source, bytes) else _content(source)
        found = hashlib.sha256(content).hexdigest()[:16]
        with self._lock:
            if found in self._photos:
                return self._photos[found]
            self._require_room(source)
        # One at a time: a large photo takes gigabytes while it is decoded.
        with self._reading:
            pixels = _eight_bits(read_picture(_Named(content, name[:200] or "photo")))
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
            if found not in self._photos:
                self._require_room(source)
                self._photos[found] = photo
            return self._photos[found]

    def _require_room(self, source: bytes | Path) -> None:
        """Raise an InputError if there are too many photos already."""
        if len(self._photos) >= PHOTOS:
            raise InputError(f"There are {PHOTOS} photos already: remove some first.")
        held = sum(len(each.source) for each in self._photos.values() if _is_held(each.source))
        if _is_held(source) and held + len(source) > SOURCE_BYTES:
            raise InputError(
                f"The photos added hold {SOURCE_BYTES >> 20} MB already: remove some first."
            )

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
            number = whole_number(channel)
            if number is None:
                raise InputError(f"Expected filter:LAYER:NUMBER, got {text[:80]!r}.")
            net.step(layer)
            return Filter(layer, number)
        first, minus, second = text.partition("-")
        winner, other = whole_number(first), whole_number(second)
        if winner is None or (minus and other is None):
            raise InputError(
                f"Expected a class number such as 285, or 285-282, as target, got {text[:80]!r}."
            )
        target = Class(net.class_index(winner))
        return target if other is None else target - Class(net.class_index(other))
