"""The work units that check maps of a sample of the photos."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.explaining.method import MapMethod
from optogram.explaining.paths import RANKINGS, checks_of
from optogram.explaining.reading import Reading
from optogram.jobs.photo_units import told_of
from optogram.jobs.work import Made, WorkUnit
from optogram.methods.check import check
from optogram.methods.sanity.scrambling import stage_labels
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet

TOGETHER = 16
"""Photos whose maps are checked at once: the weights are scrambled once for all of them."""
STEPS = 24
"""Steps in which pixels are deleted and inserted."""


@dataclass(frozen=True, eq=False)
class CheckGroup(WorkUnit):
    """The checks of the maps of one method for some photos of the sample.

    Attributes
    ----------
    photos : PhotoSet
        The photos.
    first : int
        Place of the first of them in the sample.
    method : MapMethod
        How maps are made.
    reading : Reading
        How photos are read.
    seed : int
        Random seed of the scrambling and of the random map.
    """

    photos: PhotoSet
    first: int
    method: MapMethod
    reading: Reading
    seed: int

    @property
    def marks(self) -> str:  # type: ignore[override]
        """See `WorkUnit`."""
        return f"{checks_of(self.method.name)}/done"

    @property
    def numbers(self) -> tuple[int, ...]:  # type: ignore[override]
        """Its place among the groups."""
        return (self.first // TOGETHER,)

    def told(self) -> Any:
        """The photos, by name and content; the attributes of the checks have the rest."""
        return told_of(self.photos)

    def compute(self, net: Network) -> Made:
        """The checks; those of photos that cannot be read are NaN, and have no sentence."""
        count, errors = len(self.photos), [""] * len(self.photos)
        numbers, x = self.reading.read(net, self.photos, errors)
        shapes = {
            "deletion_area": (len(RANKINGS),),
            "insertion_area": (len(RANKINGS),),
            "similarity": (len(stage_labels()),),
            "edge_similarity": (),
        }
        arrays: dict[str, Any] = {
            name: np.full((count, *shape), np.nan, np.float32) for name, shape in shapes.items()
        }
        arrays["passed"], arrays["sentence"] = np.zeros(count, bool), np.full(count, "", object)
        if len(numbers):
            memory = self.method.memory
            found = check(self.method.explain(net, x), steps=STEPS, seed=self.seed, memory=memory)
            arrays["deletion_area"][numbers] = found.deletion_area
            arrays["insertion_area"][numbers] = found.insertion_area
            arrays["similarity"][numbers] = found.values
            arrays["edge_similarity"][numbers] = found.edge_similarity
            for row, number in enumerate(numbers):
                one = found.alone(row)
                arrays["passed"][number] = one.depends_on_weights and one.marks_what_matters
                arrays["sentence"][number] = one.sentence
        part, group = slice(self.first, self.first + count), checks_of(self.method.name)
        chunks = [(f"{group}/{name}", part, array) for name, array in arrays.items()]
        return Made(chunks, count)


def sampled(names: Sequence[str], kept: Sequence[int], count: int, seed: int) -> list[int]:
    """The numbers of the photos of a random sample of ``count`` photos, called ``names``.

    Photos that are ``kept`` of a former sample come first: a larger sample contains a smaller one.
    """

    def place(number: int) -> bytes:
        words = f"{seed} {names[number]}".encode(errors="surrogateescape")
        return hashlib.blake2b(words, digest_size=8).digest()

    if count <= len(kept):
        return list(kept)
    known = set(kept)
    others = sorted((i for i in range(len(names)) if i not in known), key=place)
    return [*kept, *others[: count - len(kept)]]
