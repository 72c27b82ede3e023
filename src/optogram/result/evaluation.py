"""The result of comparing attribution methods by measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.measures import MEASURES, RIVALS
from optogram.result.plotting import placed
from optogram.result.ranking import Ranking, intervals_of, means_of, ranked
from optogram.result.titles import method_title
from optogram.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_RIVAL_TITLES = {
    "random_pixels": "Random pixels",
    "random_cells": "Random cells",
    "edges": "Edges",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation(Result):
    """Attribution methods compared: ``values`` (methods, photos, measures), NaN where unknown.

    Attributes
    ----------
    methods : tuple of str
        The methods, followed by what they are compared with: "random_pixels", "random_cells" and
        "edges".
    photos : tuple of str
        The photos that were read.
    measures : tuple of str
        The measures; `better` says which values are good.
    targets : tuple of str
        What was explained in each photo.
    coarse : bool ndarray of shape (methods,)
        Whether maps have fewer values than the image has pixels.
    arguments : mapping of str to mapping
        The arguments of each method, with defaults.
    reasons : mapping of str to str
        The methods that failed, with the reasons.
    unread : mapping of str to str
        The photos that could not be read, with the reasons.
    network_mark : str
        Identifies the network: a hash of its steps, weights and preprocessing.
    """

    shapes: ClassVar = {"values": "M N K", "methods": "M", "photos": "N", "measures": "K",
                        "targets": "N", "coarse": "M"}  # fmt: skip

    methods: tuple[str, ...]
    photos: tuple[str, ...]
    measures: tuple[str, ...]
    targets: tuple[str, ...]
    coarse: np.ndarray
    arguments: Mapping[str, Any]
    reasons: Mapping[str, str]
    unread: Mapping[str, str]
    network_mark: str

    @cached_property
    def mean(self) -> np.ndarray:
        """(methods, measures): means over photos."""
        return means_of(self.values)

    @cached_property
    def interval(self) -> np.ndarray:
        """(methods, measures, 2): 95 % intervals of the means, by bootstrap over photos.

        2000 resamples, seeded; percentiles 2.5 and 97.5. NaN where fewer than two photos have a
        value. They say how much the mean depends on which photos were taken, and nothing else.
        """
        return intervals_of(self.values)

    @property
    def better(self) -> tuple[str, ...]:
        """ "larger" or "smaller" for each measure: which values are better."""
        return tuple(MEASURES[name].direction for name in self.measures)

    @cached_property
    def _ranking(self) -> Ranking:
        return ranked(self.values, self.methods, self.measures, self.coarse, self.reasons)

    @property
    def ranking(self) -> tuple[str, ...]:
        """The methods, best first, without those in `left_out`.

        By the mean rank over the measures of faithfulness that were computed: deletion, insertion,
        ROAD and µFidelity.
        """
        return self._ranking.order

    @property
    def mean_ranks(self) -> dict[str, float]:
        """The mean rank of each method in `ranking`; 1 is first in all measures."""
        return dict(zip(self.ranking, self._ranking.mean_ranks, strict=True))

    @property
    def left_out(self) -> dict[str, str]:
        """The methods that are not ranked, with the reasons.

        They have no values; or their maps keep a rank correlation of 0.5 or more when all weights
        are scrambled; or they are better than a random map in half of the measures of faithfulness
        at most. The random map is "random_cells" for maps coarser than the image, else
        "random_pixels".
        """
        return dict(self._ranking.left_out)

    @property
    def best(self) -> str | None:
        """The first method of `ranking`; None if no method is ranked."""
        return self.ranking[0] if self.ranking else None

    @property
    def tied(self) -> tuple[str, ...]:
        """The best method, and those that these photos cannot tell from it.

        The 95 % interval of the difference of their mean ranks, by bootstrap over photos, contains
        0. Of one photo, all are tied.
        """
        return self._ranking.tied

    @property
    def sentence(self) -> str:
        """The conclusion in plain words."""
        used = [MEASURES[name].title for name in self.measures if MEASURES[name].is_of_faithfulness]
        if not used:
            return (
                "No method is ranked: none of deletion, insertion, road, mu_fidelity was computed."
            )
        by = f"by mean rank over {', '.join(used)} on {counted(len(self.photos), 'photo')}"
        if self.best is None:
            return f"No method is ranked {by}: see left_out."
        rank = self.mean_ranks[self.best]
        said = f"{method_title(self.best)} is best {by} (mean rank {rank:.1f})"
        if others := [method_title(name) for name in self.tied[1:]]:
            said += f"; these photos do not tell it from {', '.join(others)}"
        if self.left_out:
            said += f". Not ranked: {', '.join(map(method_title, self.left_out))}"
        return f"{said}."

    def arguments_of(self, method: str) -> dict[str, Any]:
        """The arguments with which a method was evaluated; its layer only if it explains one.

        Raises
        ------
        InputError
            If the method was not evaluated.
        """
        if method not in self.arguments:
            raise InputError(
                f"method must be one of {', '.join(self.arguments)}, which were evaluated, not "
                f"{method!r}."
            )
        found = dict(self.arguments[method])
        return {name: value for name, value in found.items() if (name, value) != ("layer", None)}

    def table(self) -> str:
        """The means as text, best methods first; ± is half the width of the 95 % interval."""
        rows = [("", *(MEASURES[name].title for name in self.measures))]
        rows.append(("", *(f"{direction} is better" for direction in self.better)))
        for row in self._order():
            cells = (self._cell(row, column) for column in range(len(self.measures)))
            rows.append((self._title(row), *cells))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(
                [row[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            ).rstrip()
            for row in rows
        )

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """A table of methods and measures; the darker a cell, the better among all rows.

        Each cell has the mean above its 95 % interval. ``ax`` as in `Result.plot`.
        """
        from optogram.render import heat_table, label, sheet

        order = self._order()
        heads = [
            f"{MEASURES[name].title}\n{direction} is better"
            for name, direction in zip(self.measures, self.better, strict=True)
        ]
        cells = [
            [self._two_lines(row, column) for column in range(len(self.measures))] for row in order
        ]
        groups = [self._group(row) for row in order]
        picture = heat_table(
            [self._title(row) for row in order], heads, cells, self._goodness()[order], groups
        )
        words = sheet([[label(self.sentence, 16, width=max(400, picture.width - 40))]], gap=16)
        return placed(sheet([[picture], [words]], gap=4), ax)

    def _order(self) -> list[int]:
        """Rows as they are shown: ranked methods, others, and those they are compared with."""
        names = [*self.ranking, *self.left_out]
        rest = [name for name in self.methods if name not in names]
        return [self.methods.index(name) for name in (*names, *rest)]

    def _group(self, row: int) -> str:
        name = self.methods[row]
        if name in RIVALS:
            return "compared with"
        return "ranked" if name in self.ranking else "not ranked"

    def _title(self, row: int) -> str:
        name = self.methods[row]
        return _RIVAL_TITLES.get(name) or method_title(name)

    def _goodness(self) -> np.ndarray:
        """(methods, measures): 1 for the best mean of a measure, 0 for the worst."""
        signs = np.array([1 if direction == "larger" else -1 for direction in self.better])
        good = self.mean * signs
        # Times differ by factors.
        if "seconds" in self.measures:
            column = self.measures.index("seconds")
            good[:, column] = -np.log(np.maximum(self.mean[:, column], 1e-6))
        known = np.isfinite(good)
        low = np.where(known, good, np.inf).min(axis=0)
        span = np.where(known, good, -np.inf).max(axis=0) - low
        return np.divide(
            good - low, span, out=np.full(good.shape, np.nan), where=known & (span > 0)
        )

    def _cell(self, row: int, column: int) -> str:
        mean, (low, high) = self.mean[row, column], self.interval[row, column]
        if not np.isfinite(mean):
            return "–"
        half = f" ± {self._short((high - low) / 2, column)}" if np.isfinite(low) else ""
        return self._short(mean, column) + half

    def _two_lines(self, row: int, column: int) -> str:
        mean, ends = self.mean[row, column], self.interval[row, column]
        if not np.isfinite(mean):
            return "–"
        between = " … ".join(self._short(end, column) for end in ends)
        return self._short(mean, column) + (f"\n{between}" if np.isfinite(ends[0]) else "")

    def _short(self, number: float, column: int) -> str:
        """A figure with as many decimals as tell the rows apart; small times with two digits."""
        if self.measures[column] == "seconds" and 0 < number < 0.1:
            return f"{number:.2g}"
        decimals = self._decimals[column]
        return f"{round(number, decimals) + 0.0:.{decimals}f}".replace("-", "−")

    @cached_property
    def _decimals(self) -> list[int]:
        """Decimals of each measure: two digits of the range of means, at least two decimals."""
        found = []
        for column in self.mean.T:
            known = column[np.isfinite(column)]
            span = float(np.ptp(known)) if len(known) else 0.0
            wanted = 1 - int(np.floor(np.log10(span))) if span > 0 else 2
            found.append(min(max(wanted, 2), 5))
        return found
