"""`optogram maps`: the feature maps of layers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say, shown_progress
from optogram.cli.options.attribution import memory_option, warn
from optogram.cli.options.network import (
    NETWORK_OPTIONS,
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
    require_folder,
)
from optogram.cli.options.output import quiet_option
from optogram.cli.options.parsing import file_stem, open_sides, sheet_sides
from optogram.cli.photos import Photos, unique_stems
from optogram.words import counted

if TYPE_CHECKING:
    from PIL.Image import Image

    from optogram.progress import Progress
    from optogram.result import FeatureMaps

_PER_MAP = {"layer": False, "map": True, "range": "range"}


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@click.option(
    "--layer",
    "layers",
    metavar="NAME|all",
    multiple=True,
    help='Layer whose maps are shown; repeatable, or a pattern such as "block*_pool".  [default: '
    "all convolutions and poolings]",
)
@click.option(
    "--size",
    metavar="HEIGHTxWIDTH",
    help='Input size, such as "310x400"; "x400" keeps the proportions of the photo.  [default: '
    "the size that the network takes]",
)
@click.option("--first", type=click.IntRange(1), help="Number of maps per layer.  [default: all]")
@click.option(
    "--grid",
    metavar="ROWSxCOLUMNS",
    callback=lambda context, option, value: None if value is None else sheet_sides(value),
    help="Maps per picture, such as 5x8; further maps go into further pictures. A single number is "
    "the number of columns, with all maps in one picture.  [default: all in one, near square]",
)
@click.option(
    "--cell", type=click.IntRange(1), help="Longer side of a map in the picture, in pixels."
)
@click.option(
    "--colors",
    metavar="NAME",
    help="Colormap: viridis, rocket, topo.colors(12), gray …  [default: depends on the values]",
)
@click.option(
    "--scale",
    type=click.Choice(list(_PER_MAP)),
    default="layer",
    show_default=True,
    help="Range of the colormap: all values of the layer, 0 to the maximum of each map, or the "
    "minimum to the maximum of each map.",
)
@click.option(
    "--each", is_flag=True, help="Also write each map to its own file, on the scale of the layer."
)
@click.option(
    "--strongest",
    type=click.IntRange(1),
    metavar="N",
    help="Also show the N maps with the highest means.",
)
@click.option(
    "--over-photo",
    is_flag=True,
    help="Also draw the strongest map (or the N of --strongest) over the photo at full size.",
)
@click.option(
    "--numbers",
    is_flag=True,
    help="Also write the strongest map (or the N of --strongest) as a CSV table.",
)
@click.option(
    "--arrays",
    is_flag=True,
    help="Also write the maps of each layer as .npz, for optogram.load_result.",
)
@click.option(
    "--together",
    is_flag=True,
    help="Also show the first maps of all layers in one picture, one row per layer: the number "
    "given by --first, or 5.",
)
@click.option(
    "--out",
    metavar="DIR",
    default="maps",
    show_default=True,
    help="Folder for the results; each photo gets a subfolder.",
)
@fit_option
@memory_option
@network_options
@quiet_option
def maps(
    photos: tuple[str, ...],
    model: str,
    layers: tuple[str, ...],
    size: str | None,
    together: bool,
    out: str,
    fit: str,
    memory: str | None,
    **others: Any,
) -> None:
    """Show the feature maps of a network for PHOTOS (files or folders).

    For each layer, DIR/PHOTO/NUMBER_LAYER_CHANNELS.png shows all maps on one scale, unless options
    say otherwise. Photos that cannot be read are skipped and listed on standard error; the exit
    status is then 1.
    """
    opening = {name: others.pop(name) for name in NETWORK_OPTIONS}
    asked = _Asked(**others)
    fed = None if size is None else open_sides(size)
    require_folder(out)
    given = Photos(photos)
    net = open_network(model, **opening)
    import optogram
    from optogram.progress import Meter
    from optogram.render import write

    names = None if not layers or "all" in layers else net.layer_names(layers)
    told = set(net.warnings)
    for path, stem in zip(given.paths, unique_stems(given.paths), strict=True):
        begun = time.monotonic()
        with given.reading(path), shown_progress() as progress:
            image = net.prepare([path], fit, fed)
            found = optogram.feature_maps(net, image, names, memory=memory, progress=progress)
            folder = made_folder(str(Path(out) / stem))
            say(f"{path}: {counted(len(found), 'layer')}, {time.monotonic() - begun:.1f} s")
            meter = Meter(progress, sum(result.values.shape[-1] for result in found.values()))
            digits, starts = len(str(len(found))), {}
            for number, (layer, result) in enumerate(found.items(), 1):
                count = result.values.shape[-1]
                starts[layer] = folder / f"{number:0{digits}}_{file_stem(layer)}_{count}"
                asked.require_places(result, starts[layer])
            for number, (layer, result) in enumerate(found.items(), 1):
                begun, (*_, height, width, count) = time.monotonic(), result.values.shape
                warn(f"{stem}, {layer}", result, told)
                start = starts[layer]
                with meter.part(count, f"{stem}: {layer}") as within:
                    strongest = asked.write(result, start, within)
                say(
                    f"{number:3} {layer}: {height}×{width}×{count}, strongest "
                    f"{', '.join(map(str, strongest))}, {time.monotonic() - begun:.2f} s: "
                    f"{start}.png"
                )
            if together:
                least = min(result.values.shape[-1] for result in found.values())
                shown = range(min(asked.first or 5, least))
                picture = optogram.layer_by_layer(
                    found, shown, cell=asked.cell or 160, cmap=asked.colors
                )
                say(write(picture, folder / "layers.png"))
    given.finish()


@dataclass(frozen=True)
class _Asked:
    """Drawing options of `optogram maps`, as the user gave them."""

    first: int | None
    grid: tuple[int | None, int] | None
    cell: int | None
    colors: str | None
    scale: str
    each: bool
    strongest: int | None
    over_photo: bool
    numbers: bool
    arrays: bool

    def write(self, result: "FeatureMaps", start: Path, progress: "Progress") -> list[int]:
        """Write the files of a layer, whose paths begin with ``start``.

        Returns the channels of the strongest maps.
        """
        from optogram.files import write_table
        from optogram.render import write

        for path, draw in self._pictures(result, start):
            write(draw(), path)
        if self.each:
            result.write_each(
                made_folder(str(start)),
                channels=self._shown(result),
                cell=self.cell,
                cmap=self.colors,
                progress=progress,
            )
        for path, channel in self._tables(result, start):
            write_table(result.matrix(channel), path)
        if self.arrays:
            result.save(_arrays(start))
        return self._strongest(result)

    def require_places(self, result: "FeatureMaps", start: Path) -> None:
        """Check that `write` will replace no file that optogram did not make."""
        from optogram.files import require_place

        for path, _ in (*self._pictures(result, start), *self._tables(result, start)):
            require_place(path)
        if self.arrays:
            require_place(_arrays(start))

    def _pictures(
        self, result: "FeatureMaps", start: Path
    ) -> "Iterator[tuple[Path, Callable[[], Image]]]":
        """The pictures of a layer: path and drawing function."""
        shown, ranked = self._shown(result), self._strongest(result)
        rows, columns = self.grid or (None, None)
        length = columns * rows if columns and rows else len(shown)
        style: dict[str, Any] = {"cell": self.cell, "cmap": self.colors}
        scale: dict[str, Any] = {"per_map": _PER_MAP[self.scale]}
        if self.scale == "layer":
            scale = {"scale": result.scale()}
        for first in range(0, len(shown), length):
            part = shown[first : first + length]
            suffix = f"_{part[0]}-{part[-1]}" if len(part) < len(shown) else ""
            yield (
                start.with_name(f"{start.name}{suffix}.png"),
                partial(result.mosaic, channels=part, columns=columns, **scale, **style),
            )
        if self.strongest:
            own: dict[str, Any] = {"columns": len(ranked), "labels": list(map(str, ranked))}
            yield (
                start.with_name(f"{start.name}_strongest.png"),
                partial(result.mosaic, channels=ranked, scale=result.scale(), **own, **style),
            )
        for channel in ranked if self.over_photo else ():
            yield (
                start.with_name(f"{start.name}_over_{channel}.png"),
                partial(result.overlay, channel, photo=True, cmap=self.colors),
            )

    def _tables(self, result: "FeatureMaps", start: Path) -> list[tuple[Path, int]]:
        """The maps written as tables: path and channel."""
        ranked = self._strongest(result) if self.numbers else []
        return [(start.with_name(f"{start.name}_{channel}.csv"), channel) for channel in ranked]

    def _shown(self, result: "FeatureMaps") -> range:
        count = result.values.shape[-1]
        return range(min(self.first or count, count))

    def _strongest(self, result: "FeatureMaps") -> list[int]:
        return [int(channel) for channel in result.strongest(self.strongest or 1)[0]]


def _arrays(start: Path) -> Path:
    """The file for the arrays of a layer."""
    return start.with_name(f"{start.name}.npz")
