"""CRP: concept relevance propagation, the relevance that goes through one channel."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph.steps import Output, Step
from optogram.interpreters.relevance.composites import Composite, composite_of
from optogram.interpreters.relevance.rules import Rule
from optogram.methods.request.relevance_fields import relevance_fields
from optogram.methods.request.request import RelevanceAnswer, Request, ask
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, reporting
from optogram.result import Relevance
from optogram.target import Filter, require_channel
from optogram.words import counted


@checked
def crp(
    net: Network,
    image: Any,
    target: Any,
    through: Filter,
    *,
    composite: str | Callable[[Step], Rule | None] = "epsilon_gamma_box",
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Relevance:
    """CRP: the relevance of an image for a score, as far as it goes through one channel of a layer.

    Achtibat et al., "From attribution maps to human-understandable explanations through concept
    relevance propagation" (2023), section 4.1: the walk of `lrp`, in which all other channels of
    the layer lose their relevance. The maps of all channels of a layer add up to that of `lrp`,
    if no skip connection passes by it.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function, a list of these, or None
        Target of the score: one for all images, or one per image. None: the highest-scoring class
        of each image.
    through : Filter
        The channel. Several, as in ``og.Filter("block5b_add", [3, 17])``, give one explanation
        each, of one image and one target.
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
    Relevance
        ``values`` (N, H, W, C), signed, in units of the score; ``at_layer(layer)`` is the relevance
        of the channel.

    Raises
    ------
    InputError
        If image, target, composite or channel cannot be used, or several channels are asked for
        with several images or targets.
    """
    rules, output = composite_of(composite), Output(net.step(through.layer).index)
    channels = [one.channel for one in through.each() if isinstance(one, Filter)]
    with reporting(progress) as told:
        request = ask(net, image, target, score, fit)
        if len(channels) > 1 and len(request.which) > 1:
            raise InputError(
                f"Got {counted(len(channels), 'channel')} and "
                f"{counted(len(request.which), 'explanation')}: give several channels with one "
                "image and one target."
            )
        answer = relevance_through(request, rules, output, channels, memory, told)
    names = [f"{name} through {through.layer} {channel}" for name, channel in zip(
        answer.names, channels * (len(answer.names) // len(channels)), strict=True
    )]  # fmt: skip
    found = answer.attribution(
        "crp",
        answer.found.image,
        {"channel": through.channel, "composite": rules.name, "score": score},
        kind=Relevance,
        layer=through.layer,
        warnings=answer.warnings_about_rules(),
        **relevance_fields(answer.found, [through.layer]),
    )
    return replace(found, targets=tuple(names), question=None)


def relevance_through(
    request: Request,
    composite: Composite,
    output: Output,
    channels: Sequence[Any],
    memory: float | str | None,
    progress: Progress,
) -> RelevanceAnswer:
    """The relevance of each explanation through its channel: one for all, or one for each.

    Several channels are those of one explanation.
    """
    net = request.net
    count = net.shape(output, request.size)[-1]
    name = net.graph.steps[output.step].name
    rows = np.zeros((len(channels), count), np.float32)
    for row, channel in zip(rows, channels, strict=True):
        row[require_channel(channel, count, name)] = 1
    if len(channels) > len(request.which):
        request = request.answer(memory).request  # the class is found once
        targets = (request.targets or ()) * len(channels)
        request = replace(request, which=np.zeros(len(channels), int), targets=targets)
    rank = len(net.shape(output, request.size))
    kept = rows.reshape(len(rows), *(1 for _ in range(rank - 1)), count)
    return request.relevance(composite, [output], {output: kept}, memory, progress)
