"""Activation atlases: a map of the activations of a layer, with an image for each region."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optogram.arguments import MOST_SEED, checked, whole, wholes
from optogram.errors import InputError, OutputError
from optogram.files import kind_at
from optogram.graph.steps import Output
from optogram.methods.ascent.recipe import Recipe, recipe_of
from optogram.methods.mapping.layout import Cells, cells_of, laid_out, require_umap
from optogram.methods.mapping.samples import (
    Position,
    Sampler,
    Samples,
    random_positions,
    taken,
)
from optogram.methods.maximize import maximize
from optogram.methods.request.checkpoint import Checkpoint, fingerprint
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.pictures.sources import is_stream
from optogram.progress import Progress, ShownProgress, reporting
from optogram.result import ActivationAtlas
from optogram.target import Direction

_ICON = 80
"""Side of icons in pixels, at most, as published."""
_COSINE = 2.0
"""Exponent of the cosine, as in Lucid."""
_MEMBERS = 12
"""Members that are listed for each cell."""
_RIDGE = 1e-3
"""What is added to the diagonal of the second moments, as part of its mean."""
_GRAY = 128


@checked
def activation_atlas(
    net: Network,
    layer: str,
    photos: Any,
    recipe: str | Recipe = "fast",
    *,
    grids: Sequence[int] = (10, 20, 40),
    least: int = 5,
    positions: int = 1,
    layout: ActivationAtlas | None = None,
    whiten: bool = False,
    fit: str = "stretch",
    seed: int = 0,
    checkpoint: str | os.PathLike | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
    **changes: Any,
) -> ActivationAtlas:
    """A map of what a layer distinguishes, from its activations for many photos.

    Carter, Armstrong, Schubert, Johnson and Olah, "Exploring neural networks with activation
    atlases" (2019). Activations h (channels,) are taken at random positions of the layer's maps,
    laid out in the plane by UMAP, and averaged over the cells of grids. For each cell, an image is
    made by activation maximization of its mean direction v: `maximize` of ``Direction(layer, v)``
    with ``cosine=2``, that is of h·v · max(0.1, cos(h, v))².

    The class of a cell is the one with the largest mean of h · ∂logit/∂h over its samples, each
    with the gradient of its own photo, at its own position. Networks with more than 20 classes are
    asked for the gradient of the predicted class of each photo only; other classes count 0 there.

    Parameters
    ----------
    net : Network
        The network.
    layer : str
        Name of a layer with feature maps or units.
    photos : path, sequence of what `Network.prepare` takes, or stream
        As for `strongest_images`. All activations are held: 4 bytes for each sample and channel.
    recipe : str or Recipe
        Recipe of the icons: "tutorial", "fast", "lucid" or "maco"; see `Recipe`.
    grids : sequence of int
        Number of rows and columns of each grid, 1 to 1000. Carter et al.: 20, 40, 80 and 160 for
        1 000 000 samples.
    least : int
        Cells with fewer samples are left out.
    positions : int
        Samples per photo, at distinct random positions. The outermost rows and columns of maps
        larger than 4×4 are left out.
    layout : ActivationAtlas, optional
        Another atlas, of the same photos: its layout and positions (in proportion) are taken, so
        that the same cells hold the same photos, and two layers or two networks can be compared
        cell by cell. ``positions`` and ``seed`` are then those of that atlas.
    whiten : bool
        Multiply the mean of each cell by the inverse of the second moments E[h hᵀ] of all samples
        (plus 0.001 of the mean of its diagonal) before maximization, as in Lucid.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    seed : int
        Random seed of positions, layout and icons. The layout also depends on the rounding of
        activations, so it may differ between backends.
    checkpoint : path, optional
        A folder for intermediate results, which is created if needed: an interrupted run continues
        from it. Not for streams, which cannot be read again.
    memory : float or str, optional
        Memory budget of passes and icons in bytes, or a string such as ``"2GB"``; None: a quarter
        of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.
    **changes
        Fields of the recipe to change: ``steps=300``, ``cosine=1``, ``side=48`` (of icons in
        pixels; by default 80, or the side of the network's input if that is smaller).

    Returns
    -------
    ActivationAtlas
        ``values`` (cells, channels), the mean activation of each cell with at least ``least``
        samples, with ``icons``, ``classes``, ``counts`` and ``members``; `plot` shows a grid.
        Photos of a folder that cannot be read are skipped: ``unread`` lists them, and a warning
        for each gives the reason.

    Raises
    ------
    InputError
        If umap-learn is not installed, there are too few samples, a grid has no cell with enough
        samples, no photo can be read, or ``checkpoint`` belongs to another run.
    """
    output = _output(net, layer)
    sides = tuple(sorted(set(wholes("grids", grids, 1, 1000))))
    least, positions = whole("least", least, 1), whole("positions", positions, 1)
    seed = whole("seed", seed, 0, MOST_SEED)
    chosen = _recipe(net, recipe, changes)
    if layout is None:
        require_umap()  # before the photos are read
    place = random_positions(positions, seed) if layout is None else _positions_of(layout)
    sampler = Sampler(net, output, fit, place, memory)
    if checkpoint is not None and is_stream(photos):
        raise InputError(
            "checkpoint needs a folder or a list of photos: a stream cannot be read again."
        )
    folder = None if checkpoint is None else _folder(Path(checkpoint))
    saved = None
    if folder:
        at = None if layout is None else (layout.sampled, layout.positions)
        asked = (layer, fit, net.resample, positions, seed, at)
        mark = fingerprint(net, _asked(sampler), sampler.size, *asked)
        saved = Checkpoint(folder / "samples.npz", mark, "activation_atlas")
    with reporting(progress) as told:
        samples = taken(photos, sampler, saved, told)
        _require_finite(samples, layer)
        if layout is None:
            told(0, 1, "layout")
            plane = laid_out(samples.activations, seed)
            told(1, 1, "layout")
        else:
            _require_same(layout, samples)
            plane = layout.layout
        return atlas_of(
            sampler, layer, samples, plane, sides, least, chosen, whiten, seed, folder, told
        )


def atlas_of(
    sampler: Sampler,
    layer: str,
    samples: Samples,
    plane: np.ndarray,
    grids: tuple[int, ...],
    least: int,
    recipe: Recipe,
    whiten: bool,
    seed: int,
    folder: Path | None,
    progress: Progress,
) -> ActivationAtlas:
    """The atlas of ``samples`` at the places ``plane`` (n, 2)."""
    net, output = sampler.net, sampler.output
    cells = cells_of(plane, grids, least)
    means = np.stack([samples.activations[own].mean(axis=0) for own in cells.members])
    classes, contributions = _classes(samples, cells)
    maps = net.shape(output, sampler.size)
    shape = maps[:2] if len(maps) == 3 else (1, 1)
    icons, warnings = _icons(sampler, layer, samples, means, recipe, whiten, seed, folder, progress)
    has_maps = len(maps) == 3
    fields = net.geometry(sampler.size)[output.step].receptive_field
    windows = fields.boxes(samples.positions, sampler.size) if has_maps else None
    whole_photo = np.tile([0, 0, *sampler.size], (len(samples.positions), 1))
    return ActivationAtlas(
        values=means.astype(np.float32),
        method="activation_atlas",
        parameters={
            "grids": grids,
            "least": least,
            "whiten": whiten,
            "fit": sampler.fit,
            "size": sampler.size,
            "maps": shape,
            "steps": recipe.steps,
            "cosine": recipe.cosine,
            "seed": seed,
        },
        provenance={
            **provenance_of(net, (*sampler.size, net.channels)),
            "resample": net.resample,
        },
        warnings=(*net.warnings, *warnings, *samples.unread.values()),
        layer=layer,
        cell_grids=cells.grids,
        places=cells.places,
        counts=np.array([len(own) for own in cells.members]),
        members=np.stack([_nearest(samples, own) for own in cells.members]),
        icons=icons,
        classes=classes,
        contributions=contributions,
        labels=tuple(net.labels.names) if sampler.has_classes else (),
        layout=plane.astype(np.float32),
        sampled=samples.photos,
        positions=samples.positions,
        windows=whole_photo if windows is None else windows,
        photos=tuple(samples.names),
        unread=tuple(samples.unread),
        opened=samples.opened,
    )


def _output(net: Network, layer: str) -> Output:
    """The output of the layer: maps (N, h, w, C) or units (N, C)."""
    step = net.step(layer)
    if len(step.shape) not in (2, 4):
        raise InputError(
            f"{layer!r} has neither feature maps nor units, its output has the shape "
            f"{step.shape}: choose another layer."
        )
    return Output(step.index)


def _recipe(net: Network, recipe: str | Recipe, changes: dict[str, Any]) -> Recipe:
    """The recipe of the icons, with the defaults of an atlas where nothing else is asked for."""
    given = {"side": min(_ICON, *net.nominal_size)}
    if isinstance(recipe, str):
        given["cosine"] = _COSINE  # type: ignore[assignment]
    elif isinstance(recipe, Recipe) and recipe.side is not None:
        given = {}
    return recipe_of(recipe, {**given, **changes})


def _asked(sampler: Sampler) -> list[Output]:
    """The outputs that samples depend on."""
    return [sampler.output, *([sampler.net.head.logits] if sampler.has_classes else [])]


def _folder(path: Path) -> Path:
    """The folder of the checkpoint, created if needed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{path} is not a folder: give another one.") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be made: {error.strerror or error}.") from error
    if kind_at(path) != "folder":
        raise OutputError(f"{path} is not a folder: give another one.")
    return path


def _positions_of(other: ActivationAtlas) -> Position:
    """The positions of another atlas, in proportion to the size of the map."""
    rows, columns = other.parameters["maps"]
    order = np.argsort(other.sampled, kind="stable")
    photos = other.sampled[order]

    def positions(number: int, shape: tuple[int, int]) -> np.ndarray:
        own = other.positions[order[slice(*np.searchsorted(photos, [number, number + 1]))]]
        scaled = (own + 0.5) * [shape[0] / rows, shape[1] / columns]
        return np.minimum(scaled.astype(int), [shape[0] - 1, shape[1] - 1])

    return positions


def _require_same(layout: ActivationAtlas, samples: Samples) -> None:
    """Raise an InputError unless the samples are those of the other atlas, one by one."""
    is_same = tuple(samples.names) == layout.photos
    if not is_same or not np.array_equal(samples.photos, layout.sampled):
        raise InputError(
            "layout is the atlas of other photos: give the same photos, in the same order, or "
            "leave it out."
        )


def _require_finite(samples: Samples, layer: str) -> None:
    """Raise an InputError if an activation is NaN or infinite."""
    wrong = ~np.isfinite(samples.activations).all(axis=1)
    if wrong.any():
        name = samples.names[samples.photos[int(wrong.argmax())]]
        raise InputError(f"Activations of {layer!r} for {name} are NaN or infinite.")


def _classes(samples: Samples, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """The class of each cell, and its mean contribution; −1 and 0 without classes."""
    count = len(cells.members)
    classes, found = np.full(count, -1), np.zeros(count, np.float32)
    if samples.contributions is None:
        return classes, found
    for number, own in enumerate(cells.members):
        if samples.predicted is None:
            means = samples.contributions[own].mean(axis=0)
        else:
            means = np.bincount(samples.predicted[own], samples.contributions[own, 0]) / len(own)
            means[np.bincount(samples.predicted[own]) == 0] = -np.inf
        classes[number] = means.argmax()
        found[number] = means.max()
    return classes, found


def _nearest(samples: Samples, own: np.ndarray) -> np.ndarray:
    """(12,): the members nearest to the mean of a cell, by cosine; −1 if there are fewer."""
    vectors = samples.activations[own]
    norms = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
    order = np.argsort(-(vectors @ vectors.mean(axis=0)) / norms, kind="stable")[:_MEMBERS]
    found = np.full(_MEMBERS, -1)
    found[: len(order)] = own[order]
    return found


def _icons(
    sampler: Sampler,
    layer: str,
    samples: Samples,
    means: np.ndarray,
    recipe: Recipe,
    whiten: bool,
    seed: int,
    folder: Path | None,
    progress: Progress,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """An image for each mean, and the warnings about them; gray for means that are zero."""
    directions = _whitened(samples.activations, means) if whiten else means.astype(np.float64)
    norms = np.linalg.norm(directions, axis=1)
    alive = np.flatnonzero(norms > 0)
    if not len(alive):
        raise InputError(f"All sampled activations of {layer!r} are zero: choose another layer.")

    def told(done: int, total: int, what: str) -> None:
        progress(done * len(alive) // max(1, total), len(alive), "icons")

    made = maximize(
        sampler.net,
        Direction(layer, directions[alive] / norms[alive, None]),
        recipe,
        seed=seed,
        checkpoint=None if folder is None else folder / "icons.npz",
        memory=sampler.memory,
        progress=told,
    )
    icons = np.full((len(means), *made.images.shape[1:]), _GRAY, np.uint8)
    icons[alive] = made.images
    own = {*sampler.net.warnings}
    return icons, tuple(warning for warning in made.warnings if warning not in own)


def _whitened(activations: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Means (cells, channels) times the inverse of the second moments of all activations."""
    moments = activations.T.astype(np.float64) @ activations / len(activations)
    moments[np.diag_indices_from(moments)] += _RIDGE * np.trace(moments) / len(moments)
    return np.linalg.solve(moments, means.T).T
