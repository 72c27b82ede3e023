"""The work units that make maps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.explaining.method import MapMethod, class_of
from optogram.explaining.paths import DETAILS, maps_of
from optogram.explaining.reading import Reading
from optogram.interpreters.engine import lengthened
from optogram.jobs.photo_units import told_of
from optogram.jobs.work import Made, WorkUnit
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.result import Attribution


@dataclass(frozen=True, eq=False)
class MapBlock(WorkUnit):
    """The maps of one method for some photos.

    Attributes
    ----------
    photos : PhotoSet
        The photos of the block.
    first : int
        Number of its first photo among all.
    method : MapMethod
        How maps are made.
    reading : Reading
        How photos are read.
    shape : tuple of int
        Shape of a map.
    """

    photos: PhotoSet
    first: int
    method: MapMethod
    reading: Reading
    shape: tuple[int, ...]

    @property
    def marks(self) -> str:  # type: ignore[override]
        """See `WorkUnit`."""
        return f"{maps_of(self.method.name)}/done"

    @property
    def numbers(self) -> tuple[int, ...]:  # type: ignore[override]
        """Its place among the blocks."""
        return (self.first // self.reading.block,)

    def told(self) -> Any:
        """The photos, by name and content; the attributes of the maps have the rest."""
        return told_of(self.photos)

    def compute(self, net: Network) -> Made:
        """The maps, and what is known of each."""
        count, errors = len(self.photos), [""] * len(self.photos)
        numbers, x = self.reading.read(net, self.photos, errors)
        values = np.full((count, *self.shape), np.nan, np.float32)
        names = ("score", "probability", "minimum", "maximum", *DETAILS.get(self.method.name, ()))
        columns = {name: np.full(count, np.nan, np.float32) for name in names}
        target, winner = (np.full(count, -1, np.int32) for _ in range(2))
        if len(numbers):
            # As many images in each block, whatever can be read: one program is compiled.
            result = self.method.explain(net, x if len(x) == count else lengthened(x, count))
            read = slice(0, len(x))
            values[numbers] = maps = result.values[read]
            axes = tuple(range(1, values.ndim))
            columns["minimum"][numbers] = maps.min(axis=axes)
            columns["maximum"][numbers] = maps.max(axis=axes)
            for name in ("score", *DETAILS.get(self.method.name, ())):
                columns[name][numbers] = getattr(result, name)[read]
            target[numbers] = explained_classes(result, net)[read]
            probabilities = self._probabilities(result, net, x)
            if probabilities is not None:
                winner[numbers] = probabilities.argmax(axis=1)
                known = np.flatnonzero(target[numbers] >= 0)
                rows = np.asarray(numbers)[known]
                columns["probability"][rows] = probabilities[known, target[rows]]
        part, group = slice(self.first, self.first + count), maps_of(self.method.name)
        made: dict[str, np.ndarray] = {f"{group}/{name}": array for name, array in columns.items()}
        made |= {f"{group}/values": values, f"{group}/target": target}
        made |= {"photos/error": np.array(errors, object), "photos/class": winner}
        chunks = [(path, part, array) for path, array in made.items()]
        return Made(chunks, count)

    def _probabilities(self, result: Attribution, net: Network, x: np.ndarray) -> np.ndarray | None:
        """(N, classes): the probability of each class; None where the network gives no classes."""
        if net.head.is_spatial or net.head.is_regression:
            return None
        logits = result.question.outputs if result.question else None
        if logits is None or self.method.settings["score"] != "logit":
            (logits,) = net.evaluate(x, [net.head.logits], self.method.memory)
        return net.head.probabilities(logits[: len(x)])


def explained_classes(result: Attribution, net: Network) -> list[int]:
    """The index of the class that each map explains; −1 where it explains something else."""
    targets = result.question.targets if result.question else ()
    return [class_of(target, net) for target in targets]
