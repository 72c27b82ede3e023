"""Transformer attribution: attention weighted by its gradient, through all layers."""

from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.methods.request.attention import attention_stack, with_heads
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution


@checked
def transformer_attribution(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution:
    """Attention weighted by its positive gradient, multiplied through all layers.

    Chefer, Gur and Wolf, "Generic attention-model explainability for interpreting bi-modal and
    encoder-decoder transformers" (2021), equations 5 and 6 for self-attention: R = I at first, and
    R ← R + Ā R at each layer, where Ā is the mean over heads of ReLU(∂S/∂A ⊙ A), and A the
    attention. The map is the row of the token that the score is read from, over the patches: the
    class token's, or the mean of the rows of all tokens that the network averages; without I, by
    which each of these tokens is relevant to itself.

    Parameters
    ----------
    net : Network
        A transformer whose attention layers are all between the same tokens, as in ViT and DeiT.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
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
        ``values`` (N, h, w), one for each patch, not negative, in units of the score.

    Raises
    ------
    InputError
        If image or target cannot be used, or the network has no attention layers between the same
        tokens, as with windows (Swin) and tokens that are merged (MiT).
    """
    request = ask(net, image, target, score, fit)
    stack = attention_stack(request.net, request.size, request.scored(), "transformer_attribution")
    at = [layer.softmax for layer in stack.layers]
    with reporting(progress) as told:
        answers = request.gradients_at(at, memory, told, _positive)
    own = np.eye(stack.grid.tokens)
    relevance = own[None]
    for answer in answers:
        relevance = relevance + answer.gradient @ relevance
    values = stack.map_of(relevance - own)
    return answers[-1].attribution("transformer_attribution", values, {"score": score})


def _positive(gradient: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Ā (t, n, tokens, tokens) of gradients (t, n, heads, tokens, tokens)."""
    return np.maximum(with_heads(gradient, 2) * with_heads(attention), 0).mean(axis=2)
