"""What activates a unit: a pattern that is made, and the strongest crops of photos."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optogram.errors import OptogramError
from optogram.methods.maximize import maximize
from optogram.methods.strongest_images import strongest_images
from optogram.network.network import Network
from optogram.result import StrongestImages
from optogram.target import Filter, require_channel
from optogram.web.asking import FILTER, LAYER, MODEL, PHOTO, Tell, question
from optogram.web.opening import call, made_again, place_of
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.questions.photos import visible
from optogram.web.workspace import Workspace

CROPS = 9
"""Crops of photos for each filter."""
_CROP_SIDE = 224
"""Height and width of a crop, at most; larger ones are shrunk."""
_LISTED = 20
"""Photos that Python lines name, at most."""
_FRAMES = 8
"""Steps between images of a pattern that is made."""


@question(MODEL, LAYER, FILTER, is_long=True)
def pattern(workspace: Workspace, tell: Tell, model: Network, layer: str, filter: int) -> Answer:
    """An image that maximizes the mean of a filter's map, uint8 (H, W, 3 or 1), as it grows."""

    def show(_: int, frame: np.ndarray) -> None:
        tell.partial(Answer({}, {"pixels": visible(frame)}))

    made = maximize(
        model, Filter(layer, filter), frames=_FRAMES, on_frame=show, progress=tell.progress
    )
    making = call("maximize", "net", f"og.Filter({layer!r}, {filter})")
    lines = [f"result = {making}", "pixels = result.images[0]"]
    command = ["maximize", "--layer", layer, "--filters", str(filter)]
    about = {
        "score": made.score[0],
        "warnings": made.warnings,
        **made_again(workspace, model, lines, command),
    }
    return Answer(about, {"pixels": visible(made.images[0])})


@question(MODEL, LAYER, FILTER, is_long=True)
def strongest_crops(
    workspace: Workspace, tell: Tell, model: Network, layer: str, filter: int
) -> Answer:
    """The parts of the folder's photos that activate a filter most: uint8 arrays crop0, crop1, …

    `photos` is the number of photos of the folder; 0: there is no folder.
    """
    if not workspace.folder:
        return Answer({"photos": 0, "crops": []})

    def make() -> tuple[Any, int]:
        found = _strongest(workspace, tell, model, layer)
        arrays = (found.values, found.indices, found.positions, found.windows)
        return found, sum(array.nbytes for array in arrays)

    found = workspace.objects.once(("strongest", id(model), layer), make)
    row = require_channel(filter, len(found.filters), layer)
    answer = _cropped(found, row, len(found.photos))
    again = _search_again(workspace, model, layer, filter)
    return Answer({**answer.about, **again}, answer.arrays)


def _search_again(
    workspace: Workspace, model: Network, layer: str, filter: int
) -> dict[str, str | None]:
    """How the search for the strongest photos is made again, for one filter."""
    folder, files = workspace.searched, list(map(str, workspace.folder))
    before, photos = list[str](), repr(files)
    command: Sequence[str] | str = "optogram strongest searches one folder."
    if folder is not None:
        photos = repr(folder)
        asked = ["--layer", layer, "--filters", str(filter), "--top", str(CROPS)]
        command = ["strongest", *asked, "--", folder]
    elif len(files) > _LISTED:
        before, photos = ["# photos: the files that the explorer was started with"], "photos"
    given = {"top": CROPS, "filters": [filter]}
    search = call("strongest_images", "net", repr(layer), photos, **given)
    return made_again(workspace, model, [*before, f"result = {search}"], command)


@question(MODEL, PHOTO, LAYER, FILTER)
def photo_crop(
    workspace: Workspace, tell: Tell, model: Network, photo: Photo, layer: str, filter: int
) -> Answer:
    """The part of a photo that activates a filter most: an uint8 array crop0."""
    found = strongest_images(model, layer, [photo.source], top=1, filters=[filter])
    answer = _cropped(found, 0, 1)
    photos, given = f"[{place_of(photo)!r}]", {"top": 1, "filters": [filter]}
    search = call("strongest_images", "net", repr(layer), photos, **given)
    about = {
        "crops": [{**answer.about["crops"][0], "photo": photo.name}],
        **made_again(
            workspace, model, [f"result = {search}"], "optogram strongest searches a folder."
        ),
    }
    return Answer(about, answer.arrays)


def _cropped(found: StrongestImages, row: int, photos: int) -> Answer:
    """The crops of the filter in a row of a result."""
    crops, arrays = [], {}
    for rank, index in enumerate(found.indices[row]):
        if index < 0:
            break
        crop = found.crop(row, rank).convert("RGB")
        crop.thumbnail((_CROP_SIDE, _CROP_SIDE))
        arrays[f"crop{rank}"] = np.asarray(crop)
        value = float(found.values[row, rank])
        crops.append({"photo": Path(found.photos[index]).name, "value": value})
    return Answer({"photos": photos, "crops": crops}, arrays)


def _strongest(workspace: Workspace, tell: Tell, model: Network, layer: str) -> StrongestImages:
    """The strongest photos of all filters of a layer; files that cannot be read are left out.

    A search that was stopped goes on where it was.
    """
    files = workspace.folder
    name = hashlib.sha256(f"{workspace.networks.index(model)} {layer}".encode()).hexdigest()
    saved = workspace.scratch / f"{name}.npz"

    def search(photos: Sequence[Path]) -> StrongestImages:
        return strongest_images(
            model, layer, photos, CROPS, checkpoint=saved, progress=tell.progress
        )

    try:
        return search(files)
    except OptogramError:
        readable = [file for file in files if _is_readable(model, file)]
        if not readable or len(readable) == len(files):
            raise
    return search(readable)


def _is_readable(model: Network, file: Path) -> bool:
    try:
        model.prepare(file)
    except OptogramError:
        return False
    return True
