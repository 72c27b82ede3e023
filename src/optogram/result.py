"""What methods return: arrays that do not change any more, and where they came from."""

import dataclasses
import html
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optogram.errors import InputError
from optogram.files import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMAT = "optogram result 1"
_MANIFEST = "manifest"


@dataclass(frozen=True, eq=False)
class Result:
    """What every method returns.

    Attributes
    ----------
    values : ndarray
        What the method computed; its shape and units stand in the method's own words. Read-only,
        as are all arrays of a result.
    method : str
        The name of the function that made it.
    parameters : mapping
        What that function was called with, defaults included.
    source : mapping of str
        Where it came from: network, weights, preparation, versions of optogram, Keras and the
        backend, input shape, time (UTC).
    warnings : tuple of str
        What a reader of the result should know, in sentences.
    """

    values: np.ndarray
    method: str
    parameters: Mapping[str, Any]
    source: Mapping[str, str]
    warnings: tuple[str, ...]

    kinds: ClassVar[dict[str, type["Result"]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class known to `load_result` by its name."""
        Result.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        """Lock the arrays."""
        for item in dataclasses.fields(self):
            array = getattr(self, item.name)
            if isinstance(array, np.ndarray):
                locked = array.view()
                locked.flags.writeable = False
                object.__setattr__(self, item.name, locked)

    def save(self, path: str | os.PathLike) -> Path:
        """Write everything into one ``.npz`` file, which `load_result` opens again.

        The file appears whole or not at all.

        Raises
        ------
        InputError
            If the name does not end in ``.npz``.
        OutputError
            If the file cannot be written.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(
                f"A result is saved as an .npz file, not as {path.name!r}; for a picture: "
                f"result.plot().save({path.name!r})."
            )
        arrays: dict[str, Any] = {}
        texts: dict[str, Any] = {"format": _FORMAT, "kind": type(self).__name__}
        for item in dataclasses.fields(self):
            content = getattr(self, item.name)
            if isinstance(content, np.ndarray):
                arrays[item.name] = content
            else:
                texts[item.name] = dict(content) if isinstance(content, Mapping) else content
        arrays[_MANIFEST] = np.array(json.dumps(texts, ensure_ascii=False, default=np.generic.item))
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        return path

    def plot(self) -> "Image":
        """The result as one picture."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture, and in words what it is."""
        from optogram.render import data_uri

        notes = "".join(f"<p>⚠ {html.escape(note)}</p>" for note in self.warnings)
        words = f"{self.method} of {self.source.get('network', '')}, values {self.values.shape}"
        return (
            f'<figure style="margin:0"><img src="{data_uri(self.plot())}" style="max-width:100%">'
            f"<figcaption>{html.escape(words)}</figcaption>{notes}</figure>"
        )


def load_result(path: str | os.PathLike) -> Result:
    """Open a result that `Result.save` wrote.

    Parameters
    ----------
    path : path
        The ``.npz`` file. It is read as data: nothing in it is run.

    Returns
    -------
    Result
        Of the kind that was saved.

    Raises
    ------
    InputError
        If there is no such file, or it holds no result.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            texts = json.loads(str(file[_MANIFEST]))
            if texts.pop("format") != _FORMAT:
                raise KeyError("format")
            kind = Result.kinds[texts.pop("kind")]
            arrays = {name: file[name] for name in file.files if name != _MANIFEST}
        texts["parameters"] = _with_tuples(texts["parameters"])
        return kind(**_with_tuples(texts), **arrays)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    # A damaged or foreign file can fail anywhere inside NumPy, with any exception.
    except Exception as error:
        raise InputError(f"{path} holds no result that optogram saved, or is damaged.") from error


def _with_tuples(texts: dict[str, Any]) -> dict[str, Any]:
    """``texts`` with tuples where JSON has only lists."""
    return {
        name: tuple(content) if isinstance(content, list) else content
        for name, content in texts.items()
    }


@dataclass(frozen=True, eq=False)
class Attribution(Result):
    """Where in each image the score of a target comes from.

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        What the network was shown, as pictures.
    targets : tuple of str
        What was explained, one an image.
    score : ndarray of shape (N,)
        The score explained.
    layer : str or None
        The layer looked at, for methods that look at one.
    """

    images: np.ndarray
    targets: tuple[str, ...]
    score: np.ndarray
    layer: str | None = None

    @property
    def heatmap(self) -> np.ndarray:
        """(N, h, w): ``values``, or the largest magnitude over channels where they have any."""
        return np.abs(self.values).max(axis=-1) if self.values.ndim == 4 else self.values

    def mask(self, t: float) -> np.ndarray:
        """(N, h, w), True where the heatmap reaches ``t`` times its image's maximum: kept."""
        heat = self.heatmap
        return heat >= t * heat.max(axis=(1, 2), keepdims=True)

    def overlay(self, index: int = 0, photo: Any = None, **style: Any) -> "Image":
        """The heatmap of image ``index`` over that image.

        Parameters
        ----------
        index : int
            Which image.
        photo : PIL image or uint8 array, optional
            The photo at its full size, where it was squashed to fit; None: as the network saw it.
        **style
            See `optogram.render.overlay`: ``scale``, ``cmap``, ``opacity``, ``bar``, ``title``.
        """
        from optogram.render import overlay, visible

        below = visible(self.images[index]) if photo is None else photo
        style.setdefault("scale", self.scale(index))
        return overlay(below, self.map_on_image(index), **style)

    def scale(self, index: int = 0) -> Any:
        """What the two ends of the scale bar of image ``index`` mean.

        A few pixels of a gradient are far larger than all others: of such maps the bar ends at
        the 99th percentile, and what lies beyond has the last colour.
        """
        from optogram.render import scale_of

        heat = self.heatmap[index]
        if self.values.ndim != 4 or not np.isfinite(heat).any():
            return scale_of(heat)
        return scale_of(heat, signed=False, high=float(np.nanpercentile(heat, 99)))

    def map_on_image(self, index: int = 0) -> np.ndarray:
        """The heatmap of image ``index`` as a grid that covers the whole image evenly."""
        return self.heatmap[index]

    def plot(self) -> "Image":
        """Each image, its map and both together, side by side, one image a row."""
        from optogram.render import heatmap, sheet, visible

        rows = [
            [
                visible(self.images[i]),
                heatmap(self.map_on_image(i), size=self.images.shape[1:3], scale=self.scale(i)),
                self.overlay(i),
            ]
            for i in range(len(self.images))
        ]
        return sheet(
            rows, titles=["what the network saw", self.method, "both"], captions=self.targets
        )


@dataclass(frozen=True, eq=False)
class Occlusion(Attribution):
    """An occlusion map: how far the score falls when a patch covers each place.

    Attributes
    ----------
    scores : ndarray of shape (N, rows, cols)
        The score with the patch there; ``values`` is ``score`` minus these.
    """

    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))

    def mask(self, t: float, of: str = "values") -> np.ndarray:
        """(N, rows, cols), True where a place matters.

        Parameters
        ----------
        t : float
            A share of the maximum of each image.
        of : {"values", "scores"}
            "values": where the fall reaches ``t`` times its maximum. "scores": where the score
            with the patch stays below ``t`` times the largest such score (tutorial row B5).
        """
        if of == "scores":
            return self.scores < t * self.scores.max(axis=(1, 2), keepdims=True)
        if of != "values":
            raise InputError(f'of must be "values" or "scores", not {of!r}.')
        return super().mask(t)

    def map_on_image(self, index: int = 0) -> np.ndarray:
        """The map with each value at the centre of its patch, in pixels of the image."""
        height, width = self.images.shape[1:3]
        rows, columns = self.values.shape[1:]
        (patch_y, patch_x), (step_y, step_x) = self.parameters["patch"], self.parameters["stride"]
        centres_y = np.arange(rows) * step_y + (patch_y - 1) / 2
        centres_x = np.arange(columns) * step_x + (patch_x - 1) / 2
        wide = np.stack([np.interp(np.arange(width), centres_x, row) for row in self.values[index]])
        return np.stack(
            [np.interp(np.arange(height), centres_y, column) for column in wide.T], axis=1
        ).astype(np.float32)


@dataclass(frozen=True, eq=False)
class FeatureMaps(Result):
    """What one layer answers: ``values`` (N, h, w, C).

    Attributes
    ----------
    images : uint8 ndarray of shape (N, H, W, C)
        What the network was shown, as pictures.
    layer : str
        The layer's name.
    """

    images: np.ndarray
    layer: str

    def strongest(self, count: int = 5) -> np.ndarray:
        """(N, count): the channels with the highest means, strongest first."""
        means = self.values.mean(axis=(1, 2))
        return np.argsort(-means, axis=1, kind="stable")[:, :count]

    def mosaic(
        self, index: int = 0, channels: Sequence[int] | None = None, **style: Any
    ) -> "Image":
        """The maps of image ``index`` in one near-square grid on a common scale.

        Parameters
        ----------
        index : int
            Which image.
        channels : sequence of int, optional
            Which maps, in which order; None: all of them.
        **style
            See `optogram.render.mosaic`.
        """
        from optogram.render import mosaic

        maps = self.values[index]
        return mosaic(maps if channels is None else maps[..., list(channels)], **style)

    def overlay(
        self, channel: int | None = None, index: int = 0, photo: Any = None, **style: Any
    ) -> "Image":
        """One map over image ``index``; None: its strongest. ``photo`` as in `Attribution`."""
        from optogram.render import overlay, visible

        if channel is None:
            channel = int(self.strongest(1)[index, 0])
        below = visible(self.images[index]) if photo is None else photo
        return overlay(below, self.values[index, ..., channel], **style)

    def plot(self) -> "Image":
        """The mosaic of each image, one below the other."""
        from optogram.render import sheet

        return sheet([[self.mosaic(i)] for i in range(len(self.values))], titles=[self.layer])


@dataclass(frozen=True, eq=False)
class Kernels(Result):
    """The weights of a convolution: ``values`` (kh, kw, in, out).

    Attributes
    ----------
    layer : str
        The layer's name.
    """

    layer: str

    def mosaic(self, channel: int | None = None, **style: Any) -> "Image":
        """All kernels in one near-square grid.

        Parameters
        ----------
        channel : int, optional
            The input channel shown, grey, on the scale from the smallest weight to the largest.
            None: kernels on the colours of the image are shown in colour, others by their
            first channel.
        **style
            See `optogram.render.mosaic`, or `optogram.render.grid` for kernels in colour.
        """
        from optogram.render import grid, mosaic, scale_of, to_picture

        if channel is None and self.parameters["input"] in ("RGB", "BGR"):
            step = -1 if self.parameters["input"] == "BGR" else 1
            pictures = np.moveaxis(to_picture(self.values), -1, 0)[..., ::step]
            return grid(list(pictures), **style)
        shown = self.values[:, :, channel or 0]
        style = {"scale": scale_of(shown, signed=False), "cmap": "gray", **style}
        return mosaic(shown, **style)

    def plot(self) -> "Image":
        """The mosaic."""
        return self.mosaic()
