"""The request of a method: images, targets and scores."""

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar

import keras
import numpy as np

from optogram import backend
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.gradients import Reduction, Weights, fitting, gradients
from optogram.interpreters.precision import EXACT, in_precision, require_precision
from optogram.interpreters.relevance.composites import Composite
from optogram.interpreters.relevance.run import Relevances, relevance
from optogram.methods.request.diagnosis import (
    warnings_about_boxes,
    warnings_about_gradients,
    warnings_about_images,
    warnings_about_maps,
    warnings_about_scores,
)
from optogram.network.network import Network
from optogram.network.outputs import Outputs
from optogram.pictures.prepared import PreparedPhoto, PreparedPhotos
from optogram.progress import Progress, continued, silent
from optogram.result import Attribution, Question
from optogram.target import Class, Target, extended, resolved, stacked_weights
from optogram.version import __version__
from optogram.words import counted

_Kind = TypeVar("_Kind", bound=Attribution)


@dataclass(frozen=True)
class Request:
    """Images and targets, with one target per explanation.

    Attributes
    ----------
    net : Network
        The network, extended by targets that are functions.
    x : ndarray of shape (M, H, W, C)
        The distinct images, in network units.
    which : ndarray of shape (N,)
        Index of the image of each explanation.
    targets : tuple of Target, or None
        Target of each explanation. None: the highest-scoring class of each image.
    score : {"logit", "probability"}
        Score of a class.
    warnings : tuple of str
        Warnings about the images.
    photos : tuple of PreparedPhoto, or None
        The photos that the images were prepared from, if known.
    outputs : ndarray of shape (M, outputs), or None
        Scores of all classes of each image, where the highest-scoring one was found among them.
    exact : Network or None
        The network in full precision, if ``net`` is in reduced precision.
    gain : float
        Estimated time of a forward pass in full precision, divided by one of ``net``.
    """

    net: Network
    x: np.ndarray
    which: np.ndarray
    targets: tuple[Target, ...] | None
    score: str
    warnings: tuple[str, ...] = ()
    photos: tuple[PreparedPhoto, ...] | None = None
    outputs: np.ndarray | None = None
    exact: Network | None = None
    gain: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return self.x.shape[1:3]

    def exactly(self) -> "Request":
        """The same request in full precision."""
        return self if self.exact is None else replace(self, net=self.exact, exact=None, gain=1.0)

    def weights(self) -> Weights:
        """The resolved targets as weights on outputs of steps.

        Arrays (N, 1, ...) for one image, (1, N, ...) for one image per explanation.
        """
        stacked = stacked_weights(self.targets or (), self.net, self.size, self.score)
        axis = 1 if len(self.x) == 1 else 0
        return {output: np.expand_dims(array, axis) for output, array in stacked.items()}

    def scored(self) -> list[Output]:
        """The outputs that the scores are computed from."""
        if self.targets is None:
            return [self.net.score_output(self.score)]
        each = (one.outputs(self.net, self.score) for one in self.targets)
        return list(dict.fromkeys(chain.from_iterable(each)))

    def gradients(
        self,
        rectifiers: Collection[int] = (),
        memory: float | str | None = None,
        progress: Progress = silent,
        rule: str = "guided",
    ) -> "GradientAnswer":
        """The gradient of each score, with respect to the image.

        At ``rectifiers``, indices of steps, it follows ``rule``; see `gradients`.
        """
        (answer,) = self._gradients((), rectifiers, memory, progress, rule=rule)
        return answer

    def gradients_at(
        self,
        at: Sequence[Output],
        memory: float | str | None = None,
        progress: Progress = silent,
        then: Reduction | Sequence[Reduction] | None = None,
    ) -> "list[GradientAnswer]":
        """The gradient of each score, with respect to each of the outputs ``at`` of steps.

        One forward and one backward pass give all of them, as far as ``memory`` allows. ``then``
        reduces the gradients batch by batch, see `gradients`.
        """
        groups = fitting(self.net, self.size, self.scored(), at, memory)
        total, answers = len(groups) * len(self.which), list[GradientAnswer]()
        for done, group in enumerate(groups):
            told = continued(progress, done * len(self.which), total)
            own = then
            if isinstance(then, Sequence):
                own = then[len(answers) : len(answers) + len(group)]
            answers += self._gradients(group, (), memory, told, own)
        return answers

    def _gradients(
        self,
        at: Sequence[Output],
        rectifiers: Collection[int],
        memory: float | str | None,
        progress: Progress,
        then: Reduction | Sequence[Reduction] | None = None,
        rule: str = "guided",
    ) -> "list[GradientAnswer]":
        weights = None if self.targets is None else self.weights()
        found = gradients(
            self.net, self.x, weights, at, self.score, rectifiers, memory, progress, then, rule
        )
        request = self._answered(found.outputs)
        return [
            GradientAnswer(
                request=request,
                scores=found.scores.reshape(-1),
                gradient=one.gradient.reshape(-1, *one.gradient.shape[2:]),
                vanished=one.vanished.reshape(-1),
                maps=one.maps,
            )
            for one in found.at
        ]

    def relevance(
        self,
        composite: Composite,
        at: Sequence[Output] = (),
        kept: Mapping[Output, np.ndarray] | None = None,
        memory: float | str | None = None,
        progress: Progress = silent,
    ) -> "RelevanceAnswer":
        """The relevance of each image for its score; see `relevance`.

        Raises
        ------
        InputError
            If the score does not depend on one of the outputs ``at``.
        """
        steps, read = self.net.graph.steps, self.net.graph.ancestors(self.scored())
        for output in at:
            if output.step not in read:
                raise InputError(
                    f"The score does not depend on {steps[output.step].name!r}: choose a layer "
                    "before what is explained."
                )
        weights = None
        if self.targets is not None:
            axis = 1 if len(self.x) == 1 else 0
            weights = {one: array.take(0, axis) for one, array in self.weights().items()}
        black, white = (
            self.net.preparation.to_network(np.full((1, *self.x.shape[1:]), level, np.float32))
            for level in (0.0, 255.0)
        )
        found = relevance(
            self.net,
            self.x,
            self.which,
            weights,
            composite,
            at,
            kept,
            self.score,
            (black, white),
            memory,
            progress,
        )
        return RelevanceAnswer(self._answered(found.outputs), found.scores, found)

    def answer(self, memory: float | str | None = None, progress: Progress = silent) -> "Answer":
        """The scores, by a forward pass; ``progress`` is told of images."""
        if self.targets is not None:
            # Streamed: the maps that filters are read from would pile up.
            scores = self.scores_of_variants(lambda image, _: self.x[image], 1, memory, progress)
            return Answer(request=self, scores=scores[:, 0])
        if self.exact is not None:
            # Rounding must not decide which class is explained.
            (outputs,) = self.exact.evaluate(self.x, self.scored(), memory)
            return self._answered(outputs).answer(memory, progress)
        (outputs,) = self.net.evaluate(self.x, self.scored(), memory, progress)
        request = self._answered(outputs)
        return Answer(request, weighted_sums([outputs], request.weights()).reshape(-1))

    def answer_with(
        self,
        at: Sequence[Output],
        then: Callable[[np.ndarray], np.ndarray] | None = None,
        memory: float | str | None = None,
        progress: Progress = silent,
    ) -> "tuple[Answer, list[np.ndarray]]":
        """The scores, and the outputs ``at`` of steps for each image, from one forward pass.

        ``then`` reduces these outputs batch by batch, (n, ...) to (n, ...).
        """
        scored, count = self.scored(), len(self.x)
        given = None if self.targets is None else self.weights()
        terms, found = list[np.ndarray](), [list[np.ndarray]() for _ in at]
        for part, arrays in self.net.stream(
            lambda part: self.x[part], count, self.size, (*scored, *at), memory, progress
        ):
            values, made = arrays[: len(scored)], arrays[len(scored) :]
            if given is None:
                terms.append(values[0])
            else:
                own = given
                if count > 1:
                    own = {output: array[:, part] for output, array in given.items()}
                terms.append(weighted_sums(values, own).reshape(-1))
            for kept, one in zip(found, made, strict=True):
                kept.append(one if then is None else then(one))
        together = np.concatenate(terms)
        request = self if given is not None else self._answered(together)
        if given is None:
            together = weighted_sums([together], request.weights()).reshape(-1)
        return Answer(request, together), [np.concatenate(kept) for kept in found]

    def scores_of(self, x: np.ndarray, memory: float | str | None = None) -> np.ndarray:
        """(N,): the scores of the resolved targets for another image (1, H, W, C)."""
        weights = self.weights()
        found = self.net.evaluate(x, list(weights), memory)
        return weighted_sums(found, weights).reshape(-1)

    def scores_of_variants(
        self,
        variant: Callable[[int, int], np.ndarray],
        count: int,
        memory: float | str | None,
        progress: Progress,
    ) -> np.ndarray:
        """(N, count): the score of each explanation for altered copies of its image.

        ``variant(image, number)`` makes copy ``number`` of image ``image``, (H, W, C). Copies are
        made when they are fed; explanations of one image share them. Targets are resolved.
        """
        weights = self.weights()
        scores = np.empty((len(self.which), count), np.float32)

        def feed(part: slice) -> np.ndarray:
            return np.stack([variant(*divmod(i, count)) for i in range(part.start, part.stop)])

        total = len(self.x) * count
        for part, found in self.net.stream(feed, total, self.size, list(weights), memory, progress):
            image, number = np.divmod(np.arange(part.start, part.stop), count)
            for wanted in np.unique(image):
                rows = np.flatnonzero(image == wanted)
                own = self.weights_of(wanted, weights)
                explanations = np.flatnonzero(self.which == wanted)
                scores[np.ix_(explanations, number[rows])] = weighted_sums(
                    [values[rows] for values in found], own
                )
        return scores

    def weights_of(self, image: int, weights: Weights) -> Weights:
        """The `weights` for the explanations of one image, (T, 1, ...)."""
        if len(self.x) == 1:
            return weights
        return {value: array[:, image : image + 1] for value, array in weights.items()}

    def _answered(self, outputs: np.ndarray | None) -> "Request":
        """The request with resolved targets; ``outputs`` (N, outputs) give the classes for None."""
        if outputs is None:
            return self
        picked = self.net.head.winning_weights(outputs, self.score)
        answers = picked[:, 0] > 0 if self.net.head.is_binary else picked.argmax(axis=1)
        targets = tuple(Class(int(answer)) for answer in answers)
        return replace(self, targets=targets, outputs=outputs)


@dataclass(frozen=True)
class Answer:
    """The scores for a request.

    Attributes
    ----------
    request : Request
        The request, with resolved targets.
    scores : ndarray of shape (N,)
        Score of each explanation.
    """

    request: Request
    scores: np.ndarray

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Descriptions of the targets."""
        return tuple(target.describe(self.request.net) for target in self.request.targets or ())

    @property
    def places(self) -> tuple[str, ...]:
        """Descriptions of the targets, with the image if there are several."""
        if len(self.request.x) == 1:
            return self.names
        return tuple(f"{name} in image {i}" for i, name in enumerate(self.names))

    def warnings_about_gradients(self, layer: str | None) -> tuple[str, ...]:
        """Warnings about gradients; none here."""
        return ()

    @property
    def _is_of_boxes(self) -> bool:
        """Whether scores are those of single boxes of a detector."""
        net, score = self.request.net, self.request.score
        scores = net.score_output(score)
        targets = self.request.targets or ()
        return net.head.scores_boxes and any(scores in one.outputs(net, score) for one in targets)

    @property
    def score_unit(self) -> str:
        """The unit of the scores, for captions; see `Attribution`."""
        request, net = self.request, self.request.net
        classes = net.score_output(request.score)
        outputs = {
            output
            for target in request.targets or ()
            for output in target.outputs(net, request.score)
        }
        if any(target.functions() for target in request.targets or ()):
            return "score"
        if outputs - {classes}:
            return "score" if classes in outputs else "activation"
        return "output" if net.head.is_regression else request.score

    def attribution(
        self,
        method: str,
        values: np.ndarray,
        parameters: Mapping[str, Any],
        *,
        kind: type[_Kind] = Attribution,  # type: ignore[assignment]
        layer: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        warnings: Sequence[str] = (),
        **more: Any,
    ) -> _Kind:
        """The result of the method called ``method``, with what is known of every result.

        ``parameters`` are its keyword arguments, apart from ``layer``; ``arguments`` those with
        which it is asked again, where they differ; ``warnings`` are its own, said before those
        about the images, the scores and the map.
        """
        request, net = self.request, self.request.net
        gone = self.warnings_about_gradients(layer)
        warnings = (
            *net.warnings,
            *request.warnings,
            *warnings,
            *(warnings_about_boxes(net, method) if self._is_of_boxes else ()),
            *warnings_about_scores(
                net, request.score, self.scores, request.targets or (), self.places
            ),
            *(gone or warnings_about_maps(values, self.places)),
        )
        arguments = parameters if arguments is None else arguments
        arguments = {**arguments, "layer": layer} if layer else arguments
        return kind(
            values=values,
            method=method,
            parameters=parameters,
            provenance=provenance_of(
                net, request.x.shape[1:], request.photos, request.net.graph.rounding
            ),
            warnings=tuple(dict.fromkeys(warnings)),
            images=net.display(request.x)[request.which],
            **photos_of(request.photos, request.which),
            targets=self.names,
            score=self.scores,
            score_unit=self.score_unit,
            layer=layer,
            question=Question(
                request.exactly().net,
                request.x,
                request.which,
                request.targets or (),
                method,
                arguments,
                request.outputs,
            ),
            **more,
        )


@dataclass(frozen=True)
class GradientAnswer(Answer):
    """The scores and their gradients.

    Attributes
    ----------
    gradient : ndarray of shape (N, ...)
        Gradient of each score, or its reduction by ``then``.
    vanished : bool ndarray of shape (N,)
        Which gradients are zero everywhere.
    maps : ndarray of shape (N, ...), or (1, ...) where all share one image
        Where the gradient was taken; empty if ``then`` reduced the gradients.
    """

    gradient: np.ndarray
    vanished: np.ndarray
    maps: np.ndarray

    def warnings_about_gradients(self, layer: str | None) -> tuple[str, ...]:
        """Warnings about vanished gradients."""
        where = "the image" if layer is None else repr(layer)
        return warnings_about_gradients(self.vanished, self.places, where)


@dataclass(frozen=True)
class RelevanceAnswer(Answer):
    """The scores, and the relevance for them.

    Attributes
    ----------
    found : Relevances
        The relevance.
    """

    found: Relevances

    def warnings_about_rules(self) -> list[str]:
        """Warnings about steps without a rule of their own."""
        warnings = []
        for number, account in enumerate(self.found.accounts):
            arrived, handed, _ = self.found.sums[:, number].T
            if not account.is_known:
                lost = np.abs(arrived - handed).max() / max(np.abs(self.scores).max(), 1e-9)
                warnings.append(
                    f"There is no rule for {account.step.name!r} ({account.step.kind}): its "
                    f"relevance is shared by gradient × input, which loses {lost:.1%} of the score "
                    "there."
                )
        return warnings


def ask(
    net: Network,
    image: Any,
    target: Any,
    score: str,
    fit: str | None = None,
    *,
    takes_maps: bool = False,
    precision: str = EXACT,
) -> Request:
    """Validate the arguments of a method.

    One image and several targets, several images and one target, or equally many of both.
    ``takes_maps``: no target is needed, even if scores are maps, as in segmentation.
    ``precision``: see `in_precision`.

    Raises
    ------
    InputError
        If image or target cannot be used, their numbers do not match, or one image takes more
        memory than is free.
    """
    net.score_output(score)
    require_precision(precision)
    x = net.fed(image, fit)
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    x = np.asarray(x)
    warnings = warnings_about_images(net, x, photos)
    given = net
    net, note, gain = in_precision(given, precision, x.shape[1:3])
    exact = None if net is given else given
    warnings += (note,) if note else ()
    if target is None:
        if not takes_maps:
            net.require_class_scores()
        which = np.arange(len(x))
        return Request(net, x, which, None, score, warnings, photos, exact=exact, gain=gain)
    targets = resolved(target, net)
    net = extended(net, targets, score)
    exact = None if exact is None else extended(exact, targets, score)
    # Before weights on maps, which may be too large, are made.
    for outputs in {tuple(one.outputs(net, score)) for one in targets}:
        net.bytes_forward(x.shape[1:3], outputs)
    if len(x) > 1 and len(targets) not in (1, len(x)):
        raise InputError(
            f"Got {counted(len(x), 'image')} and {counted(len(targets), 'target')}: give one "
            "target, one per image, or "
            "one image."
        )
    count = max(len(x), len(targets))
    which = np.arange(count) if len(x) > 1 else np.zeros(count, int)
    targets = targets if len(targets) > 1 else targets * count
    made = [Outputs(net, x[i : i + 1]) for i in range(len(x))]
    targets = tuple(one.at(made[i]) for one, i in zip(targets, which, strict=True))
    return Request(net, x, which, targets, score, warnings, photos, exact=exact, gain=gain)


def photos_of(photos: Sequence[PreparedPhoto] | None, which: Iterable[int]) -> dict[str, Any]:
    """The fields of a result about its ``photos``, one per explanation, indexed by ``which``."""
    if photos is None:
        return {"fit": "stretch"}
    chosen = tuple(photos[i] for i in which)
    return {
        "fit": photos[0].fit,
        "seen": np.array([photo.seen for photo in chosen], np.float32),
        "photo_size": np.array([photo.size for photo in chosen]),
        "prepared": chosen,
    }


def provenance_of(
    net: Network,
    shape: Sequence[int | None],
    photos: Sequence[PreparedPhoto] | None = None,
    rounding: str = "",
) -> dict[str, str]:
    """Provenance of a result for images of ``shape`` (H, W, C), made of ``photos`` if known.

    ``rounding``: that of the graph.
    """
    return {
        "network": net.name,
        "origin": net.origin,
        "preparation": net.preparation.name,
        **({"resample": photos[0].resample} if photos else {}),
        "input": "×".join(str(side or "any") for side in shape),
        **({"precision": rounding} if rounding else {}),
        "backend": backend.title(keras.config.backend()),
        "keras": keras.__version__,
        "optogram": __version__,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def black_image(request: Request) -> np.ndarray:
    """(H, W, C): a black image in network units."""
    black = np.zeros(request.x.shape[1:], np.float32)
    return request.net.preparation.to_network(black)


def weighted_sums(values: Sequence[np.ndarray], weights: Weights) -> np.ndarray:
    """The scores (T, N) of ``weights`` applied to outputs (N, ...) of steps."""
    return sum(
        (array * given).reshape(*np.broadcast_shapes(array.shape[:1], given.shape[:2]), -1).sum(-1)
        for array, given in zip(values, weights.values(), strict=True)
    )
