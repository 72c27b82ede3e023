"""Deep feature factorization: the parts of photos that a layer tells apart."""

from typing import Any

import numpy as np

from optogram.arguments import MOST_SEED, checked, whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.behind import Behind
from optogram.methods.factorizing.factors import (
    coefficients,
    factors_of,
    rectified,
    relative_error,
)
from optogram.methods.request.diagnosis import warnings_about_images
from optogram.methods.request.explained_layer import step_with_maps
from optogram.methods.request.request import photos_of, provenance_of
from optogram.methods.request.scikit_learn import require_scikit_learn
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.progress import ShownProgress, reporting
from optogram.result import Factorization


@checked
def factorize(
    net: Network,
    image: Any,
    layer: str | None = None,
    *,
    concepts: int = 4,
    fit: str | None = None,
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Factorization:
    """The parts of one photo, or those that several photos share, by a layer's activations.

    Collins, Achanta and Süsstrunk, "Deep feature factorization for concept discovery" (2018): the
    activations A (positions of all photos, channels) are factorized, A ≈ U W with U and W not
    negative (NMF). Each row of W is a part, each column of U its map. What a part contributes to a
    class is the logit for U W less that without the part, computed by what lies behind the layer.

    Needs scikit-learn.

    Parameters
    ----------
    net : Network
        The network.
    image
        Image or images, as for `Network.prepare`. Several are factorized together: the same part
        has the same direction in all of them.
    layer : str, optional
        A layer with feature maps. None: `Network.default_layer`. Negative activations are set to 0,
        which a warning says.
    concepts : int
        Number of parts, at most that of positions and of channels.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.
    seed : int
        Random seed of the factorization.
    memory : float or str, optional
        Memory budget of the passes in bytes, or a string such as ``"2GB"``; None: a quarter of the
        free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Factorization
        ``values`` (N, h, w, parts): the map of each part, in units of activation, largest part
        first; ``directions``; ``contributions`` to the classes; `plot` colors the parts.

    Raises
    ------
    InputError
        If scikit-learn is not installed, the layer has no feature maps, or there are fewer
        positions or channels than parts.
    """
    require_scikit_learn("og.factorize")
    count, seed = whole("concepts", concepts, 1), whole("seed", seed, 0, MOST_SEED)
    name = net.default_layer if layer is None else layer
    output = Output(step_with_maps(net, name).index)
    x = net.fed(image, fit)
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    x = np.asarray(x)
    with reporting(progress) as told:
        (maps,) = net.evaluate(x, [output], memory, told)
        maps, negative = rectified(maps.astype(np.float32), name)
        factors = factors_of(maps.reshape(-1, maps.shape[-1]), count, 0.0, seed)
        used = coefficients(maps, factors.directions)
        order = np.argsort(-used.sum(axis=(0, 1, 2)), kind="stable")
        used, directions = used[..., order], factors.directions[order]
        contributions = _contributions(net, x, output, used, directions, memory)
    return Factorization(
        values=used,
        method="factorize",
        parameters={"concepts": count, "seed": seed},
        provenance=provenance_of(net, x.shape[1:], photos),
        warnings=tuple(
            dict.fromkeys(
                [
                    *net.warnings,
                    *warnings_about_images(net, x, photos),
                    *negative,
                    *factors.warnings,
                ]
            )
        ),
        layer=name,
        vectors=directions,
        reconstruction_error=relative_error(maps, used, directions),
        contributions=contributions,
        classes=()
        if contributions is None
        else tuple(map(net.labels.numbered_name, range(net.head.classes))),
        images=net.display(x),
        **photos_of(photos, range(len(x))),
    )


def _contributions(
    net: Network,
    x: np.ndarray,
    output: Output,
    used: np.ndarray,
    directions: np.ndarray,
    memory: float | str | None,
) -> np.ndarray | None:
    """(N, parts, classes): the logits with all parts less those without each part.

    None if the network has no class scores that depend on the layer.
    """
    head = net.head
    if (
        head.is_spatial
        or head.is_regression
        or output.step not in net.graph.ancestors([head.logits])
    ):
        return None
    behind, count = Behind(net, output, [head.logits]), len(directions)
    masks = np.concatenate([np.ones((1, count)), 1 - np.eye(count)]).astype(np.float32)
    logits = np.stack(
        [
            behind.outputs(x[i : i + 1], own, directions, masks, lambda made: made[0], memory)
            for i, own in enumerate(used)
        ]
    )
    found = logits[:, :1] - logits[:, 1:]
    if head.is_binary:
        found = np.concatenate([-found, found], axis=-1)
    if not np.isfinite(found).all():
        raise InputError("Logits are NaN or infinite: choose another layer.")
    return found.astype(np.float32)
