"""TCAV: whether a concept, given by examples, raises a score in the photos of a class."""

from typing import Any

import keras
import numpy as np

from optogram.arguments import MOST_SEED, checked, whole
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.methods.factorizing.classifier import Split, activation_vector
from optogram.methods.request.photo_list import ReadPhotos, read_photos
from optogram.methods.request.request import ask, provenance_of
from optogram.methods.request.scikit_learn import require_scikit_learn
from optogram.network.network import Network
from optogram.progress import ShownProgress, reporting
from optogram.result import TCAV
from optogram.target import targets_of
from optogram.words import counted

_FEWEST = 6
"""Examples on each side of a classifier, at least: four to learn from, two to test on."""
_FEW = 30
"""Fewer examples than that are warned of."""
_ALIKE = 1e-4
"""Derivatives that differ less than so, relative to the largest, are those of one gradient."""


@checked
def tcav(
    net: Network,
    positive: Any,
    negative: Any,
    layer: str,
    target: Any,
    photos: Any,
    *,
    runs: int = 20,
    pooled: bool = True,
    score: str = "logit",
    fit: str = "stretch",
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> TCAV:
    """Whether a concept raises a score: the share of photos in which it does, and its significance.

    Kim et al., "Interpretability beyond feature attribution: quantitative testing with concept
    activation vectors (TCAV)" (2018). A concept activation vector v is the normal of a logistic
    regression that tells a layer's activations for photos of the concept from those for other
    photos. The TCAV score is the share of photos of the class with ∂S/∂a · v > 0. For each of
    ``runs`` vectors, other examples are drawn; as many vectors tell two halves of ``negative``
    apart. A two-sided t-test (Welch) compares the scores of both.

    Needs scikit-learn.

    Parameters
    ----------
    net : Network
        The network.
    positive : path, sequence of what `Network.prepare` takes, or stream
        Photos of the concept, as for `strongest_images`; at least 6, better 50. They may be
        pictures of a texture.
    negative
        Photos without the concept, as varied as possible; at least twice as many.
    layer : str
        A layer with feature maps or units. At a layer behind which the score is a linear function,
        the gradient is the same for all photos, and each score is 0 or 1: choose an earlier one.
    target : Target, int, str or function
        The score S.
    photos
        Photos of the class.
    runs : int
        Number of vectors of the concept, and of random ones, at least 2.
    pooled : bool
        True: the mean of each map over positions is classified, which has one number for each
        channel, and the derivative is that of adding v at all positions. False: all elements of
        the maps, as published; the vector then also says where.
    score : {"logit", "probability"}
        Score of a class.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    seed : int
        Random seed of the examples that are drawn.
    memory : float or str, optional
        Memory budget of the passes in bytes, or a string such as ``"2GB"``; None: a quarter of the
        free memory.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    TCAV
        ``values`` (runs,): the TCAV score of each vector; ``score``, their mean; ``p_value``;
        ``accuracy`` on examples that were held out; `summary` says what that means.

    Raises
    ------
    InputError
        If scikit-learn is not installed, there are too few examples, or the score does not depend
        on the layer.
    """
    require_scikit_learn("og.tcav")
    runs, seed = whole("runs", runs, 2, 10_000), whole("seed", seed, 0, MOST_SEED)
    if len(targets_of(target)) != 1:
        raise InputError("One score is tested: give one target.")
    step = net.step(layer)
    if len(step.shape) not in (2, 4):
        raise InputError(
            f"{layer!r} has neither feature maps nor units, its output has the shape "
            f"{step.shape}: choose another layer."
        )
    output = Output(step.index)
    with reporting(progress) as told:
        sets = [read_photos(net, given, fit, told) for given in (positive, negative, photos)]
        each = _examples(len(sets[0].x), len(sets[1].x))
        request = ask(net, sets[2].x, target, score)
        if step.index not in request.net.graph.ancestors(request.scored()):
            raise InputError(
                f"The score does not depend on {layer!r}: choose a layer between the image and the "
                "score."
            )
        is_mean = pooled and step.has_maps
        examples = [_activations(net, read, output, is_mean, memory) for read in sets[:2]]

        def kept(gradient: np.ndarray, _: np.ndarray) -> np.ndarray:
            """For a change at all positions, the sum of the gradient over them."""
            return gradient.sum(axis=(2, 3)) if is_mean else gradient

        (answer,) = request.gradients_at([output], memory, told, kept)
        gradients = answer.gradient.reshape(len(request.x), -1)
        scale = np.sqrt(np.mean([np.mean(array.astype(np.float64) ** 2) for array in examples]))
        if not np.isfinite(scale) or not scale:
            raise InputError(
                f"Activations of {layer!r} are zero, NaN or infinite for these photos: choose "
                "another layer."
            )
        examples = [(array / scale).astype(np.float32) for array in examples]
        vectors, accuracies, derivatives = [], [], []
        for run in range(runs):
            for number, split in enumerate(_splits(examples, each, [seed, run])):
                vector, accuracy = activation_vector(split)
                accuracies.append(accuracy)
                derivatives.append(gradients @ vector)
                if not number:
                    vectors.append(vector)
            told(run + 1, runs, "vectors")
    derivative = np.array(derivatives).reshape(runs, 2, -1)
    accuracy_of = np.array(accuracies).reshape(runs, 2)
    scores = (derivative > 0).mean(axis=-1)
    few = min(len(sets[0].x), len(sets[1].x) // 2)
    notes = [
        *(
            [f"Vectors are made of {counted(few, 'example')} on each side: 30 or more are better."]
            if few < _FEW
            else []
        ),
        *([_SAME.format(layer=layer)] if _is_one_gradient(gradients) else []),
        *answer.warnings_about_gradients(layer)[:1],
    ]
    return TCAV(
        values=scores[:, 0].astype(np.float32),
        method="tcav",
        parameters={
            "runs": runs,
            "pooled": pooled,
            "score": score,
            "fit": fit,
            "seed": seed,
            "examples": each,
        },
        provenance={**provenance_of(net, request.x.shape[1:]), "resample": net.resample},
        warnings=tuple(
            dict.fromkeys(
                [
                    *net.warnings,
                    *request.warnings,
                    *notes,
                    *(reason for read in sets for reason in read.unread.values()),
                ]
            )
        ),
        layer=layer,
        target=answer.names[0],
        random_values=scores[:, 1].astype(np.float32),
        accuracies=accuracy_of[:, 0].astype(np.float32),
        random_accuracies=accuracy_of[:, 1].astype(np.float32),
        p_value=_p_value(scores[:, 0], scores[:, 1]),
        derivatives=derivative[:, 0].astype(np.float32),
        vectors=np.array(vectors, np.float32),
        photos=tuple(sets[2].names[i] for i in sets[2].numbers),
    )


_SAME = (
    "The gradient at {layer!r} is the same for all photos, since the score is a linear function of "
    "it: each TCAV score is 0 or 1. Choose an earlier layer."
)


def _examples(positive: int, negative: int) -> int:
    """Number of examples on each side of a classifier."""
    each = min(positive, negative // 2)
    if each < _FEWEST:
        raise InputError(
            f"TCAV needs at least {_FEWEST} photos of the concept and {2 * _FEWEST} others, since "
            f"examples are held out; got {positive} and {negative}."
        )
    return each


def _activations(
    net: Network, read: ReadPhotos, output: Output, is_mean: bool, memory: float | str | None
) -> np.ndarray:
    """The activations of photos, (N, channels) or (N, elements)."""
    found = [
        made
        for _, (made,) in net.stream(
            lambda part: read.x[part],
            len(read.x),
            read.x.shape[1:3],
            [output],
            memory,
            then=_means if is_mean else None,
        )
    ]
    return np.concatenate(found).reshape(len(read.x), -1).astype(np.float32)


def _means(maps: Any) -> Any:
    """The mean of each map: (N, C) of (N, h, w, C)."""
    return keras.ops.mean(keras.ops.cast(maps, "float32"), axis=(1, 2))


def _splits(examples: list[np.ndarray], each: int, seed: list[int]) -> tuple[Split, Split]:
    """The examples of a vector of the concept, and of a random one."""
    generator = np.random.default_rng(seed)
    positive, negative = examples
    concept = positive[generator.permutation(len(positive))[:each]]
    others = negative[generator.permutation(len(negative))[:each]]
    halves = negative[generator.permutation(len(negative))[: 2 * each]]
    return Split(concept, others), Split(halves[:each], halves[each:])


def _p_value(scores: np.ndarray, random: np.ndarray) -> float:
    """Of Welch's two-sided t-test; for scores that do not vary, 1 if they are equal, else 0."""
    from scipy.stats import ttest_ind_from_stats

    if not (np.ptp(scores) or np.ptp(random)):
        return float(scores[0] == random[0])
    both = (each(array) for array in (scores, random) for each in (np.mean, _deviation, len))
    return float(ttest_ind_from_stats(*both, equal_var=False).pvalue)


def _deviation(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1))


def _is_one_gradient(gradients: np.ndarray) -> bool:
    """Whether the gradients of several photos are one and the same."""
    return len(gradients) > 1 and bool(
        np.ptp(gradients, axis=0).max() <= _ALIKE * np.abs(gradients).max()
    )
