"""Progressive occlusion: a coarse map at once, then refinements up to the exact map."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.interpreters.precision import EXACT
from optogram.methods.occluding.covering import Covering
from optogram.methods.occluding.refinement import Refinement
from optogram.methods.occluding.verifying import checked as checked_cells
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
    precision: str = "exact",
    fit: str | None = None,
    known: Occlusion | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Iterator[Occlusion]:
    """`occlusion` from coarse to fine: yields maps that improve; the last one is exact.

    Distant positions are computed first, then positions between them, where the map changes most.
    Stop when a map is good enough. ``exact`` marks the computed cells of a map; the others are
    interpolated, and ``error`` is the error to expect. With ``precision="fast"`` cells are
    computed in bfloat16, and only a few again exactly: the last map is that of `occlusion` with
    this precision.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        One image, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score; several get one map each. None: the highest-scoring class.
    patch, stride, fill, fill_space, margin, score, incremental, precision, fit
        See `occlusion`. Most useful with a small stride.
    known : Occlusion, optional
        A map that an earlier call with the same arguments has yielded: its exact cells are not
        computed again. Not with ``precision="fast"``.
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
        precision=precision,
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
        if precision != EXACT:
            raise InputError(
                'known is a map of exact cells: leave it out, or leave out precision="fast".'
            )
        _require_same(known, covering)
        cells = np.argwhere(known.exact)
        refinement.learn(cells, known.scores[:, cells[:, 0], cells[:, 1]])
    return _refined(covering, refinement, progress)


def _require_same(known: Occlusion, covering: Covering) -> None:
    """Raise an InputError if a map was computed with other arguments."""
    answer = covering.answer
    request = answer.request
    images = request.net.display(request.x)[request.which]  # one for each target
    is_same = (
        known.exact.shape == covering.patches.shape
        and {name: known.parameters.get(name) for name in covering.parameters}
        == covering.parameters
        and known.targets == answer.names
        and np.array_equal(known.images, images)
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
    is_exact, found, shift = refinement.known.copy(), None, np.zeros((1, 1))

    def made(warnings: Sequence[str] = ()) -> Occlusion:
        # Copies: the next round changes what is known.
        exact = refinement.known.copy() if found is None else is_exact.copy()
        scores, error = refinement.estimate(), refinement.error()
        return covering.result(scores, exact, warnings, found and found.rounding, error)

    if known == total:
        yield made()
    with reporting(progress) as told:
        while len(cells := refinement.next()):
            scores = covering.scores(0, cells, continued(told, known, total))
            if covering.answer.request.exact is not None and found is None:
                found = checked_cells(covering, cells, scores)
                shift = (found.rounding.answer.scores - covering.answer.scores)[:, None]
                is_exact[tuple(cells[found.exact].T)] = True
                refinement.learn(cells, found.scores)
            else:
                refinement.learn(cells, scores + shift)
            known += len(cells)
            warnings = []
            if known < total:
                share = 100 * known // total
                how = "exact" if found is None else "computed"
                warnings.append(f"{share} % of the cells are {how}, the others are interpolated.")
            yield made(warnings)
