"""Results of activation maximization."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from optogram.arguments import whole
from optogram.errors import InputError
from optogram.result.base import Result
from optogram.result.plotting import placed, placed_chart, require_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_HOLD = 2.0
"""Seconds for which the last frame of an animation is shown in addition."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximization(Result):
    """Images that maximize targets: ``values`` (N, H, W, C), in network units.

    Attributes
    ----------
    images : uint8 ndarray of shape (N, h, w, C)
        The images for display.
    targets : tuple of str
        Description of the target of each image.
    history : ndarray of shape (N, steps)
        The score before each step, of the transformed view; NaN for steps that were not taken.
    score : ndarray of shape (N,)
        The score of the final images, without transforms.
    frames : uint8 ndarray of shape (N, frames, h, w, C)
        Intermediate images, if frames were requested.
    start : uint8 ndarray of shape (N, h, w, C) or None
        The images before the first step, if frames were requested.
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
    start: np.ndarray | None = None

    def sheet(
        self, columns: int | None = None, margin: int = 5, labels: bool = False, **style: Any
    ) -> "Image":
        """All images in a grid.

        Parameters
        ----------
        columns : int, optional
            Images per row. Default: near square.
        margin : int
            White pixels between images.
        labels : bool
            Whether to write the target below each image.
        **style
            See `optogram.render.grid`: ``cell``, the longer side of an image in pixels.
        """
        from optogram.render import grid, visible

        pictures = [visible(image) for image in self.images]
        words = list(self.targets) if labels else None
        return grid(pictures, columns=columns, margin=margin, labels=words, **style)

    @overload
    def plot(self, *, cell: int | None = None, ax: None = None) -> "Image": ...

    @overload
    def plot(self, *, cell: int | None = None, ax: "Axes") -> "Axes": ...

    def plot(self, *, cell: int | None = None, ax: "Axes | None" = None) -> "Image | Axes":
        """All images in a grid, with their targets as captions.

        ``cell``: longer side of each image in pixels. ``ax`` as in `Result.plot`.
        """
        side = math.isqrt(len(self.images) - 1) + 1
        require_tiles(cell, side, side)
        cell = max(160, *self.images.shape[1:3]) if cell is None else cell
        return placed(self.sheet(labels=True, margin=8, cell=cell), ax)

    @overload
    def trajectories(self, indices: Sequence[int] | None = None, *, ax: None = None) -> "Image": ...

    @overload
    def trajectories(self, indices: Sequence[int] | None = None, *, ax: "Axes") -> "Axes": ...

    def trajectories(
        self, indices: Sequence[int] | None = None, *, ax: "Axes | None" = None
    ) -> "Image | Axes":
        """A chart of the scores over the steps.

        Parameters
        ----------
        indices : sequence of int, optional
            Indices of images. None: the first three.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into, which are then returned.

        Raises
        ------
        InputError
            If there is no such image, or nothing can be drawn into ``ax``.
        """

        count = len(self.history)
        shown = range(min(3, count)) if indices is None else indices
        chosen = [whole("indices", index, -count, count - 1) for index in shown]
        steps = np.arange(self.history.shape[1])
        lines = {self.targets[i]: (steps, self.history[i]) for i in chosen}
        return placed_chart(ax, lines, x_label="step", title="score before each step")

    def gif(
        self, path: str | Path, index: int = 0, fps: float = 5.0, *, bare: bool = False
    ) -> Path:
        """Write the ascent of image ``index`` as a GIF, from the start image to the last frame.

        Each frame has its step and its score below, and the last one is held for two seconds more.

        Parameters
        ----------
        path : str or Path
            Ends in .gif; the folder must exist.
        index : int
            Index of the image.
        fps : float
            Frames per second.
        bare : bool
            Only the intermediate frames as they are: no start image, no text, all equally long.

        Raises
        ------
        InputError
            If no frames were kept, or the name does not end in .gif.
        OutputError
            If the file cannot be written.
        """
        from optogram.render import visible, write_gif

        count = self.frames.shape[1]
        if not count:
            raise InputError("No frames were kept: use maximize(…, frames=2).")
        index = whole("index", index, -len(self.images), len(self.images) - 1)
        frames = [visible(frame) for frame in self.frames[index]]
        if bare:
            return write_gif(frames, path, fps=fps)
        every, steps = self.parameters["frames"], self.history.shape[1]
        numbers = [every * (number + 1) for number in range(count)]
        if self.start is not None:
            frames, numbers = [visible(self.start[index]), *frames], [0, *numbers]
        scores = [*self.history[index], self.score[index]]
        captioned = [
            _captioned(frame, f"step {number} of {steps}", float(scores[number]))
            for frame, number in zip(frames, numbers, strict=True)
        ]
        return write_gif(captioned, path, fps=fps, hold=_HOLD)


def _captioned(frame: "Image", step: str, score: float) -> "Image":
    """A frame at a legible size, above its step and its score."""
    from optogram.render import compact, grid, legible

    height, width = legible((frame.height, frame.width))
    words = f"{step}\nscore {compact(score)}" if np.isfinite(score) else f"{step}\n "
    return grid([frame], cell=max(height, width), labels=[words])
