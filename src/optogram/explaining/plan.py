"""What a store of attribution maps gets, decided before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from optogram import backend
from optogram.arguments import MOST_SEED, shown, whole
from optogram.errors import InputError
from optogram.explaining import layout
from optogram.explaining.checks import STEPS, TOGETHER, CheckGroup, sampled
from optogram.explaining.maps import MapBlock
from optogram.explaining.method import MapMethod, map_methods
from optogram.explaining.reading import Reading, block_length
from optogram.interpreters.memory import allowance
from optogram.jobs.photo_units import in_order_of
from optogram.jobs.store import Store
from optogram.methods.request.checkpoint import fingerprint
from optogram.network.network import Network
from optogram.pictures.photo_set import PhotoSet
from optogram.version import __version__

_SAMPLE = "sample:"


@dataclass(frozen=True, eq=False)
class Plan:
    """The validated arguments of `explain_all`.

    Attributes
    ----------
    net : Network
        The network.
    photos : PhotoSet
        The photos, in the order of their numbers.
    methods : sequence of MapMethod
        The methods.
    described : mapping of str to mapping
        What the maps of each method depend on, beside the network and the photos.
    reading : Reading
        How photos are read.
    samples : mapping of str to sequence of int
        The numbers of the photos whose maps are checked, by method.
    seed : int
        Random seed of the sample and the checks.
    identity : mapping
        What the store depends on.
    """

    net: Network
    photos: PhotoSet
    methods: Sequence[MapMethod]
    described: Mapping[str, Mapping[str, Any]]
    reading: Reading
    samples: Mapping[str, Sequence[int]]
    seed: int
    identity: Mapping[str, Any]

    def make_arrays(self, store: Store, method: MapMethod) -> None:
        """Make the arrays of a method in the store.

        Raises
        ------
        InputError
            If it has maps or checks of the method that were made in another way.
        """
        described, block = self.described[method.name], self.reading.block
        shape = method.shape(self.net, self.reading.size)
        layout.make_maps(store, method.name, described, len(self.photos), block, shape)
        if sample := self.samples.get(method.name):
            described = {**described, "steps": STEPS, "seed": self.seed}
            layout.make_checks(store, method.name, described, sample)

    def map_units(self, method: MapMethod) -> list[MapBlock]:
        """The work units that make the maps of a method."""
        shape = method.shape(self.net, self.reading.size)
        count, block = len(self.photos), self.reading.block
        return [
            MapBlock(
                self.photos.part(range(first, min(first + block, count))),
                first,
                method,
                self.reading,
                shape,
            )
            for first in range(0, count, block)
        ]

    def check_units(self, method: MapMethod) -> list[CheckGroup]:
        """The work units that check maps of a method."""
        sample = self.samples.get(method.name, ())
        return [
            CheckGroup(
                self.photos.part(sample[first : first + TOGETHER]),
                first,
                method,
                self.reading,
                self.seed,
            )
            for first in range(0, len(sample), TOGETHER)
        ]


def planned(
    net: Network,
    photos: Any,
    store: Store | None,
    *,
    method: str | Sequence[str],
    target: Any,
    layer: str | None,
    check: int | str | None,
    check_seed: int,
    fit: str,
    size: tuple[int, int] | None,
    memory: float | str,
    settings: Mapping[str, Any],
) -> Plan:
    """The validated arguments of `explain_all`; ``store`` is the one to go on with, if any.

    Raises
    ------
    InputError
        If an argument cannot be used, or does not fit the store.
    """
    height, width = size or net.nominal_size
    fitted = (whole("size, height,", height, 1), whole("size, width,", width, 1))
    reading = Reading(fitted, fit, block_length(fitted, net.channels))
    budget, seed = allowance(memory), whole("check_seed", check_seed, 0, MOST_SEED)
    # Any picture: what is wrong with the arguments is found before photos are read.
    black = net.fed([np.zeros((*fitted, net.channels), np.uint8)], fit, fitted)
    methods = map_methods(net, black, method, target, layer, budget, settings)
    photo_set = PhotoSet.of(photos)
    if store:
        photo_set = in_order_of(store, photo_set)
    count = _sample_length(check, len(photo_set))
    samples = {
        each.name: sampled(photo_set.names, layout.sample_in(store, each.name), count, seed)
        for each in methods
        if count
    }
    return Plan(
        net,
        photo_set,
        methods,
        {each.name: each.described(net, black) for each in methods},
        reading,
        samples,
        seed,
        _identity(net, reading, budget),
    )


def _sample_length(check: int | str | None, photos: int) -> int:
    """How many photos have their maps checked."""
    if check is None:
        return 0
    if check == "all":
        return photos
    text = str(check).removeprefix(_SAMPLE)
    if isinstance(check, bool) or not text.isascii() or not text.isdigit() or not int(text):
        raise InputError(
            f'check must be a number of photos, "sample:200" or "all", not {shown(check)}.'
        )
    return min(int(text), photos)


def _identity(net: Network, reading: Reading, memory: int) -> dict[str, Any]:
    """What a store depends on, as JSON."""
    outputs = [net.head.logits, net.head.output]
    return {
        "model": net.name,
        "size": list(reading.size),
        "channels": net.channels,
        "fit": reading.fit,
        "resample": net.resample,
        "block": reading.block,
        "memory": memory,
        "backend": backend.configured(),
        "keras_version": keras.__version__,
        "optogram_version": __version__,
        # Last: where something else differs, too, that says more.
        "weights_or_preprocessing": fingerprint(net, outputs, reading.size, net.resample)[:32],
    }
