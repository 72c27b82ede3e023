"""LeGrad: the gradient of attention, for a score that is read after each layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.attention import behind
from optogram.interpreters.gradients import Weights
from optogram.interpreters.layerwise import layerwise, tokens_after
from optogram.methods.request.attention import attention_stack, with_heads
from optogram.methods.request.request import Request, ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Attribution


@checked
def legrad(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Attribution:
    """LeGrad: the positive gradient of attention, for the score that is read after each layer.

    Bousselham et al., "LeGrad: an explainability method for vision transformers via feature
    formation sensitivity" (2025): the mean over layers l, heads and queries of
    ReLU(∂Sₗ/∂Aₗ), where Aₗ is the attention of layer l, and Sₗ the score that the rest of the
    network (norm, pooling, classifier) gives for the tokens after that layer. The paper scales each
    map to 0…1; these values are not scaled. Tokens are pooled as the network does.

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
        If image or target cannot be used, the network has no attention layers between the same
        tokens, as with windows (Swin) and tokens that are merged (MiT), or the score is not read
        from the tokens after the last of them.
    """
    request = ask(net, image, target, score, fit)
    stack = attention_stack(request.net, request.size, request.scored(), "legrad")
    graph, scored = request.net.graph, request.scored()
    after = tokens_after(graph, stack.layers)
    if after is None:
        raise InputError(
            f"LeGrad reads the score from the tokens after each layer, and those of {net.name!r} "
            "are not sums of what attention returns and the tokens before it: use "
            "transformer_attribution."
        )
    if not {output.step for output in scored} <= behind(graph, after[-1]):
        raise InputError(
            "LeGrad reads the score from the tokens after the last attention layer, and this "
            "target is not computed from them: choose a class, or use transformer_attribution."
        )
    layers = stack.layers
    with reporting(progress) as told:
        answer = request.answer(memory)
        scored = answer.request.scored()
        other, built = answer.request.net.with_graph(
            ("legrad", request.size, tuple(scored)),
            lambda graph: layerwise(graph, layers, after, scored),
        )
        asked = _Layerwise(**{**vars(answer.request), "net": other}, places=built.scored)
        answers = asked.gradients_at(built.softmax, memory, told, _positive)
    tokens = np.stack([each.gradient for each in answers]).mean(axis=0)
    return answer.attribution("legrad", stack.patches(tokens), {"score": score})


@dataclass(frozen=True, kw_only=True)
class _Layerwise(Request):
    """A request whose score is the sum of those that are read after each layer."""

    places: Sequence[Mapping[Output, Output]]

    def weights(self) -> Weights:
        """The weights of each score, at the outputs that it is read from."""
        own = super().weights()
        return {at[output]: array for at in self.places for output, array in own.items()}

    def scored(self) -> list[Output]:
        """These outputs."""
        return list(self.weights())


def _positive(gradient: np.ndarray, _: np.ndarray) -> np.ndarray:
    """ReLU of gradients (t, n, heads, tokens, tokens), averaged over heads and queries."""
    return np.maximum(with_heads(gradient, 2), 0).mean(axis=(2, 3))
