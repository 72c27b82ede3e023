"""Progressive occlusion: a coarse map at once, then refinements up to the exact map."""

from collections.abc import Iterator
from typing import Any

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.methods.occluding.covering import Covering
from optogram.methods.occluding.refinement import Refinement
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import Occlusion

_TOGETHER = 64


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
        If image or target cannot be used, there are several images, or the patch does not fit.
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
    return _refined(covering, progress)


def _refined(covering: Covering, progress: ShownProgress) -> Iterator[Occlusion]:
    """Yield the maps."""
    shape = covering.patches.shape
    refinement = Refinement(len(covering.answer.request.which), shape)
    total = refinement.known.size
    known = 0
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
