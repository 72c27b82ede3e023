"""The network in space: its blocks, and the maps of every step for a photo."""

from typing import Any

import numpy as np
from PIL import Image

from optogram.graph.steps import Step
from optogram.interpreters.walk import walk
from optogram.network.network import Network
from optogram.render.display import scale_of
from optogram.web.asking import MODEL, PHOTO, Tell, question, whole
from optogram.web.blocks import blocks_of
from optogram.web.packing import Answer, as_bytes
from optogram.web.photos import Photo
from optogram.web.workspace import Workspace

SIDE = 32
"""Height and width of the maps, at most; larger ones are shrunk by averaging."""


@question(MODEL, has_numbers=False)
def blocks(workspace: Workspace, tell: Tell, model: Network) -> Answer:
    """The blocks of a network: groups of steps, by nested models, names and branches."""
    model.require_layers()
    found = [
        {"name": block.name, "parent": block.parent, "steps": list(block.steps)}
        for block in blocks_of(model.graph.steps)
    ]
    return Answer({"blocks": found})


@question(
    MODEL,
    PHOTO,
    whole("count", "Maps of each step, at most: those that vary most.", 1, 25, default=9),
    is_long=True,
)
def stacks(workspace: Workspace, tell: Tell, model: Network, photo: Photo, count: int) -> Answer:
    """The maps of every step that vary most over a photo, at most 32×32, strongest first.

    Attention has a map for each head, a row for each query. Other outputs without rows and columns
    are one map, their values in rows. Answers that are not final
    have the next steps each; the final one has all.
    """
    model.require_layers()
    x = workspace.prepared(model, photo)
    listed: list[dict[str, Any]] = []
    tiles: list[np.ndarray] = []
    total = len(model.graph.steps)
    for part in walk(workspace.uncompiled(model), np.asarray(x)):
        made = [_stack(model.graph.steps[index], output[0], count) for index, output in part]
        own = [stack for stack, _ in made]
        maps = [array.ravel() for _, array in made]
        listed += own
        tiles += maps
        tell.partial(Answer({"stacks": own}, {"tiles": np.concatenate(maps)}))
        tell.progress(len(listed), total, f"{len(listed)} of {total} steps")
    return Answer({"stacks": listed}, {"tiles": np.concatenate(tiles)})


def _stack(step: Step, output: np.ndarray, count: int) -> tuple[dict[str, Any], np.ndarray]:
    """What is shown of the ``output`` of a step: a description, and uint8 (maps, h, w)."""
    output = np.asarray(output, np.float32)
    is_inside = len(step.shape) == 4 and not step.is_map  # of attention
    if is_inside and output.shape[0] > output.shape[2]:
        output = output.reshape(len(output), -1)  # a row for each token: its heads
    elif is_inside:
        output = np.moveaxis(output, 0, -1)
    is_maps = output.ndim == 3 and output.shape[:2] != (1, 1)
    scale = scale_of(output)
    if is_maps:
        channels = np.argsort(-output.std(axis=(0, 1)), kind="stable")[:count]
        maps = np.moveaxis(output[..., channels], -1, 0)
    else:
        channels = np.zeros(0, int)
        maps = _in_rows(output)[None]
    maps = np.stack([shrunk(each) for each in np.nan_to_num(maps, nan=0.0)])
    low, high = scale.low, scale.high
    about = {
        "step": step.index,
        "height": maps.shape[1],
        "width": maps.shape[2],
        "count": len(maps),
        "channels": channels.tolist(),
        "low": low,
        "high": high,
        "is_signed": low < 0,
    }
    return about, as_bytes(maps, low, high)


def _in_rows(values: np.ndarray) -> np.ndarray:
    """``values`` as a matrix: as it is, or a vector in rows of equal length, the rest 0."""
    if values.ndim == 2 and 1 not in values.shape:
        return values
    flat = values.ravel()
    width = int(np.ceil(np.sqrt(flat.size)))
    height = -(-flat.size // width)
    return np.pad(flat, (0, height * width - flat.size)).reshape(height, width)


def shrunk(values: np.ndarray) -> np.ndarray:
    """A map of at most `SIDE` in height and width."""
    height, width = values.shape
    factor = max(height, width) / SIDE
    if factor <= 1:
        return values
    size = max(1, round(width / factor)), max(1, round(height / factor))
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BOX))
