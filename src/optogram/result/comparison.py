"""Several methods side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.result.attribution import Attribution
from optogram.result.plotting import require_tiles

if TYPE_CHECKING:
    from PIL.Image import Image

_CELL = 224


@checked
def side_by_side(results: Sequence[Attribution], columns: int = 4, *, cell: int = _CELL) -> "Image":
    """Results of several methods for the same images and targets, as one picture.

    Parameters
    ----------
    results : sequence of Attribution
        One per method, with the same explanations in the same order.
    columns : int
        Pictures per row, including the image itself.
    cell : int, default 224
        Longer side of each picture in pixels; 400 is a good size for slides.

    Returns
    -------
    PIL.Image.Image
        A block of pictures for each explanation, in the proportions of its photo; every map has its
        own scale.

    Raises
    ------
    InputError
        If there is no result, or the results explain different images or targets.
    """
    from optogram.render import compact, grid, resized, sheet, text_size, visible

    if not len(results):
        raise InputError("Expected at least one result to show, got none.")
    first = results[0]
    for result in results:
        if result.targets != first.targets or result.images.shape != first.images.shape:
            raise InputError(
                f"{result.method} explains {result.targets}, {first.method} explains "
                f"{first.targets}: give results for the same images and targets."
            )
    methods = [result.title for result in results]
    names = [
        f"{result.title}, {result.layer}"
        if methods.count(result.title) > 1 and result.layer
        else result.title
        for result in results
    ]
    labels = ["the photo", *names]
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
