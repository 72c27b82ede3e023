"""The units of a layer that a score owes most to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from optogram.arguments import checked, whole
from optogram.errors import InputError
from optogram.graph.steps import Output, Step
from optogram.interpreters.relevance.composites import composite_of
from optogram.interpreters.relevance.rules import Rule
from optogram.methods.crp import relevance_through
from optogram.methods.request.relevance_fields import relevance_fields
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, continued, reporting
from optogram.result import RelevantUnits
from optogram.words import counted


@checked
def relevant_units(
    net: Network,
    image: Any,
    target: Any = None,
    layer: str | None = None,
    *,
    top: int = 8,
    composite: str | Callable[[Step], Rule | None] = "epsilon_gamma_box",
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> RelevantUnits:
    """Which channels of a layer made this score, ranked by their relevance, with a map of each.

    Achtibat et al. 2023 (see `crp`): the relevance of a channel is the sum of what `lrp` assigns to
    its map; its own map is that of `crp`.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        One image, as for `Network.prepare`.
    target : Target, int, str or function, optional
        Target of the score. None: the highest-scoring class.
    layer : str, optional
        The layer. None: `Network.default_layer`.
    top : int
        Number of channels, at least 1, or as many as the layer has.
    composite : str or callable
        The rules; see `lrp`.
    score : {"logit", "probability"}
        Score of a class: before or after the final softmax or sigmoid.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    RelevantUnits
        ``units`` and ``unit_relevance`` (n,), most relevant first; ``values`` (n, H, W, C), the
        map of each; ``layer_relevance`` (K,), the relevance of all channels.

    Raises
    ------
    InputError
        If an argument cannot be used, or there are several images or targets.
    """
    rules, top = composite_of(composite), whole("top", top, 1)
    name = layer or net.default_layer
    output = Output(net.step(name).index)
    with reporting(progress) as told:
        request = ask(net, image, target, score, fit)
        if len(request.which) > 1:
            raise InputError(
                f"Got {counted(len(request.which), 'explanation')}: give one image and one target."
            )
        first = request.relevance(rules, [output], None, memory, continued(told, 0, 1 + top))
        (relevance,) = first.found.at
        sums = relevance.reshape(-1, relevance.shape[-1]).sum(axis=0, dtype=np.float64)
        units = np.argsort(-sums, kind="stable")[:top]
        answer = relevance_through(
            first.request, rules, output, units.tolist(), memory, continued(told, 1, 1 + top)
        )
    found = answer.attribution(
        "relevant_units",
        answer.found.image,
        {"top": top, "composite": rules.name, "score": score},
        kind=RelevantUnits,
        layer=name,
        warnings=answer.warnings_about_rules(),
        units=units,
        unit_relevance=sums[units].astype(np.float32),
        layer_relevance=sums.astype(np.float32),
        **relevance_fields(answer.found, [name]),
    )
    names = tuple(
        f"{one} through {name} {unit}: {sums[unit]:.3g} of {found.score[0]:.3g}"
        for one, unit in zip(found.targets, units, strict=True)
    )
    return replace(found, targets=names, question=None)
