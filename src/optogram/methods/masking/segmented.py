"""What KernelSHAP and LIME share: a linear model of the score of subsets of segments."""

from collections.abc import Callable
from typing import Any

import numpy as np

from optogram.arguments import MOST_SEED, number, whole
from optogram.errors import InputError
from optogram.methods.masking.converging import MOST_MASKS, until_converged
from optogram.methods.masking.subsets import FIRST, ShapleySubsets, Subsets
from optogram.methods.request.baseline import baseline_images, described
from optogram.methods.request.request import ask
from optogram.methods.request.rounding import repaid
from optogram.methods.request.segments import segments_of
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import SegmentAttribution


def explained_by_segments(
    method: str,
    subsets: Callable[..., Subsets],
    net: Network,
    image: Any,
    target: Any,
    *,
    segments: Any,
    masks: int,
    tolerance: float,
    baseline: Any,
    seed: int,
    score: str,
    precision: str,
    fit: str | None,
    memory: float | str | None,
    progress: ShownProgress,
) -> SegmentAttribution:
    """The result of ``method``, whose ``subsets`` are of that class.

    Raises
    ------
    InputError
        If an argument cannot be used, or there are fewer masks than twice the segments.
    """
    masks, tolerance = whole("masks", masks, 2, MOST_MASKS), number("tolerance", tolerance, 0)
    seed = whole("seed", seed, 0, MOST_SEED)
    request = ask(net, image, target, score, fit, precision=precision)
    request = repaid(request, min(masks, FIRST))
    base, labels = baseline_images(request, baseline), segments_of(request, segments)
    images, most = len(request.x), int(labels.max()) + 1
    if masks < 2 * most:
        raise InputError(
            f"masks must be at least twice the number of segments, {2 * most}, not {masks}."
        )
    targets = len(request.which) // images
    designs = [subsets(own, masks, seed, targets) for own in labels]
    total = 2 * images + sum(design.count for design in designs)
    with reporting(progress) as told:
        answer = request.answer(memory, continued(told, 0, total))
        request = answer.request
        (empty,) = request.scores_of_variants(
            lambda i, _: base[i], 1, memory, continued(told, images, total)
        ).T
        for i, design in enumerate(designs):
            if isinstance(design, ShapleySubsets):
                own = request.which == i
                design.ends_of_scores = np.stack([empty[own], answer.scores[own]], axis=1)
        found = until_converged(
            answer, base, designs, tolerance, memory, continued(told, 2 * images, total)
        )
    kept = np.full((2, len(request.which), most), np.nan, np.float32)
    explained = np.empty(len(request.which), np.float32)
    for i, design in enumerate(designs):
        for row, explanation in enumerate(np.flatnonzero(request.which == i)):
            one = design.fits[row]
            kept[0, explanation, : len(one.error)] = one.coefficients
            kept[1, explanation, : len(one.error)] = one.error
            explained[explanation] = one.r_squared
    parameters = {
        "segments": int(segments) if np.ndim(segments) == 0 else "labels",
        "masks": masks,
        "tolerance": tolerance,
        "baseline": described(baseline),
        "seed": seed,
        "score": score,
        "precision": precision,
    }
    return found.answer.attribution(
        method,
        found.values,
        parameters,
        arguments={**parameters, **found.again, "baseline": base, "segments": labels},
        kind=SegmentAttribution,
        warnings=found.warnings,
        segments=labels[request.which].astype(np.int32),
        segment_values=kept[0],
        segment_error=kept[1],
        baseline_score=empty,
        r_squared=explained,
        **found.fields,
    )
