"""Concepts: what a network looks at in the photos of a class, found by factorization (CRAFT)."""

from collections import Counter
from typing import Any

import keras
import numpy as np

from optogram.arguments import MOST_SEED, checked, number, whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.behind import Behind
from optogram.methods.ascent.recipe import Recipe
from optogram.methods.factorizing.crops import Crops
from optogram.methods.factorizing.factors import (
    coefficients,
    factors_of,
    rectified,
    relative_error,
)
from optogram.methods.factorizing.sobol import design as masks_of
from optogram.methods.factorizing.sobol import total_indices
from optogram.methods.maximize import maximize
from optogram.methods.request.explained_layer import explained_layers
from optogram.methods.request.photo_list import ReadPhotos, read_photos
from optogram.methods.request.request import Request, ask, provenance_of, weighted_sums
from optogram.methods.request.scikit_learn import require_scikit_learn
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, reporting
from optogram.result import Concepts
from optogram.target import Class, Direction, targets_of

_FEW = 0.5
"""Share of photos that are of the explained class, below which there is a warning."""


@checked
def concepts(
    net: Network,
    photos: Any,
    layer: str | None = None,
    target: Any = None,
    *,
    concepts: int = 20,
    patch: int | None = None,
    alpha: float = 0.01,
    design: int = 32,
    recipe: str | Recipe | None = None,
    score: str = "logit",
    fit: str = "stretch",
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Concepts:
    """What a network looks at in the photos of one class: parts, each with its importance.

    Fel et al., "CRAFT: concept recursive activation factorization for explainability" (2023).
    Crops of the photos are enlarged to the input size, and the means A (crops, channels) of the
    layer's maps are factorized, A ≈ U W with U and W not negative (NMF): the rows of W are the
    concepts. The coefficients of each position of a photo's own maps are the non-negative least
    squares for these W: the concept's map of the photo. The importance of a concept is the mean
    over photos of its total Sobol index: the share of the variance of the score, computed from
    (m · U) W by what lies behind the layer, that it takes part in when the factors m of all
    concepts vary in 0…1.

    Needs scikit-learn.

    Parameters
    ----------
    net : Network
        The network.
    photos : path, sequence of what `Network.prepare` takes, or stream
        Photos of one class, as for `strongest_images`; or a prepared batch. They are held in memory
        at the input size, with their maps.
    layer : str, optional
        A late layer with feature maps. None: `Network.default_layer`. Negative activations are set
        to 0, which a warning says.
    target : Target, int, str or function, optional
        The score. None: the class that most of the photos are predicted to be.
    concepts : int
        Number of concepts, at most that of crops and of channels.
    patch : int, optional
        Shorter side of the crops in pixels of the input. None: 2/7 of its shorter side, the
        published 64 of 224. Crops cover a photo evenly, 16 of them by default.
    alpha : float
        Weight of the squares of U and W in the factorization, as published; see scikit-learn's
        ``alpha_W``. The coefficients of the result are without it.
    design : int
        Number n of samples of the Sobol indices: (concepts + 2) · n passes for each photo, from the
        layer on. Best a power of 2.
    recipe : str or Recipe, optional
        Make an image of each concept by `maximize` of its direction: "tutorial", "fast", "lucid" or
        "maco". None: no images.
    score : {"logit", "probability"}
        Score of a class.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    seed : int
        Random seed of the factorization, of the samples and of the images.
    memory : float or str, optional
        Memory budget of the passes in bytes, or a string such as ``"2GB"``; None: a quarter of the
        free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Concepts
        ``values`` (concepts,): the importance of each concept, largest first; ``directions``, for
        every method that takes a target; `plot` shows the strongest crops, `overlay` a map over a
        photo. ``reconstruction_error`` and ``map_error`` say how much of the activations of crops
        and of positions the concepts leave out, and ``rebuilt`` what is left of the score. Photos
        of a folder that cannot be read are skipped: ``unread`` lists them, and a warning for each
        gives the reason.

    Raises
    ------
    InputError
        If scikit-learn is not installed, the layer has no feature maps or the score does not depend
        on it, no photo can be read, or there are fewer crops or channels than concepts.
    """
    require_scikit_learn("og.concepts")
    count, samples = whole("concepts", concepts, 1), whole("design", design, 2)
    alpha, seed = number("alpha", alpha, 0), whole("seed", seed, 0, MOST_SEED)
    if target is not None and len(targets_of(target)) != 1:
        raise InputError("The concepts of one score are computed: give one target.")
    with reporting(progress) as told:
        read = read_photos(net, photos, fit, told)
        request, notes = _explained(net, read, target, score, memory)
        layers = explained_layers(request, layer)
        if not layers.is_one:
            raise InputError("layer must be the name of one layer.")
        name, output = layers.each[0].name, layers.each[0].output
        weights = {out: array[:, :1] for out, array in request.weights().items()}
        maps, *scored = request.net.evaluate(request.x, [output, *weights], memory)
        scores = weighted_sums(scored, weights).reshape(-1)
        maps, negative = rectified(maps.astype(np.float32), name)
        crops = Crops(request.x, patch)
        pooled = _pooled(request.net, crops, output, memory, told)
        factors = factors_of(pooled, count, alpha, seed)
        used, at = (coefficients(array, factors.directions) for array in (pooled, maps))
        behind = Behind(request.net, output, list(weights))
        every = masks_of(len(factors.directions), samples, seed)
        found, rebuilt = _importance(
            behind, request, at, factors.directions, weights, every, memory, told
        )
        order = np.argsort(-found.mean(axis=0), kind="stable")
        directions = factors.directions[order]
        images = (
            None
            if recipe is None
            else maximize(
                net, Direction(name, directions), recipe, seed=seed, memory=memory, progress=told
            ).images
        )
    found = found[:, order]
    if not found.any():
        notes.append("The score does not change with any concept: importance has no meaning.")
    spread = found.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else None
    photo_of = np.repeat(np.array(read.numbers), len(crops.windows))
    return Concepts(
        values=found.mean(axis=0).astype(np.float32),
        method="concepts",
        parameters={
            "concepts": count,
            "patch": crops.patch,
            "alpha": alpha,
            "design": samples,
            "score": score,
            "fit": fit,
            "size": request.size,
            "seed": seed,
        },
        provenance={**provenance_of(net, request.x.shape[1:]), "resample": net.resample},
        warnings=tuple(
            dict.fromkeys(
                [
                    *net.warnings,
                    *request.warnings,
                    *layers.each[0].warnings,
                    *notes,
                    *negative,
                    *factors.warnings,
                    *read.unread.values(),
                ]
            )
        ),
        layer=name,
        target=(request.targets or ())[0].describe(request.net),
        importance=found.astype(np.float32),
        errors=np.full(len(order), np.nan, np.float32)
        if spread is None
        else spread.astype(np.float32),
        vectors=directions,
        coefficients=used[:, order],
        crop_photos=photo_of,
        windows=np.tile(crops.windows, (len(request.x), 1)),
        maps=at[..., order],
        map_error=relative_error(maps, at, factors.directions),
        score=scores.astype(np.float32),
        rebuilt=rebuilt.astype(np.float32),
        reconstruction_error=relative_error(pooled, used, factors.directions),
        images=images,
        photos=read.names,
        read=np.array(read.numbers),
        unread=tuple(read.unread),
        opened=read.opened,
    )


def _explained(
    net: Network, read: ReadPhotos, target: Any, score: str, memory: float | str | None
) -> tuple[Request, list[str]]:
    """The request about one target, and warnings."""
    request = ask(net, read.x, target, score)
    if target is not None:
        return request, []
    answered = request.answer(memory).request.targets or ()
    ((chosen, most),) = Counter(answered).most_common(1)
    assert isinstance(chosen, Class)
    notes = []
    if most < _FEW * len(answered):
        notes.append(
            f"{chosen.describe(net)} is the predicted class of {most} of {len(answered)} photos "
            "only: give photos of one class, or a target."
        )
    return ask(net, read.x, chosen, score), notes


def _pooled(
    net: Network, crops: Crops, output: Output, memory: float | str | None, told: Progress
) -> np.ndarray:
    """The means of the maps of each crop over positions, (crops, channels), not negative."""
    found: list[np.ndarray] = []
    total, size = len(crops), crops.size
    for _, (means,) in net.stream(
        crops.__getitem__,
        total,
        size,
        [output],
        memory,
        lambda done, of, _: told(done, of, "crops"),
        then=_means,
    ):
        found.append(means)
    pooled = np.concatenate(found)
    if not np.isfinite(pooled).all():
        raise InputError("Activations of crops are NaN or infinite: choose another layer.")
    return pooled


def _means(maps: Any) -> Any:
    """The mean of the positive part of each map: (N, C) of (N, h, w, C)."""
    return keras.ops.mean(keras.ops.relu(keras.ops.cast(maps, "float32")), axis=(1, 2))


def _importance(
    behind: Behind,
    request: Request,
    used: np.ndarray,
    directions: np.ndarray,
    weights: dict[Output, np.ndarray],
    masks: np.ndarray,
    memory: float | str | None,
    told: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Total indices (N, K) of each photo, and its score (N,) with all concepts."""
    count = len(directions)
    masks = np.concatenate([masks, np.ones((1, count), np.float32)])
    found, rebuilt = np.empty((len(used), count)), np.empty(len(used))

    def scores(outputs: list[np.ndarray]) -> np.ndarray:
        return weighted_sums(outputs, weights).reshape(-1)

    for row, own in enumerate(used):
        made = behind.outputs(request.x[row : row + 1], own, directions, masks, scores, memory)
        found[row], rebuilt[row] = total_indices(made[:-1], count), made[-1]
        told(row + 1, len(used), "importance")
    return found, rebuilt
