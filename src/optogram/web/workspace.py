"""What the explorer knows: networks, photos, and what was computed from them."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optogram.errors import InputError, PhotoError
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.target import Class, Filter, Target
from optogram.web.kept import Kept
from optogram.web.photos import Photo, PhotoStore

if TYPE_CHECKING:
    from optogram.surveying.opened import Survey
    from optogram.web.opening import Opening


def whole_number(text: str) -> int | None:
    """The whole number that ``text`` is, of up to twelve digits, or None."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else None


class Workspace(PhotoStore):
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
    survey : Survey or None
        The survey that is looked at.
    openings : dict of int to Opening
        How networks were opened, by their `id`; not of those that were opened elsewhere.
    """

    def __init__(
        self, networks: Sequence[Network], folder: Sequence[Path] = (), budget: int = 512 << 20
    ) -> None:
        channels = networks[0].channels if networks else 3
        super().__init__(3 if channels == 1 else channels)
        self.networks = tuple(networks)
        self.folder = tuple(folder)
        self.searched: str | None = None
        self.answers, self.objects = Kept(budget), Kept(budget)
        self.survey: Survey | None = None
        self.openings: dict[int, Opening] = {}
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

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
        if not self.networks:
            raise InputError("No network is open, only a survey: give --model, too.")
        if number is None or not 0 <= number < len(self.networks):
            raise InputError(
                f"There is no network {text[:40]!r}: give a number in 0..{len(self.networks) - 1}."
            )
        return self.networks[number]

    def uncompiled(self, net: Network) -> Network:
        """``net`` for questions about one photo: nothing is compiled where that starts faster."""
        made: Network = self.objects.once(("uncompiled", id(net)), lambda: (net.uncompiled(), 0))
        return made

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
