"""Results of layer-wise relevance propagation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, overload

import numpy as np

from optogram.errors import InputError, nearest
from optogram.result.attribution import Attribution
from optogram.result.plotting import placed_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_ARRIVED, _HANDED, _BIASES = range(3)


@dataclass(frozen=True)
class Conservation:
    """What became of the relevance at one step.

    Attributes
    ----------
    step : str
        Name of the step; of a convolution with its batch normalization, that of the latter.
    rule : str
        The rule that was applied.
    arrived : float
        Relevance of what the step computed.
    handed_on : float
        Relevance of what it read.
    taken_by_biases : float
        Relevance that biases and constants took.
    """

    step: str
    rule: str
    arrived: float
    handed_on: float
    taken_by_biases: float

    @property
    def lost(self) -> float:
        """The rest: what ε absorbed, and what a rule that does not conserve it lost."""
        return self.arrived - self.handed_on - self.taken_by_biases


@dataclass(frozen=True, eq=False, kw_only=True)
class Relevance(Attribution):
    """The relevance of each part of an image for a score, by layer-wise relevance propagation.

    Attributes
    ----------
    step_names, rules : tuple of str
        The steps on the way, from the score to the image, and the rule of each.
    step_sums : ndarray of shape (N, steps, 3)
        For each: relevance that arrived, was handed on, and was taken by biases and
        constants.
    layers : tuple of str
        Layers at which relevance was asked for as well.
    layer_shapes : int ndarray of shape (layers, 3)
        Height, width and channels of each; height and width are 0 for vectors.
    layer_values : ndarray of shape (N, elements)
        The relevance there, one layer after the other; see `at_layer`.
    """

    shapes: ClassVar = Attribution.shapes | {"step_sums": "N s 3", "layer_values": "N e"}

    step_names: tuple[str, ...]
    rules: tuple[str, ...]
    step_sums: np.ndarray
    layers: tuple[str, ...] = ()
    layer_shapes: np.ndarray
    layer_values: np.ndarray

    def at_layer(self, layer: str) -> np.ndarray:
        """The relevance at a layer, (N, h, w, K) or (N, K).

        Raises
        ------
        InputError
            If it was not asked for.
        """
        if layer not in self.layers:
            hint = nearest(layer, self.layers)
            raise InputError(
                f"The relevance at {layer!r} was not asked for{': ' if hint else ''}{hint}. Give "
                f"layers=[{layer!r}]."
            )
        place = self.layers.index(layer)
        sizes = np.maximum(self.layer_shapes, 1).prod(axis=1)
        first = sizes[:place].sum()
        part = self.layer_values[:, first : first + sizes[place]]
        return part.reshape(len(part), *(side for side in self.layer_shapes[place] if side))

    def conservation(self, index: int = 0) -> list[Conservation]:
        """What became of the relevance at each step, from the score to the image.

        Parameters
        ----------
        index : int
            Index of the explanation.

        Raises
        ------
        InputError
            If ``index`` is out of range.
        """
        return [
            Conservation(name, rule, *map(float, sums))
            for name, rule, sums in zip(
                self.step_names, self.rules, self.step_sums[index], strict=True
            )
        ]

    @overload
    def plot_conservation(self, index: int = 0, *, ax: None = None) -> "Image": ...

    @overload
    def plot_conservation(self, index: int = 0, *, ax: "Axes") -> "Axes": ...

    def plot_conservation(self, index: int = 0, *, ax: "Axes | None" = None) -> "Image | Axes":
        """A chart of the way from the score to the image: what is left, what biases took.

        Parameters
        ----------
        index : int
            Index of the explanation.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into, which are returned; None: a picture is.

        Raises
        ------
        InputError
            If ``index`` is out of range, or ``ax`` is not an Axes of matplotlib.
        """
        sums = self.step_sums[index].astype(np.float64)
        biases = np.cumsum(sums[:, _BIASES])
        lost = np.cumsum(sums[:, _ARRIVED] - sums[:, _HANDED] - sums[:, _BIASES])
        steps = np.arange(1, len(sums) + 1)
        lines = {
            "left": (steps, sums[0, _ARRIVED] - biases - lost),
            "taken by biases": (steps, biases),
            "lost": (steps, lost),
        }
        title = f"Relevance of {self.targets[index]}, {self.score_unit}"
        return placed_chart(ax, lines, title=title, x_label="steps from the score to the image")

    @property
    def taken_by_biases(self) -> np.ndarray:
        """(N,): the relevance that all biases and constants took together."""
        return self.step_sums[:, :, _BIASES].sum(axis=1)

    @property
    def lost(self) -> np.ndarray:
        """(N,): the relevance that neither reached the image nor was taken by biases."""
        sums = self.step_sums.astype(np.float64)
        return (sums[:, :, _ARRIVED] - sums[:, :, _HANDED] - sums[:, :, _BIASES]).sum(axis=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class RelevantUnits(Relevance):
    """The channels of a layer that a score owes most to, with the map of each.

    Attributes
    ----------
    units : int ndarray of shape (n,)
        Channels, most relevant first.
    unit_relevance : ndarray of shape (n,)
        The relevance of each.
    layer_relevance : ndarray of shape (K,)
        The relevance of all channels of the layer.
    """

    shapes: ClassVar = Relevance.shapes | {
        "units": "N",
        "unit_relevance": "N",
        "layer_relevance": "K",
    }

    units: np.ndarray
    unit_relevance: np.ndarray
    layer_relevance: np.ndarray
