"""Progressive occlusion: a coarse map at once, then refinements up to the exact map."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.methods.occluding.covering import Covering
from optogram.methods.occluding.refinement import Refinement
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import Occlusion

_TOGETHER = 64
_ROUNDING = 1e-3
"""Scores of the unchanged image may differ by so much, as between kinds of machines."""


@checked
def progressive_occlusion(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    patch: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    fill: float | str = 127.5,
    fill_space: str = "display",
    margin: int = 0,
    score: str = "logit",
    incremental: bool = True,
    fit: str | None = None,
    known: Occlusion | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Iterator[Occlusion]:
    """`occlusion` from coarse to fine: yields maps that improve; the last one is exact.

    Distant positions are computed first, then positions between them, where the map changes most.
    Stop when a map is good enough. ``exact`` marks the computed cells of a map; the others are
    interpolated.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        One image, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score; several get one map each. None: the highest-scoring class.
    patch, stride, fill, fill_space, margin, score, incremental, fit
        See `occlusion`. Most useful with a small stride.
    known : Occlusion, optional
        A map that an earlier call with the same arguments has yielded: its exact cells are not
        computed again.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    iterator of Occlusion
        Maps of the same shape, each with about twice as many exact cells as the one before.

    Raises
    ------
    InputError
        If image or target cannot be used, there are several images, the patch does not fit, or
        ``known`` is a map of something else.
    """
    covering = Covering(
        net,
        image,
        target,
        patch=patch,
        stride=stride,
        fill=fill,
        fill_space=fill_space,
        margin=margin,
        score=score,
        incremental=incremental,
        fit=fit,
        memory=memory,
        together=_TOGETHER,
    )
    images = len(covering.answer.request.x)
    if images > 1:
        raise InputError(f"Expected one image, got {images}: refine one map at a time.")
    shape = covering.patches.shape
    refinement = Refinement(len(covering.answer.request.which), shape)
    if known is not None:
        _require_same(known, covering)
        cells = np.argwhere(known.exact)
        refinement.learn(cells, known.scores[:, cells[:, 0], cells[:, 1]])
    return _refined(covering, refinement, progress)


def _require_same(known: Occlusion, covering: Covering) -> None:
    """Raise an InputError if a map was computed with other arguments."""
    answer = covering.answer
    is_same = (
        known.exact.shape == covering.patches.shape
        and {name: known.parameters.get(name) for name in covering.parameters}
        == covering.parameters
        and known.targets == answer.names
        and np.array_equal(known.images, answer.request.net.display(answer.request.x))
        and known.score.shape == answer.scores.shape
        and np.allclose(known.score, answer.scores, rtol=_ROUNDING, atol=_ROUNDING)
    )
    if not is_same:
        raise InputError(
            "known is a map of another image, target, network or patch: give a map that an "
            "earlier call with the same arguments has yielded."
        )


def _refined(
    covering: Covering, refinement: Refinement, progress: ShownProgress
) -> Iterator[Occlusion]:
    """Yield the maps."""
    total = refinement.known.size
    known = int(refinement.known.sum())
    if known == total:
        yield covering.result(refinement.estimate(), refinement.known.copy())
    with reporting(progress) as told:
        while len(cells := refinement.next()):
            more = continued(told, known, total)
            refinement.learn(cells, covering.scores(0, cells, more))
            known += len(cells)
            warnings = []
            if known < total:
                share = 100 * known // total
                warnings.append(f"{share} % of the cells are exact, the others are interpolated.")
            # A copy: the next round changes what is known.
            yield covering.result(refinement.estimate(), refinement.known.copy(), warnings)
