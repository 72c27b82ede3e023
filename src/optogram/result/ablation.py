"""The result of an ablation: what each channel of a layer contributes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

import numpy as np

from optogram.arguments import shown, whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.words import brief, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_ORDERS = ("score", "flipped", "lost", "regained")
_OF_ACCURACY = ("lost", "regained")


class AblatedChannel(NamedTuple):
    """One channel, and what changes without it; see `Ablation` for the fields."""

    channel: int
    change: float
    error: float
    flipped: float
    accuracy: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Ablation(Result):
    """What changes without each channel of a layer, over photos; see `ablate`.

    ``values`` (channels, classes), float32: the mean change of the score of each class when the
    channel is silenced. Negative: the channel supports the class.

    Attributes
    ----------
    layer : str
        Name of the layer.
    classes : tuple of str
        Name of each class.
    unit : str
        "logit" or "probability": what changes are in.
    change : ndarray of shape (channels,)
        Mean change of the score of the class that is predicted for each photo with all channels.
    errors : ndarray of shape (channels,)
        Its standard error over photos; NaN for one photo.
    flipped : ndarray of shape (channels,)
        Share of photos whose predicted class changes, 0 to 1.
    accuracy_before : float
        Share of photos whose predicted class is the true one, with all channels; NaN if the true
        classes are not known.
    accuracies : ndarray of shape (channels,)
        The same without each channel.
    photos : tuple of str
        The photos that were read: paths, or "photo 7" for arrays.
    unread : tuple of str
        Those that could not be read.
    """

    shapes: ClassVar = {
        "values": "C K",
        "classes": "K",
        "change": "C",
        "errors": "C",
        "flipped": "C",
        "accuracies": "C",
    }

    layer: str
    classes: tuple[str, ...]
    unit: str
    change: np.ndarray
    errors: np.ndarray
    flipped: np.ndarray
    accuracy_before: float
    accuracies: np.ndarray
    photos: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def has_accuracies(self) -> bool:
        """Whether true classes were given."""
        return bool(np.isfinite(self.accuracy_before))

    @property
    def ranked(self) -> np.ndarray:
        """(channels,): all channels, by the magnitude of ``change``, largest first."""
        return self._order("score")

    def strongest(self, n: int = 10, by: str = "score") -> list[AblatedChannel]:
        """The channels that matter most.

        Parameters
        ----------
        n : int
            Number of channels, at most.
        by : {"score", "flipped", "lost", "regained"}
            Order: the magnitude of ``change``, the share of photos whose predicted class changes,
            the accuracy lost without the channel, or the accuracy regained without it, as of
            channels that carry a shortcut. The last two need ``truth``. Equal channels come in
            the order of ``ranked``.

        Returns
        -------
        list of AblatedChannel
            (channel, change, error, flipped, accuracy) of each.

        Raises
        ------
        InputError
            If there is no such order, or no accuracies.
        """
        return [
            AblatedChannel(
                int(i),
                float(self.change[i]),
                float(self.errors[i]),
                float(self.flipped[i]),
                float(self.accuracies[i]),
            )
            for i in self._order(by)[: whole("n", n, 1)]
        ]

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        (first,) = self.strongest(1)
        count = counted(len(self.photos), "photo")
        words = (
            f"Of {counted(len(self.values), 'channel')} of {self.layer}, channel {first.channel} "
            f"matters most to the predicted class: without it, its {self.unit} changes by "
            f"{_signed(first.change)}{self._error(first)} on average over {count}, and another "
            f"class is predicted for {first.flipped:.0%} of them."
        )
        if not self.has_accuracies:
            return words
        lost, regained = (self.strongest(1, by)[0] for by in _OF_ACCURACY)
        before = f"{self.accuracy_before:.1%}"
        ends = [
            f"{verb} to {one.accuracy:.1%} without channel {one.channel}"
            for verb, one, differs in (
                ("falls", lost, lost.accuracy < self.accuracy_before),
                ("rises", regained, regained.accuracy > self.accuracy_before),
            )
            if differs
        ]
        found = f"{' and '.join(ends)}." if ends else "is the same without any one channel."
        return f"{words} The accuracy, {before}, {found}"

    def table(self, n: int = 10, by: str = "score") -> str:
        """The strongest channels as text; ± is the standard error. See `strongest`.

        Parameters
        ----------
        n : int
            Number of channels, at most.
        by : {"score", "flipped", "lost", "regained"}
            Their order.
        """
        heads = ["channel", f"change of {self.unit}", "other class"]
        rows = [[*heads, *(["accuracy"] if self.has_accuracies else [])]]
        if self.has_accuracies:
            rows.append(["none", "", "", f"{self.accuracy_before:.1%}"])
        for one in self.strongest(n, by):
            cells = [f"{one.channel}", f"{_signed(one.change)}{self._error(one)}"]
            cells.append(f"{one.flipped:.1%}")
            rows.append([*cells, *([f"{one.accuracy:.1%}"] if self.has_accuracies else [])])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )

    @overload
    def plot(self, n: int = 12, by: str = "score", *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, n: int = 12, by: str = "score", *, ax: "Axes") -> "Axes": ...

    def plot(self, n: int = 12, by: str = "score", *, ax: "Axes | None" = None) -> "Image | Axes":
        """Bars of the strongest channels: what changes without each.

        Parameters
        ----------
        n : int
            Number of channels, at most 100.
        by : {"score", "flipped", "lost", "regained"}
            Their order, see `strongest`, and what is drawn: the change of the score, the share of
            photos whose predicted class changes, or the accuracy, before and without each channel.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into, which are then returned.
        """
        from optogram.render import bars, bars_on

        chosen = self.strongest(whole("n", n, 1, 100), by)
        names = [f"channel {one.channel}" for one in chosen]
        words: dict[str, Any] = {"title": f"without channels of {brief(self.layer)}"}
        series: dict[str, Any]
        if by in _OF_ACCURACY:
            words |= {"x_label": "accuracy", "x_range": (0.0, 1.0)}
            series = {
                "all channels": np.full(len(chosen), self.accuracy_before),
                "without the channel": np.array([one.accuracy for one in chosen]),
            }
        elif by == "flipped":
            words |= {"x_label": "share of photos", "x_range": (0.0, 1.0)}
            series = {"another class is predicted": np.array([one.flipped for one in chosen])}
        else:
            words["x_label"] = f"mean change of the predicted class's {self.unit}"
            series = {"change": np.array([one.change for one in chosen])}
        return bars(names, series, **words) if ax is None else bars_on(ax, names, series, **words)

    def _order(self, by: str) -> np.ndarray:
        if by not in _ORDERS:
            raise InputError(
                f'by must be "score", "flipped", "lost" or "regained", not {shown(by)}.'
            )
        if by in _OF_ACCURACY and not self.has_accuracies:
            raise InputError(f'by="{by}" needs accuracies: give truth=… to og.ablate.')
        sizes = np.nan_to_num(np.abs(self.change))
        first = {
            "score": sizes,
            "flipped": self.flipped,
            "lost": -self.accuracies,
            "regained": self.accuracies,
        }[by]
        return np.lexsort((np.arange(len(sizes)), -sizes, -first))

    def _error(self, one: AblatedChannel) -> str:
        return f" ± {one.error:.2g}" if np.isfinite(one.error) else ""


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")
