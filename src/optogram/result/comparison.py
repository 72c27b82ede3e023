"""Results side by side: of several methods, or several atlases."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from optogram.arguments import checked, whole
from optogram.errors import InputError
from optogram.result.atlas import ActivationAtlas, default_grid, icon_side
from optogram.result.attribution import Attribution
from optogram.result.plotting import require_tiles

if TYPE_CHECKING:
    from PIL.Image import Image

_CELL = 224
_LONGEST = 24
"""Characters of a parameter in a caption."""


@checked
def side_by_side(
    results: Sequence[Attribution] | Sequence[ActivationAtlas],
    columns: int = 4,
    *,
    cell: int | None = None,
    grid: int | None = None,
) -> "Image":
    """Several results as one picture: methods for the same images, or activation atlases.

    Parameters
    ----------
    results : sequence of Attribution, or of ActivationAtlas
        Attributions: one per method, with the same explanations in the same order. Atlases: of
        several layers or networks, with a grid in common. Cells at the same place hold the same
        samples only if the atlases have the same layout (`activation_atlas` with ``layout``); one
        with another layout than the first is marked "own layout".
    columns : int
        Pictures per row, including the image itself.
    cell : int, optional
        Longer side of each picture in pixels, by default 224; 400 is a good size for slides. Of
        atlases, side of an icon, as in `ActivationAtlas.plot`.
    grid : int, optional
        Of atlases, number of rows of the grid. None: the finest of the grids that all have with at
        most 20 rows, else the coarsest.

    Returns
    -------
    PIL.Image.Image
        Of attributions, a block of pictures for each explanation, in the proportions of its photo;
        every map has its own scale. Of atlases, one grid of each, with the layer below it, and the
        network if they differ.

    Raises
    ------
    InputError
        If there is no result, the results explain different images or targets, the atlases have no
        grid in common, or ``grid`` is given for attributions.
    """
    if not len(results):
        raise InputError("Expected at least one result to show, got none.")
    atlases = [result for result in results if isinstance(result, ActivationAtlas)]
    if atlases:
        return _atlases(atlases, columns, cell, grid)
    if grid is not None:
        raise InputError("grid is for activation atlases: leave it out for attributions.")
    attributions = [result for result in results if isinstance(result, Attribution)]
    return _attributions(attributions, columns, _CELL if cell is None else cell)


def _atlases(
    atlases: Sequence[ActivationAtlas], columns: int, cell: int | None, side: int | None
) -> "Image":
    """One grid of each atlas."""
    from optogram.render import grid, require_room, text_size

    shared = set.intersection(*(set(atlas.grids) for atlas in atlases))
    if not shared:
        each = "; ".join(
            f"{atlas.layer!r} has {', '.join(map(str, atlas.grids))}" for atlas in atlases
        )
        raise InputError(
            f"The atlases have no grid in common: {each} rows. Make them with the same grids."
        )
    if side is not None and side not in shared:
        raise InputError(
            f"The grids that all atlases have are of {', '.join(map(str, sorted(shared)))} rows, "
            f"none of {side}."
        )
    side = default_grid(shared) if side is None else side
    columns = min(whole("columns", columns, 1), len(atlases))
    icon = max(icon_side(atlas, cell) for atlas in atlases)
    require_room(columns * icon * side, -(-len(atlases) // columns) * icon * side)
    first = atlases[0]
    networks = {atlas.provenance["network"] for atlas in atlases}
    labels = [
        ", ".join(
            [
                *([atlas.provenance["network"]] if len(networks) > 1 else []),
                atlas.layer,
                *([] if np.array_equal(atlas.layout, first.layout) else ["own layout"]),
            ]
        )
        for atlas in atlases
    ]
    text = text_size(icon * side, icon * side)
    pictures = [atlas.plot(side, icon) for atlas in atlases]
    return grid(pictures, columns=columns, cell=icon * side, labels=labels, margin=text)


def _attributions(results: Sequence[Attribution], columns: int, cell: int) -> "Image":
    """A block of pictures for each explanation."""
    from optogram.render import compact, grid, resized, sheet, text_size, visible

    first = results[0]
    for result in results:
        if result.targets != first.targets or result.images.shape != first.images.shape:
            raise InputError(
                f"{result.method} explains {result.targets}, {first.method} explains "
                f"{first.targets}: give results for the same images and targets."
            )
    labels = ["the photo", *_told_apart(results)]
    columns = min(columns, len(labels))
    require_tiles(cell, len(first.targets) * -(-len(labels) // columns), columns)
    text = text_size(cell, cell)
    blocks = [
        grid(
            [
                resized(visible(first.images[i]), first.shown_size(i, cell)),
                *(result.picture(i, cell) for result in results),
            ],
            columns=columns,
            labels=labels,
            margin=text // 2,
        )
        for i in range(len(first.targets))
    ]
    captions = [
        f"{target}\n{first.score_unit} {compact(float(score))}"
        for target, score in zip(first.targets, first.score, strict=True)
    ]
    return sheet([[block] for block in blocks], captions=captions, text=text)


def _told_apart(results: Sequence[Attribution]) -> list[str]:
    """The titles of results; of one method, with the layers and the parameters that differ."""
    named = []
    for result in results:
        alike = [other for other in results if other.title == result.title]
        name = result.title
        if len({other.layer for other in alike}) > 1:
            alike = [other for other in alike if other.layer == result.layer]
            name += f", {result.layer}" if result.layer else ""
        differing = [
            f"{key} {_short(value)}"
            for key, value in result.parameters.items()
            if len({repr(other.parameters.get(key)) for other in alike}) > 1
        ]
        named.append(", ".join([name, *differing]))
    return named


def _short(value: object) -> str:
    """A parameter, in a caption."""
    if isinstance(value, tuple | list):
        return "×".join(map(_short, value))
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
