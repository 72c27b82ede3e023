"""A survey that was made, opened for reading."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from optogram.arguments import checked, checked_methods, whole
from optogram.errors import InputError, nearest
from optogram.jobs.photo_units import names_in, origin_in, unread_in
from optogram.jobs.store import Store
from optogram.surveying.paths import patterns_of
from optogram.words import counted


@dataclass(frozen=True)
class StrongestPhoto:
    """A photo that activates a unit.

    Attributes
    ----------
    photo : str
        Its name.
    activation : float
        The largest activation in it.
    position : (int, int)
        (y, x) in the map.
    window : (float, float, float, float)
        The receptive field of that position, clipped: top, left, bottom, right in pixels of the
        network's input.
    """

    photo: str
    activation: float
    position: tuple[int, int]
    window: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class SurveyedUnit:
    """What a survey knows about a unit; what it did not compute is None or empty.

    Attributes
    ----------
    layer, channel : str, int
        Its layer, and its number in it.
    mean : float or None
        Mean activation over all photos and positions.
    active : float or None
        Share of positions with an activation above 0, on a grid of at most 8×8 positions.
    fires : float or None
        Share of photos with an activation above 0 somewhere.
    quantiles : dict of float to float
        Quantiles of the activation at random positions of about 2000 photos.
    strongest : tuple of StrongestPhoto
        The photos that activate it most, strongest first.
    classes : tuple of (int, float)
        The classes that it serves most, by index, with the mean of gradient × activation, summed
        over positions, in photos that are predicted as that class.
    nearest : tuple of (int, float)
        The units of its layer that are most alike, with the correlation of their activations.
    patterns : uint8 ndarray of shape (variants, height, width, C), or None
        Images that maximize it.
    """

    layer: str
    channel: int
    mean: float | None
    active: float | None
    fires: float | None
    quantiles: dict[float, float]
    strongest: tuple[StrongestPhoto, ...]
    classes: tuple[tuple[int, float], ...]
    nearest: tuple[tuple[int, float], ...]
    patterns: np.ndarray | None


class Survey:
    """A survey in a store; its arrays are read when they are asked for.

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
            f"<Survey of {self.identity['model']!r} in {self.place}: "
            f"{counted(len(self.layers), 'layer')}, {counted(self.count, 'unit')}, "
            f"{counted(len(self.photos), 'photo')}>"
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What the survey depends on: network, layers, size, versions."""
        return self._store.identity

    @cached_property
    def layers(self) -> dict[str, int]:
        """The layers by name, with the number of units of each."""
        names, counts = self._store.read("layers/name"), self._store.read("layers/units")
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}

    @property
    def count(self) -> int:
        """Number of units."""
        return sum(self.layers.values())

    @cached_property
    def photos(self) -> tuple[str, ...]:
        """The names of the photos."""
        return names_in(self._store)

    @cached_property
    def origin(self) -> str:
        """Folder or file that the names of photos belong to; "" if they came from a list."""
        return origin_in(self._store)

    @cached_property
    def unread(self) -> dict[str, str]:
        """The photos that could not be read, with the reasons."""
        return unread_in(self._store, self.photos)

    def column(self, name: str, layer: str | None = None) -> np.ndarray:
        """A column of the table of units, such as "mean": of a layer, or of all units.

        Raises
        ------
        InputError
            If the survey does not have it, or there is no such layer.
        """
        path = f"units/{name}"
        if not self._store.holds(path):
            raise InputError(
                f"{self.place} has no {name!r}: run optogram survey with the part that computes it."
            )
        if path not in self._columns:
            self._columns[path] = self._store.read(path)
        return self._columns[path][slice(None) if layer is None else self._rows(layer)]

    def unit(self, layer: str, channel: int) -> SurveyedUnit:
        """What the survey knows about a unit.

        Raises
        ------
        InputError
            If there is no such layer or unit.
        """
        rows = self._rows(layer)
        count = rows.stop - rows.start
        channel = whole("channel", channel)
        if not 0 <= channel < count:
            raise InputError(
                f"{layer!r} has {counted(count, 'unit')}, numbered 0 to {count - 1}: {channel} is "
                "out of range."
            )

        def of(name: str) -> Any:
            has = self._store.holds(f"units/{name}")
            return self.column(name, layer)[channel] if has else None

        quantiles = of("quantiles")
        at = self._store.read("units/quantile") if quantiles is not None else ()
        return SurveyedUnit(
            layer=layer,
            channel=channel,
            mean=_number(of("mean")),
            active=_number(of("active")),
            fires=_number(of("fires")),
            quantiles=dict(zip(map(float, at), map(float, () if quantiles is None else quantiles),
                               strict=True)),
            strongest=self._strongest(of),
            classes=_pairs(of("served_class"), of("served_contribution"), 0),
            nearest=_pairs(of("nearest_unit"), of("nearest_correlation"), rows.start),
            patterns=self.patterns(layer, channel),
        )  # fmt: skip

    def patterns(self, layer: str, channel: int) -> np.ndarray | None:
        """The patterns of a unit, uint8 (variants, height, width, C); None if none was made."""
        group = patterns_of(layer)
        if not self._store.holds(group) or not int(self._store.read(f"{group}/done", channel)):
            return None
        return self._store.read(f"{group}/image", channel)

    def _strongest(self, of: Any) -> tuple[StrongestPhoto, ...]:
        photos = of("strongest_photo")
        if photos is None:
            return ()
        values, places = of("strongest_activation"), of("strongest_position")
        windows = of("strongest_window")
        return tuple(
            StrongestPhoto(
                self.photos[int(photo)],
                float(values[rank]),
                (int(places[rank, 0]), int(places[rank, 1])),
                tuple(map(float, windows[rank])),  # type: ignore[arg-type]
            )
            for rank, photo in enumerate(photos)
            if photo >= 0
        )

    def _rows(self, layer: str) -> slice:
        if layer not in self.layers:
            hint = nearest(layer, self.layers)
            raise InputError(
                f"{self.place} does not describe a layer {layer!r}{': ' if hint else ''}{hint}."
            )
        names = list(self.layers)
        first = sum(self.layers[name] for name in names[: names.index(layer)])
        return slice(first, first + self.layers[layer])

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        return {}


checked_methods(Survey)


@checked
def load_survey(place: str | os.PathLike) -> Survey:
    """Open a survey that `survey` made.

    Parameters
    ----------
    place : path or URL
        The store, such as ``net.zarr``.

    Returns
    -------
    Survey

    Raises
    ------
    InputError
        If there is no survey.
    OutputError
        If the place cannot be reached.
    """
    return Survey(Store.open(os.fspath(place), "survey"))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _pairs(numbers: Any, amounts: Any, first: int) -> tuple[tuple[int, float], ...]:
    if numbers is None:
        return ()
    pairs = zip(numbers, amounts, strict=True)
    return tuple((int(number) - first, float(amount)) for number, amount in pairs if number >= 0)
