"""The result of an intervention."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.result.base import Result
from optogram.words import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_LONGEST_REPR, _LONGEST_NAME = 300, 40


@dataclass(frozen=True, eq=False, kw_only=True)
class Intervention(Result):
    """Class scores before and after a change of channels; see `intervene`.

    ``values`` (N, classes), float32: the change of each probability, one row per image and target.
    For a network that scores every position (segmentation), values, scores and probabilities are
    maps (N, h, w, classes), and texts and plots show their means.

    Attributes
    ----------
    changes : tuple of str
        Descriptions of the changes: "conv1, filter 7: set to 0".
    classes : tuple of str
        Name of each class.
    scores_before, scores_after : ndarray of shape (N, outputs), float32
        Logits.
    probabilities_before, probabilities_after : ndarray of shape (N, classes), float32
        Class probabilities; the output itself for a network with one linear output.
    unit : str
        "probability" or "output": what these are.
    targets : tuple of str
        Descriptions of the N targets.
    target_before, target_after : ndarray of shape (N,), float32
        Their scores.
    target_unit : str
        Unit of these: "logit", "probability", "output", "activation" or "score".
    """

    shapes: ClassVar = {
        "values": "N K | N h w K",
        "classes": "K",
        "scores_before": "N O | N h w O",
        "scores_after": "N O | N h w O",
        "probabilities_before": "N K | N h w K",
        "probabilities_after": "N K | N h w K",
        "targets": "N",
        "target_before": "N",
        "target_after": "N",
    }

    changes: tuple[str, ...]
    classes: tuple[str, ...]
    scores_before: np.ndarray
    scores_after: np.ndarray
    probabilities_before: np.ndarray
    probabilities_after: np.ndarray
    unit: str
    targets: tuple[str, ...]
    target_before: np.ndarray
    target_after: np.ndarray
    target_unit: str

    def __repr__(self) -> str:
        """One line: network, changes, and the class that changes most in the first image."""
        (most,) = self.strongest(1)[0]
        before, after = (self._shown(array[0, most]) for array in self._means())
        words = f"Intervention in {self.provenance.get('network', 'an unknown network')}"
        words += f" ({'; '.join(self.changes)})"
        told = f"{self.classes[most]} {before} → {after}, values {self.values.shape}"
        return f"<{brief(words, _LONGEST_REPR)}: {brief(told)}>"

    def strongest(self, n: int = 5) -> np.ndarray:
        """(N, n): the indices of the classes whose probabilities change most, largest first.

        Fewer than ``n`` if there are fewer classes.
        """
        n = whole("n", n, 1)
        before, after = self._means()
        return np.argsort(-np.abs(np.nan_to_num(after - before)), axis=1, kind="stable")[:, :n]

    def summary(self, index: int = 0, top: int = 5) -> str:
        """The changes, the target, and the classes that change most, as text.

        Parameters
        ----------
        index : int
            Which row of ``values``.
        top : int
            Number of classes.
        """
        before, after = self._means()
        rows = [
            (self.classes[k], before[index, k], after[index, k])
            for k in self.strongest(top)[index].tolist()
        ]
        width = max(len(brief(name, _LONGEST_NAME)) for name, *_ in rows)
        scores = (float(array[index]) for array in (self.target_before, self.target_after))
        return "\n".join(
            [
                *map(brief, self.changes),
                f"{brief(self.targets[index])}, {self.target_unit}: "
                + " → ".join(f"{score:.4g}" for score in scores),
                *(
                    f"  {brief(name, _LONGEST_NAME):{width}}  {self._shown(old):>8} → "
                    f"{self._shown(new):>8}"
                    for name, old, new in rows
                ),
            ]
        )

    @overload
    def plot(self, index: int = 0, top: int = 8, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, index: int = 0, top: int = 8, *, ax: "Axes") -> "Axes": ...

    def plot(self, index: int = 0, top: int = 8, *, ax: "Axes | None" = None) -> "Image | Axes":
        """Bars of the classes whose probabilities change most, before and after.

        Parameters
        ----------
        index : int
            Which row of ``values``.
        top : int
            Number of classes.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into, which are then returned.
        """
        from optogram.render import bars, bars_on

        top = whole("top", top, 1, 100)
        chosen = self.strongest(top)[index]
        before, after = self._means()
        words: dict[str, Any] = {"title": "; ".join(self.changes), "x_label": self.unit}
        if self.unit == "probability":
            words["x_range"] = (0.0, 1.0)
        names = [self.classes[k] for k in chosen]
        series = {"before": before[index, chosen], "after": after[index, chosen]}
        return bars(names, series, **words) if ax is None else bars_on(ax, names, series, **words)

    def _means(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, classes): probabilities before and after, on average over the positions of maps."""
        axes = tuple(range(1, self.values.ndim - 1))
        return self.probabilities_before.mean(axes), self.probabilities_after.mean(axes)

    def _shown(self, value: float) -> str:
        return f"{value:.2%}" if self.unit == "probability" else f"{value:.4g}"
