"""LRP: layer-wise relevance propagation."""

from collections.abc import Callable, Sequence
from typing import Any

from optogram.arguments import checked
from optogram.graph.steps import Output, Step
from optogram.interpreters.relevance.composites import composite_of
from optogram.interpreters.relevance.rules import Rule
from optogram.methods.request.relevance_fields import relevance_fields
from optogram.methods.request.request import ask
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import Relevance


@checked
def lrp(
    net: Network,
    image: Any,
    target: Any = None,
    *,
    composite: str | Callable[[Step], Rule | None] = "epsilon_gamma_box",
    layers: str | Sequence[str] = (),
    score: str = "logit",
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Relevance:
    """LRP: the score is handed back, step by step, to what each step read.

    Bach et al., "On pixel-wise explanations for non-linear classifier decisions by layer-wise
    relevance propagation" (2015). The relevance put in at the top is the score; each kind of step
    has a rule by which it hands on its relevance, so that what arrives at the image and what biases
    took add up to the score. See ``docs/methods/lrp.md`` for the rules.

    Parameters
    ----------
    net : Network
        The network to explain.
    image
        Image or images, as for `Network.prepare`.
    target : Target, int, str, function or a list of these, optional
        Target of the score: one for all images, one per image, or several for one image. None:
        the highest-scoring class of each image.
    composite : str or callable
        The rules of convolutions and dense layers, by the name of a composite:

        - "epsilon_gamma_box": zᴮ for the first convolution, γ = 0.25 for others, ε = 1e-6 for
          dense layers. The usual choice for photos.
        - "epsilon_plus" and "epsilon_plus_flat": z⁺ for convolutions, ε for dense layers; flat for
          the first one.
        - "alpha2_beta1" and "alpha2_beta1_flat": α = 2, β = 1 for convolutions, ε for dense layers;
          flat for the first one.
        - "epsilon": ε = 1e-6 for all: gradient × input of a network of ReLUs, but for its biases.
          Of a transformer this is AttnLRP (Achtibat et al. 2024).
        - "cp_epsilon" and "cp_gamma": for transformers, attention held: values get all relevance,
          queries and keys none (CP-LRP, Ali et al. 2022); ε for all, or γ = 0.25 for convolutions
          and γ = 0.05 for dense layers.

        Or a function from a `Step` to a rule of ``og.rules``; where it returns None, the rule of
        "epsilon_gamma_box" holds.
    layers : str or sequence of str
        Names or patterns of layers at which the relevance is returned, too; see
        `Relevance.at_layer`.
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
        ``values`` (N, H, W, C), signed, in units of the score; ``heatmap`` is the largest magnitude
        over channels. ``conservation()`` says what became of the relevance at each step.

    Raises
    ------
    InputError
        If image, target, composite or a layer cannot be used.
    """
    rules = composite_of(composite)
    names = net.layer_names(layers) if layers else []
    at = [Output(net.step(name).index) for name in names]
    with reporting(progress) as told:
        request = ask(net, image, target, score, fit)
        answer = request.relevance(rules, at, memory=memory, progress=told)
    parameters = {
        "composite": rules.name,
        "score": score,
        **({"layers": tuple(names)} if names else {}),
    }
    return answer.attribution(
        "lrp",
        answer.found.image,
        parameters,
        arguments={**parameters, "composite": composite},
        kind=Relevance,
        warnings=answer.warnings_about_rules(),
        **relevance_fields(answer.found, names),
    )
