"""Pictures that scores want to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.result.base import Result

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximization(Result):
    """For each target, a picture that it answers to: ``values`` (N, H, W, C), network units.

    Attributes
    ----------
    images : uint8 ndarray of shape (N, h, w, C)
        The pictures as they are shown.
    targets : tuple of str
        What was maximized, one a picture.
    history : ndarray of shape (N, steps)
        The score before each step, of the view that was scored; NaN for steps that were not taken.
    score : ndarray of shape (N,)
        The score of the finished pictures themselves.
    frames : uint8 ndarray of shape (N, frames, h, w, C)
        The pictures on the way, where frames were asked for.
    """

    shapes: ClassVar = {
        "values": "N H W C",
        "images": "N h w C",
        "targets": "N",
        "history": "N s",
        "score": "N",
        "frames": "N f h w C",
    }

    images: np.ndarray
    targets: tuple[str, ...]
    history: np.ndarray
    score: np.ndarray
    frames: np.ndarray

    def sheet(
        self, columns: int | None = None, margin: int = 5, labels: bool = False, **style: Any
    ) -> "Image":
        """All pictures in a grid.

        Parameters
        ----------
        columns : int, optional
            Default: as many as make the grid near square.
        margin : int
            White pixels between pictures.
        labels : bool
            Write under each what was maximized.
        **style
            See `optogram.render.grid`: ``cell``, the longer side of a picture in pixels.
        """
        from optogram.render import grid, visible

        pictures = [visible(image) for image in self.images]
        words = list(self.targets) if labels else None
        return grid(pictures, columns=columns, margin=margin, labels=words, **style)

    def plot(self) -> "Image":
        """All pictures in a grid, each with what was maximized under it."""
        return self.sheet(labels=True, margin=8, cell=max(160, *self.images.shape[1:3]))

    def trajectories(self, indices: Sequence[int] | None = None) -> "Image":
        """How the scores went up, as a chart.

        Parameters
        ----------
        indices : sequence of int, optional
            Of which pictures; None: the first three.
        """
        from optogram.render import chart

        count = len(self.history)
        shown = range(min(3, count)) if indices is None else indices
        chosen = [whole("indices", index, -count, count - 1) for index in shown]
        steps = np.arange(self.history.shape[1])
        lines = {self.targets[i]: (steps, self.history[i]) for i in chosen}
        return chart(lines, x_label="step", title="score before each step")

    def gif(self, path: str | Path, index: int = 0, fps: float = 5.0) -> Path:
        """Write picture ``index`` as it evolved, ``fps`` frames a second.

        Raises
        ------
        InputError
            If no frames were kept, or the name does not end in .gif.
        OutputError
            If the file cannot be written.
        """
        from optogram.render import visible, write_gif

        if not self.frames.shape[1]:
            raise InputError("No frames were kept: ask for them, as in maximize(…, frames=2).")
        return write_gif([visible(frame) for frame in self.frames[index]], path, fps=fps)
