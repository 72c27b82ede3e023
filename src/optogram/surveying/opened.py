"""A survey that was made, opened for reading."""

import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from optogram.arguments import checked, checked_methods, shown, whole
from optogram.errors import InputError, nearest
from optogram.jobs.photo_units import names_in, origin_in, unread_in
from optogram.jobs.store import Store
from optogram.pictures.photo_set import PhotoSet
from optogram.progress import ShownProgress, reporting
from optogram.result.plotting import LARGEST_CELL, placed
from optogram.surveying.crops import Crops
from optogram.surveying.paths import COLUMNS, KIND, ROUNDING_ERROR, patterns_of
from optogram.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image


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
    label : str or None
        Its label, if the photos have labels.
    predicted : int or None
        Index of the class that the network predicts for it; None for networks without one.
    """

    photo: str
    activation: float
    position: tuple[int, int]
    window: tuple[float, float, float, float]
    label: str | None = None
    predicted: int | None = None


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
        Share of positions with an activation above 0, on a grid of at most 4×4 positions.
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
    survey : Survey
        The survey that it is of.
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
    survey: "Survey" = field(repr=False)

    @overload
    def plot(self, cell: int = 112, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, cell: int = 112, *, ax: "Axes") -> "Axes": ...

    def plot(self, cell: int = 112, *, ax: "Axes | None" = None) -> "Image | Axes":
        """Its patterns, the windows of its strongest photos, and what is known, in one row.

        Photos that are no longer there are named in their places.

        Parameters
        ----------
        cell : int
            Longer side of each picture in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.
        """
        return self.survey.plot([(self.layer, self.channel)], cell, ax=ax)

    def _repr_html_(self) -> str:
        """The picture, for notebooks."""
        from optogram.render import data_uri

        words = html.escape(f"{self.layer}, unit {self.channel}", quote=True)
        return f'<img src="{data_uri(self.plot())}" alt="{words}" style="max-width:100%">'


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

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each layer, such as "Conv2D"."""
        return dict(zip(self.layers, map(str, self._store.read("layers/kind")), strict=True))

    @cached_property
    def maps(self) -> dict[str, tuple[int, int]]:
        """Height and width of the feature maps of each layer; (1, 1) for dense ones."""
        sides = (self._store.read(f"layers/{name}") for name in ("height", "width"))
        pairs = zip(*(map(int, side) for side in sides), strict=True)
        return dict(zip(self.layers, pairs, strict=True))

    @cached_property
    def rounding_error(self) -> dict[str, float]:
        """The error of reduced precision, for each layer; empty if photos were read exactly.

        Root mean square error of the largest activations in eight photos, divided by their standard
        deviation over units and photos: 0.1 is a tenth of what differs between them.
        """
        if not self._store.holds(ROUNDING_ERROR):
            return {}
        return dict(zip(self.layers, map(float, self._store.read(ROUNDING_ERROR)), strict=True))

    @property
    def count(self) -> int:
        """Number of units."""
        return sum(self.layers.values())

    @cached_property
    def photos(self) -> tuple[str, ...]:
        """The names of the photos."""
        return names_in(self._store)

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The label of each photo; None if the photos have none."""
        has = self._store.holds("photos/label")
        return tuple(map(str, self._store.read("photos/label"))) if has else None

    @cached_property
    def origin(self) -> str:
        """Folder or file that the names of photos belong to; "" if they came from a list."""
        return origin_in(self._store)

    @cached_property
    def unread(self) -> dict[str, str]:
        """The photos that could not be read, with the reasons."""
        return unread_in(self._store, self.photos)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names of all classes of the network; empty in a store without them."""
        if not self._store.holds("classes/label"):
            return ()
        return tuple(map(str, self._store.read("classes/label")))

    def class_name(self, index: int) -> str:
        """The name of a class; "class 7" if the store does not have it."""
        names = self.class_names
        return names[index] if 0 <= index < len(names) else f"class {index}"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of the table of units that the survey has; see `column`."""
        return tuple(name for name in COLUMNS if self._store.holds(f"units/{name}"))

    @cached_property
    def quantiles(self) -> tuple[float, ...]:
        """What the quantiles of each unit are of, such as 0.5; empty if there are none."""
        has = self._store.holds("units/quantile")
        return tuple(map(float, self._store.read("units/quantile"))) if has else ()

    def photo_set(self) -> PhotoSet:
        """The photos, in their order, to be read again.

        Raises
        ------
        InputError
            If they are no longer where they were.
        """
        if not self.photos:
            raise InputError(f"{self.place} has no photos: run optogram survey with photos.")
        if not self.origin:
            return PhotoSet.of(list(self.photos))
        found = PhotoSet.of(self.origin)
        numbers = {name: number for number, name in enumerate(found.names)}
        gone = [name for name in self.photos if name not in numbers]
        if gone:
            raise InputError(
                f"{counted(len(gone), 'photo')} of {self.place} cannot be found in {self.origin}, "
                f"such as {gone[0]}: put them back."
            )
        return found.part([numbers[name] for name in self.photos])

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
            survey=self,
        )  # fmt: skip

    def contributions(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """What each unit of a layer contributes to each class that was predicted for a photo.

        Returns
        -------
        classes : ndarray of shape (classes,)
            Indices of the classes.
        amounts : float32 ndarray of shape (classes, units)
            Mean of gradient × activation, summed over positions, in photos of that class.

        Raises
        ------
        InputError
            If the survey does not have them, or there is no such layer.
        """
        rows = self._rows(layer)
        if not self._store.holds("classes/contribution"):
            raise InputError(
                f"{self.place} has no 'classes': run optogram survey with the part that computes "
                "it."
            )
        amounts = self._store.read("classes/contribution", (slice(None), rows))
        return self._store.read("classes/class"), amounts

    def selectivity(self, layer: str) -> np.ndarray:
        """How much more each unit of a layer contributes to one class than to the others, 0…1.

        (m − o) / (m + o) for the largest contribution m and the mean o of those to the other
        classes, where contributions below 0 count as 0: the class selectivity index of Morcos et
        al. (2018), of contributions in place of activations. NaN where nothing is contributed, or
        one class only was predicted. Raises as `contributions`.
        """
        _, amounts = self.contributions(layer)
        count = np.isfinite(amounts).sum(axis=0)
        amounts = np.maximum(np.nan_to_num(amounts, nan=0), 0).astype(np.float64)
        most = amounts.max(axis=0, initial=0)
        others = (amounts.sum(axis=0) - most) / np.maximum(count - 1, 1)
        is_known = (count > 1) & (most > 0)
        selectivity = np.full(len(most), np.nan, np.float32)
        selectivity[is_known] = ((most - others) / np.maximum(most + others, 1e-300))[is_known]
        return selectivity

    def units_with_patterns(self, layer: str) -> np.ndarray:
        """The numbers of the units of a layer that have patterns."""
        self._rows(layer)
        path = f"{patterns_of(layer)}/done"
        if not self._store.holds(path):
            return np.zeros(0, np.int64)
        return np.flatnonzero(self._store.read(path))

    def patterns(self, layer: str, channel: int) -> np.ndarray | None:
        """The patterns of a unit, uint8 (variants, height, width, C); None if none was made."""
        group = patterns_of(layer)
        if not self._store.holds(group) or not int(self._store.read(f"{group}/done", channel)):
            return None
        return self._store.read(f"{group}/image", channel)

    def crop(self, photo: StrongestPhoto, cell: int | None = None) -> "Image | None":
        """The window of a strongest photo of a unit; None if the photo is no longer there.

        It is cut from the photo at the network's input size. ``cell`` is the longer side in pixels;
        None: that of the window.
        """
        top, left, bottom, right = photo.window
        longer = max(1, round(max(bottom - top, right - left)))
        side = longer if cell is None else whole("cell", cell, 1, LARGEST_CELL)
        return self._crops.cut(photo.photo, photo.window, side)

    @overload
    def plot(
        self, units: Sequence[tuple[str, int]], cell: int = 112, *, ax: None = None
    ) -> "Image": ...

    @overload
    def plot(self, units: Sequence[tuple[str, int]], cell: int = 112, *, ax: "Axes") -> "Axes": ...

    def plot(
        self, units: Sequence[tuple[str, int]], cell: int = 112, *, ax: "Axes | None" = None
    ) -> "Image | Axes":
        """Units below each other: patterns, windows of the strongest photos, what is known.

        Photos that are no longer there are named in their places.

        Parameters
        ----------
        units : sequence of (str, int)
            The layer and the number of each.
        cell : int
            Longer side of each picture in pixels.
        ax : matplotlib.axes.Axes, optional
            As in `Result.plot`.

        Raises
        ------
        InputError
            If there is no such unit, or the survey has neither photos nor patterns of any of them.
        """
        from optogram.surveying.drawing import drawn

        cell = whole("cell", cell, 16, LARGEST_CELL)
        pairs = [pair for pair in units if isinstance(pair, Sequence) and len(pair) == 2]
        if len(pairs) < len(units) or not pairs or isinstance(units, str):
            raise InputError(
                f"units must be pairs of layer and number, at least one, not {shown(units)}."
            )
        return placed(drawn([self.unit(layer, channel) for layer, channel in pairs], cell), ax)

    def page(
        self,
        out: str | os.PathLike,
        *,
        layers: str | Sequence[str] | None = None,
        units: Iterable[int] | None = None,
        progress: ShownProgress = None,
    ) -> Path:
        """Write pages that show the units: layers, patterns, crops, classes, nearest units.

        They need no server and no connection. All units are listed with their statistics; some get
        pictures. Photos that are no longer there are named in their places.

        Parameters
        ----------
        out : path
            Folder for the pages, which is made if missing. Only files that optogram made are
            replaced.
        layers : str or sequence of str, optional
            The layers whose units get pictures: names, or patterns such as "block*_add". None: all.
        units : iterable of int, optional
            The units of each that get pictures. None: those with patterns; of layers without
            patterns, the 64 whose largest activation is highest.
        progress : bool or callable, optional
            As for `survey`.

        Returns
        -------
        Path
            The page to open, ``index.html``.

        Raises
        ------
        InputError
            If there is no such layer or unit.
        OutputError
            If the pages cannot be written, or would replace files that optogram did not make.
        """
        from optogram.surveying.page import write_page

        with reporting(progress) as told:
            return write_page(self, Path(out), layers, units, told)

    @cached_property
    def _crops(self) -> Crops:
        kept = self._store.attributes("photos") if self.photos else {}
        return Crops(self.origin, self.identity, int(kept.get("channels", 3)))

    @cached_property
    def _predicted(self) -> np.ndarray:
        return self._store.read("photos/class")

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
                None if self.labels is None else self.labels[photo],
                int(self._predicted[photo]) if self._predicted[photo] >= 0 else None,
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
    return Survey(Store.open(os.fspath(place), KIND))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _pairs(numbers: Any, amounts: Any, first: int) -> tuple[tuple[int, float], ...]:
    if numbers is None:
        return ()
    pairs = zip(numbers, amounts, strict=True)
    return tuple((int(number) - first, float(amount)) for number, amount in pairs if number >= 0)
