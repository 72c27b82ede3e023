"""A store of attribution maps, opened for reading."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from optogram.arguments import as_index, checked, checked_methods, shown
from optogram.errors import InputError, nearest
from optogram.explaining.paths import DETAILS, KIND, checks_of, maps_of
from optogram.jobs.photo_units import names_in, origin_in, unread_in
from optogram.jobs.store import Store
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.preparation import preparation
from optogram.pictures.prepared import PreparedPhotos, as_shown, prepared
from optogram.result import Attribution, IntegratedGradients, Occlusion
from optogram.words import counted

_OF_CHECKS = ("deletion_area", "insertion_area", "similarity", "edge_similarity", "passed")


@dataclass(frozen=True, eq=False)
class MapChecks:
    """The sanity checks of the maps of some photos; see `optogram.check`.

    Attributes
    ----------
    photos : tuple of str
        The N photos whose maps were checked.
    deletion_area, insertion_area : ndarray of shape (N, 3)
        Area under the curves of the map, a random map, and an edge map.
    similarity : ndarray of shape (N, stages)
        Rank correlation of each map with the map after each stage of scrambling the weights.
    edge_similarity : ndarray of shape (N,)
        Rank correlation of each map with the edge map of its photo.
    passed : bool ndarray of shape (N,)
        Whether the map depends on the weights, and marks what matters more than both other maps.
    sentences : tuple of str
        The conclusion about each map.
    """

    photos: tuple[str, ...]
    deletion_area: np.ndarray
    insertion_area: np.ndarray
    similarity: np.ndarray
    edge_similarity: np.ndarray
    passed: np.ndarray
    sentences: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<MapChecks of {counted(len(self.photos), 'map')}: {self.passed.sum()} passed>"


class AttributionStore:
    """Attribution maps of many photos in a store; arrays are read when they are asked for.

    Where a method can be given, it may be left out if the store has only one.

    Attributes
    ----------
    place : str
        Path or URL of the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.place = store.place

    def __repr__(self) -> str:
        return (
            f"<AttributionStore of {self.identity['model']!r} in {self.place}: "
            f"{', '.join(self.methods)}, {counted(len(self.photos), 'photo')}>"
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What the store depends on: network, size, fit, versions."""
        return self._store.identity

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods whose maps it has."""
        return self._store.members("maps")

    @cached_property
    def photos(self) -> tuple[str, ...]:
        """The names of the photos."""
        return names_in(self._store)

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The class of each photo, where the photos came with one."""
        if not self._store.holds("photos/label"):
            return None
        return tuple(map(str, self._store.read("photos/label")))

    @cached_property
    def origin(self) -> str:
        """Folder or file that the names of photos belong to; "" if they came from a list."""
        return origin_in(self._store)

    @cached_property
    def unread(self) -> dict[str, str]:
        """The photos that could not be read, with the reasons."""
        return unread_in(self._store, self.photos)

    def about(self, method: str | None = None) -> dict[str, Any]:
        """How the maps of a method were made: layer, target, parameters, unit of the score."""
        return self._store.attributes(maps_of(self._method(method)))

    def values(self, photos: Any = None, method: str | None = None) -> np.ndarray:
        """The maps of some photos.

        Parameters
        ----------
        photos : int, str, slice or None
            Number or name of a photo, or a slice of numbers. None: all.
        method : str, optional
            The method.

        Returns
        -------
        float32 ndarray
            (h, w) or (H, W, C) for one photo, as the method gives it; with an axis of photos before
            these for several. NaN for photos that could not be read.
        """
        path = f"{maps_of(self._method(method))}/values"
        if photos is None or isinstance(photos, slice):
            return self._store.read(path, photos or slice(None))
        return self._store.read(path, self._number(photos))

    def column(self, name: str, method: str | None = None) -> np.ndarray:
        """A number for each photo.

        Parameters
        ----------
        name : str
            "score", the explained score; "target", the index of the explained class, −1 if it is
            something else; "probability" of that class; "minimum" and "maximum" of the map; for
            integrated gradients also "baseline_score" and "completeness_gap".
        method : str, optional
            The method.

        Returns
        -------
        ndarray of shape (photos,)
            NaN or −1 for photos that could not be read.
        """
        group = maps_of(self._method(method))
        known = [one for one in self._store.members(group) if one not in ("values", "done")]
        if name not in known:
            raise InputError(f"name must be one of {', '.join(known)}, not {name!r}.")
        return self._store.read(f"{group}/{name}")

    def attribution(
        self, photo: int | str, method: str | None = None, source: Any = None
    ) -> Attribution:
        """The map of a photo as a result, with ``overlay``, ``mask``, ``plot`` and ``save``.

        Parameters
        ----------
        photo : int or str
            Number or name of the photo.
        method : str, optional
            The method.
        source : path, image or array, optional
            The photo itself, as `Network.prepare` takes it. None: it is read where it was when it
            was explained.

        Returns
        -------
        Attribution, IntegratedGradients or Occlusion

        Raises
        ------
        InputError
            If there is no such photo, or it cannot be read or could not be.
        """
        method, number = self._method(method), self._number(photo)
        if reason := self.unread.get(self.photos[number]):
            raise InputError(f"{self.photos[number]!r} has no map: {reason}")
        about, identity = self.about(method), self.identity
        x = self._read(number, source)

        def of(name: str) -> np.ndarray:
            return self._store.read(f"{maps_of(method)}/{name}", slice(number, number + 1))

        values, score = of("values"), of("score")
        more: dict[str, Any] = {name: of(name) for name in DETAILS.get(method, ())}
        kind: type[Attribution] = Attribution
        if method in DETAILS:
            kind = IntegratedGradients
        elif method == "occlusion":
            kind, shape = Occlusion, values.shape[1:]
            more = {"scores": score[:, None, None] - values, "exact": np.ones(shape, bool)}
        return kind(
            values=values,
            method=method,
            parameters=about["parameters"],
            provenance={
                "network": identity["model"],
                "origin": self.place,
                "resample": identity["resample"],
                "input": "×".join(map(str, (*identity["size"], identity["channels"]))),
                "backend": identity["backend"],
                "keras": identity["keras_version"],
                "optogram": identity["optogram_version"],
            },
            warnings=(),
            images=as_shown(np.asarray(x)),
            targets=(about["target"] or self._class_name(int(of("target")[0])),),
            score=score,
            layer=about["layer"],
            score_unit=about["score_unit"],
            fit=identity["fit"],
            seen=np.array([photo.seen for photo in x.photos or ()], np.float32),
            photo_size=np.array([photo.size for photo in x.photos or ()]),
            prepared=x.photos,
            **more,
        )

    def checks(self, method: str | None = None) -> MapChecks:
        """The sanity checks of maps of a method.

        Raises
        ------
        InputError
            If there are none.
        """
        group = checks_of(self._method(method))
        if not self._store.holds(group):
            raise InputError(
                f"{self.place} has no checks of {self._method(method)}: explain again, with "
                'check="sample:200".'
            )
        read = {
            name: self._store.read(f"{group}/{name}") for name in ("photo", *_OF_CHECKS, "sentence")
        }
        done = np.flatnonzero(read["sentence"] != "")
        names = tuple(self.photos[int(number)] for number in read["photo"][done])
        sentences = tuple(map(str, read["sentence"][done]))
        arrays = {name: read[name][done] for name in _OF_CHECKS}
        return MapChecks(photos=names, sentences=sentences, **arrays)

    def _method(self, method: str | None) -> str:
        """The method that is asked for, or the only one."""
        if method is None and len(self.methods) == 1:
            return self.methods[0]
        if method not in self.methods:
            came = "give one as method" if method is None else f"not {method!r}"
            raise InputError(f"{self.place} has maps of {', '.join(self.methods)}: {came}.")
        return method

    def _number(self, photo: Any) -> int:
        """The number of a photo, given by number or name."""
        count, number = len(self.photos), as_index(photo)
        if number is not None:
            if not -count <= number < count:
                raise InputError(
                    f"{self.place} has {counted(count, 'photo')}, numbered 0 to {count - 1}: "
                    f"{number} is out of range."
                )
            return number % count
        if photo not in self._numbers:
            hint = nearest(str(photo), self.photos)
            raise InputError(
                f"{self.place} has no photo {shown(photo)}{': ' if hint else ''}{hint}."
            )
        return self._numbers[photo]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.photos)}

    def _class_name(self, index: int) -> str:
        return str(self._store.read("classes/name", index))

    def _read(self, number: int, source: Any) -> PreparedPhotos:
        """The photo as the network saw it, in 0…255."""
        identity = self.identity
        if source is None:
            name = self.photos[number]
            if name not in self._places:
                raise InputError(f"The photo {name!r} cannot be found any more: give it as source.")
            source = self._sources.source(self._places[name])
        return prepared(
            [source],
            identity["channels"],
            tuple(identity["size"]),
            identity["fit"],
            identity["resample"],
            preparation("none", identity["channels"]),
            keep=True,
        )

    @cached_property
    def _sources(self) -> PhotoSet:
        """The photos, where they were when they were explained."""
        named = self.origin or [name for name in self.photos if Path(name).is_file()]
        try:
            return PhotoSet.of(named)
        except InputError as error:
            raise InputError(f"{error} Or give the photo itself as source.") from error

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self._sources.names)}


checked_methods(AttributionStore)


@checked
def load_attributions(place: str | os.PathLike) -> AttributionStore:
    """Open a store of attribution maps that `explain_all` made; Keras is not needed.

    Parameters
    ----------
    place : path or URL
        The store, such as ``maps.zarr``.

    Returns
    -------
    AttributionStore

    Raises
    ------
    InputError
        If there are no attribution maps.
    OutputError
        If the place cannot be reached.
    """
    return AttributionStore(Store.open(os.fspath(place), KIND))
