"""Attention rollout: attention multiplied through all layers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from optogram.arguments import checked, shown
from optogram.errors import InputError
from optogram.methods.request.attention import attention_stack, with_heads
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution

_FUSIONS: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max, "min": np.min}
_SAME = "Attention rollout does not depend on the target: the map is the same for every class."


@checked
def attention_rollout(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    head_fusion: str = "mean",
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution:
    """Attention rollout: attention multiplied through all layers; the same for any target.

    Abnar and Zuidema, "Quantifying attention flow in transformers" (2020), section 3:
    R = Âₗ … Â₁, where Â is A + I with rows of sum 1, A is the attention of a layer, averaged over
    its heads, and I stands for what a block passes by its attention. The map is the row of the
    token that the score is read from, over the patches: the class token's, or the mean of the rows
    of all tokens that the network averages.

    It shows where information can flow, as if values, MLPs and heads played no part, not what a
    class is recognized by: ``target`` chooses the ``score`` that the result states, and nothing
    else.

    Parameters
    ----------
    net : Network
        A transformer whose attention layers are all between the same tokens, as in ViT and DeiT.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    head_fusion : {"mean", "max", "min"}
        What one attention is made of all heads by. The paper takes the mean.
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
    Attribution
        ``values`` (N, h, w), one for each patch, not negative: its share of the tokens that the
        score is read from. Their sum is 1 less the share of the tokens in front.

    Raises
    ------
    InputError
        If image or target cannot be used, or the network has no attention layers between the same
        tokens: windows (Swin) and tokens that are merged (MiT) have no rollout.
    """
    if head_fusion not in _FUSIONS:
        raise InputError(f'head_fusion must be "mean", "max" or "min", not {shown(head_fusion)}.')
    request = ask(net, image, target, score, fit)
    stack = attention_stack(request.net, request.size, request.scored(), "attention_rollout")
    at = [layer.softmax for layer in stack.layers]
    with reporting(progress) as told:
        answer, found = request.answer_with(at, partial(_fused, head_fusion), memory, told)
    rolled = found[0].astype(np.float64)
    for attention in found[1:]:
        rolled = attention @ rolled
    return answer.attribution(
        "attention_rollout",
        stack.map_of(rolled)[answer.request.which],
        {"head_fusion": head_fusion, "score": score},
        warnings=() if target is None else (_SAME,),
    )


def _fused(head_fusion: str, attention: np.ndarray) -> np.ndarray:
    """Â (n, tokens, tokens) of attention (n, heads, tokens, tokens)."""
    fused = _FUSIONS[head_fusion](with_heads(attention), axis=1)
    fused = fused + np.eye(fused.shape[-1], dtype=fused.dtype)
    return fused / fused.sum(axis=-1, keepdims=True)
