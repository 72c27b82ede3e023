"""The result of sanity checks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import shown
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.plotting import placed, placed_chart
from optogram.result.titles import method_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_RIVALS = ("the map", "random", "edges")
_CURVES = {
    "deletion": ("Score during deletion", "share removed, hottest first"),
    "insertion": ("Score during insertion", "share shown, hottest first"),
}
"""Title of a chart, and what its axis says."""
_MARGIN = 16
_LIKE_AN_EDGE_DETECTOR = 0.5
_IN_PART = 0.25


@dataclass(frozen=True, eq=False, kw_only=True)
class Check(Result):
    """Sanity checks: weight randomization, deletion and insertion.

    ``values`` (N, stages) are rank correlations of each map with the map after each stage of
    scrambling: 1 is unchanged, 0 unrelated.

    Attributes
    ----------
    checked : str
        Name of the checked method.
    layer : str or None
        The explained layer.
    targets : tuple of str
        Descriptions of the N targets.
    stages : tuple of str
        Share of scrambled layers, from the output down.
    deletion, insertion : ndarray of shape (N, 3, points)
        Scores as pixels are removed or inserted, in the order of the map, of a random map and of
        an edge map. The score of a class is its probability.
    edge_similarity : ndarray of shape (N,)
        Rank correlation of each map with the edge map of its image.
    image : uint8 ndarray of shape (H, W, C)
        The first image.
    scrambled : ndarray of shape (1 + stages, h, w)
        Its map, and those after each stage.
    edges : ndarray of shape (h, w)
        Its edge map.
    """

    shapes: ClassVar = {
        "values": "N S",
        "targets": "N",
        "stages": "S",
        "deletion": "N 3 p",
        "insertion": "N 3 p",
        "edge_similarity": "N",
        "image": "H W C",
        "scrambled": "m h w",
        "edges": "h w",
    }

    checked: str
    layer: str | None
    targets: tuple[str, ...]
    stages: tuple[str, ...]
    deletion: np.ndarray
    insertion: np.ndarray
    edge_similarity: np.ndarray
    image: np.ndarray
    scrambled: np.ndarray
    edges: np.ndarray

    @property
    def pictures(self) -> dict[str, Any]:
        """The arrays of the first image, by name."""
        return {"image": self.image, "scrambled": self.scrambled, "edges": self.edges}

    def with_pictures_of(self, first: "Check") -> "Check":
        """The same with the pictures of the ``first`` photo, so that its own are not kept."""
        return replace(self, **first.pictures)

    @staticmethod
    def joined(parts: "Sequence[Check]") -> "Check":
        """At least one check, all of one method and layer, as one; its pictures are the first's."""
        arrays = ("values", "deletion", "insertion", "edge_similarity")
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays
        }
        warnings = dict.fromkeys(warning for part in parts for warning in part.warnings)
        targets = tuple(target for part in parts for target in part.targets)
        return replace(parts[0], **joined, targets=targets, warnings=tuple(warnings))

    def alone(self, index: int) -> "Check":
        """The check of map ``index`` alone."""
        index %= len(self.targets)
        names = ("values", "deletion", "insertion", "edge_similarity", "targets")
        part = slice(index, index + 1)
        return replace(self, **{name: getattr(self, name)[part] for name in names})

    @property
    def similarity(self) -> np.ndarray:
        """(N,): mean rank correlation over the stages; 0 is best, an edge detector has 1."""
        return self.values.mean(axis=1)

    @property
    def deletion_area(self) -> np.ndarray:
        """(N, 3): area under each deletion curve; for the map, smaller is better."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> np.ndarray:
        """(N, 3): area under each insertion curve; for the map, larger is better."""
        return _area(self.insertion)

    @property
    def depends_on_weights(self) -> bool:
        """Whether scrambling changes the map more than half-way to an unrelated map."""
        return float(self.similarity.mean()) < _LIKE_AN_EDGE_DETECTOR

    @property
    def marks_what_matters(self) -> bool:
        """Whether insertion minus deletion is larger than for a random map and for an edge map."""
        gain = (self.insertion_area - self.deletion_area).mean(axis=0)
        return bool(gain[0] > gain[1:].max())

    @property
    def sentence(self) -> str:
        """The conclusion in plain words."""
        return f"{self._on_weights()} {self._on_pixels()}"

    def table(self) -> str:
        """The numbers as text: means, and standard deviations over photos."""
        rows = [("weights scrambled", *(f"{stage}" for stage in self.stages), "mean")]
        columns = [*self.values.T, self.similarity]
        rows.append(("rank correlation with the map", *map(_spread, columns)))
        rows.append(("", *_RIVALS))
        rows.append(("deletion area (small is good)", *map(_spread, self.deletion_area.T)))
        rows.append(("insertion area (large is good)", *map(_spread, self.insertion_area.T)))
        rows.append(("rank correlation with edges", _spread(self.edge_similarity)))
        first = max(len(row[0]) for row in rows)
        width = 2 + max(len(cell) for row in rows for cell in row[1:])
        return "\n".join(
            (row[0].ljust(first) + "".join(cell.rjust(width) for cell in row[1:])).rstrip()
            for row in rows
        )

    @overload
    def plot(self, *, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, ax: "Axes") -> "Axes": ...

    def plot(self, *, ax: "Axes | None" = None) -> "Image | Axes":
        """The first map at each stage of scrambling, above the `curves` of all photos.

        ``ax`` as in `Result.plot`.
        """
        from optogram.render import heatmap, label, scale_of, sheet, visible

        size = self.image.shape[:2]

        def drawn(values: np.ndarray) -> "Image":
            # As in `Attribution.scale`: a few pixels of a gradient are far larger than all others.
            high = float(np.percentile(values, 99)) if values.shape == size else None
            return heatmap(values, size=size, bar=False, scale=scale_of(values, high=high))

        pictures = [visible(self.image), *map(drawn, self.scrambled), drawn(self.edges)]
        titles = [
            "the photo",
            method_title(self.checked),
            *(f"{s} scrambled" for s in self.stages),
            "edges",
        ]
        maps = sheet([pictures], titles=titles)
        charts = [self.curves(of) for of in ("weights", "deletion", "insertion")]
        verdict = f"{self._on_weights()}\n{self._on_pixels()}"
        words = sheet([[label(verdict, 16, width=maps.width - 2 * _MARGIN)]], gap=_MARGIN)
        return placed(sheet([[maps], [sheet([charts])], [words]], gap=4), ax)

    @overload
    def curves(self, of: str = "deletion", *, ax: None = None) -> "Image": ...

    @overload
    def curves(self, of: str = "deletion", *, ax: "Axes") -> "Axes": ...

    def curves(self, of: str = "deletion", *, ax: "Axes | None" = None) -> "Image | Axes":
        """One of the charts of `plot`, the mean over all explanations.

        Parameters
        ----------
        of : {"weights", "deletion", "insertion"}
            The rank correlation at each stage of scrambling, or the score during deletion or
            insertion.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into, which are then returned.

        Raises
        ------
        InputError
            If ``of`` is none of these, or nothing can be drawn into ``ax``.
        """
        if of == "weights":
            stages = np.linspace(0, 1, 1 + len(self.stages))
            kept = np.concatenate([[1.0], self.values.mean(axis=0)])
            alike = (kept, np.zeros(len(stages)), np.ones(len(stages)))
            return placed_chart(
                ax,
                {name: (stages, ys) for name, ys in zip(_RIVALS, alike, strict=True)},
                title="Rank correlation with the map",
                x_label="stage of scrambling",
                y_range=(min(0.0, float(kept.min())), 1.0),
            )
        if of not in _CURVES:
            raise InputError(f'of must be "weights", "deletion" or "insertion", not {shown(of)}.')
        curves, (title, share) = getattr(self, of).mean(axis=0), _CURVES[of]
        through = np.linspace(0, 1, curves.shape[-1])
        lines = {name: (through, ys) for name, ys in zip(_RIVALS, curves, strict=True)}
        return placed_chart(ax, lines, title=title, x_label=share)

    def _on_weights(self) -> str:
        alike = float(self.similarity.mean())
        if alike >= _LIKE_AN_EDGE_DETECTOR:
            return (
                "This map changes almost as little as an edge detector's when the weights are "
                f"scrambled (rank correlation {alike:.2f} on average, where 1 is no change): it "
                "does not explain the network."
            )
        if alike >= _IN_PART:
            return (
                "This map changes only in part when the weights are scrambled (rank correlation "
                f"{alike:.2f} on average, where 1 is no change): part of it shows the photo, not "
                "the network."
            )
        return (
            "This map changes when the weights are scrambled (rank correlation "
            f"{alike:.2f} on average, where 1 is no change): it depends on what the network "
            "learned."
        )

    def _on_pixels(self) -> str:
        deletion, insertion = self.deletion_area.mean(axis=0), self.insertion_area.mean(axis=0)
        if self.marks_what_matters:
            verdict = "What it marks matters to the score more than random places and edges do"
        else:
            gain = insertion - deletion
            rivals = [name for name, g in zip(_RIVALS[1:], gain[1:], strict=True) if g >= gain[0]]
            better = {"random": "random places", "edges": "edges"}
            verdict = (
                "What it marks matters to the score no more than "
                f"{' or '.join(better[rival] for rival in rivals)} would"
            )
        return (
            f"{verdict} (deletion area {deletion[0]:.2f}, random {deletion[1]:.2f}, edges "
            f"{deletion[2]:.2f}; insertion area {insertion[0]:.2f}, random {insertion[1]:.2f}, "
            f"edges {insertion[2]:.2f})."
        )


def _area(curves: np.ndarray) -> np.ndarray:
    """Areas under curves (..., points) over 0…1, by the trapezoidal rule."""
    return ((curves[..., 1:] + curves[..., :-1]) / 2).mean(axis=-1)


def _spread(numbers: np.ndarray) -> str:
    mean = f"{numbers.mean():.2f}"
    return f"{mean} ± {numbers.std():.2f}" if len(numbers) > 1 else mean
