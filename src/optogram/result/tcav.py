"""Results of testing with concept activation vectors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.plotting import placed_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from optogram.target import Direction

_LEVEL = 0.05
"""Below this p-value, a score is called significant."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TCAV(Result):
    """Whether a concept raises a score: ``values`` (runs,), the TCAV score of each vector.

    Attributes
    ----------
    layer : str
        Name of the layer.
    target : str
        Description of the score.
    random_values : ndarray of shape (runs,)
        TCAV scores of random vectors.
    accuracies, random_accuracies : ndarray of shape (runs,)
        Share of held-out examples that each classifier is right about; 0.5 is chance.
    p_value : float
        Of a two-sided t-test (Welch) of ``values`` against ``random_values``. The vectors share
        examples, so it is somewhat too small.
    derivatives : ndarray of shape (runs, photos)
        The derivative of the score of each photo along each vector.
    vectors : ndarray of shape (runs, channels) or (runs, elements)
        The concept activation vectors, each of length 1.
    photos : tuple of str
        Names of the photos of the class.
    """

    shapes: ClassVar = {
        "values": "R",
        "random_values": "R",
        "accuracies": "R",
        "random_accuracies": "R",
        "derivatives": "R N",
        "vectors": "R C",
    }

    layer: str
    target: str
    random_values: np.ndarray
    accuracies: np.ndarray
    random_accuracies: np.ndarray
    p_value: float
    derivatives: np.ndarray
    vectors: np.ndarray
    photos: tuple[str, ...]

    def __repr__(self) -> str:
        """One line: the network, and what was found."""
        return f"<TCAV of {self.provenance.get('network', 'an unknown network')}: {self.summary()}>"

    @property
    def score(self) -> float:
        """The mean TCAV score: the share of photos whose score the concept raises."""
        return float(self.values.mean())

    @property
    def accuracy(self) -> float:
        """Mean accuracy on held-out examples; near 0.5, the layer does not know the concept."""
        return float(self.accuracies.mean())

    @property
    def is_significant(self) -> bool:
        """Whether ``p_value`` is below 0.05."""
        return self.p_value < _LEVEL

    @property
    def direction(self) -> "Direction":
        """The mean of the vectors as a target, for `maximize` and all others.

        Raises
        ------
        InputError
            If the vectors are of all elements of the maps (``pooled=False``).
        """
        from optogram.target import Direction

        if not self.parameters["pooled"]:
            raise InputError("A direction has one number for each channel: give pooled=True.")
        return Direction(self.layer, self.vectors.mean(axis=0))

    def summary(self) -> str:
        """What was found, in one sentence."""
        numbers = (
            f"TCAV score {self.score:.2f} ± {self.values.std(ddof=1):.2f} against "
            f"{self.random_values.mean():.2f} ± {self.random_values.std(ddof=1):.2f} of random "
            f"vectors, p = {self.p_value:.2g}, accuracy {self.accuracy:.0%}"
        )
        if not self.is_significant:
            return (
                f"The concept has no significant effect on {self.target} at {self.layer} "
                f"({numbers})."
            )
        verb = "raises" if self.score > self.random_values.mean() else "lowers"
        return f"The concept significantly {verb} {self.target} at {self.layer} ({numbers})."

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """The TCAV scores of the concept and of random vectors, each in ascending order.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw into, which are then returned.
        """
        ranks = np.arange(1, len(self.values) + 1)
        lines: dict[str, Any] = {
            "concept": (ranks, np.sort(self.values)),
            "random": (ranks, np.sort(self.random_values)),
        }
        words = "significant" if self.is_significant else "not significant"
        title = f"TCAV score for {self.target}: {words} (p = {self.p_value:.2g})"
        return placed_chart(
            ax, lines, title=title, x_label="vectors, in order of their score", y_range=(0.0, 1.0)
        )
