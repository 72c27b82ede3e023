"""The checks of several results, of which the work in common is done once."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from optogram.graph.steps import Output
from optogram.methods.request.request import Request, provenance_of
from optogram.methods.sanity.again import asked_again
from optogram.methods.sanity.perturbation import is_no, on_image, rank_correlation
from optogram.methods.sanity.rivals import Rivals
from optogram.methods.sanity.scrambling import cascade, stage_labels
from optogram.progress import Progress, while_going_on
from optogram.result import Attribution, Check, Question


def checked_together(
    results: Sequence[Attribution],
    steps: int,
    seed: int,
    memory: float | str | None,
    progress: Progress,
) -> list[Check]:
    """The check of each of the ``results``, all of which have questions; see `optogram.check`.

    Those of one network share each set of scrambled weights; there is one set at a time.
    """
    subjects = [_Subject(one, one.question) for one in results if one.question is not None]
    total = sum(len(stage_labels()) + len(subject.heats) for subject in subjects)
    done = 0

    def within(part: int, whole: int, what: str) -> None:
        while_going_on(progress, done, total, "scrambled networks")(part, whole, what)

    for group in _by_cascade(subjects):
        for stage in cascade(group[0].question.net, group[0].scored, seed):
            questions = [subject.question for subject in group]
            maps = asked_again(questions, stage.net, memory, within)
            for subject, again in zip(group, maps, strict=True):
                subject.compare(again)
                done += 1
                progress(done, total, "scrambled networks")
    rivals = Rivals(steps, seed, memory)
    for subject in subjects:
        for index in range(len(subject.heats)):
            told = while_going_on(progress, done, total, "deletion and insertion")
            subject.perturb(index, rivals, told)
            done += 1
            progress(done, total, "deletion and insertion")
    return [subject.check(steps, seed) for subject in subjects]


class _Subject:
    """A result that is checked, and what was found so far."""

    def __init__(self, result: Attribution, question: Question) -> None:
        self.question = question
        self.heats = np.nan_to_num(result.heatmap)
        self._result = result
        is_function = any(target.functions() for target in question.targets)
        score = question.arguments["score"] if is_function else "probability"
        self._request = Request(question.net, question.x, question.which, question.targets, score)
        self.scored = self._request.scored()
        self._similarity: list[list[float]] = []
        self._scrambled = [self.heats[0]]
        self._deletion: list[np.ndarray] = []
        self._insertion: list[np.ndarray] = []
        self._edge_similarity: list[float] = []
        self._edges = np.zeros(0)

    def compare(self, again: Attribution) -> None:
        """Compare the maps with those of the next stage of scrambling."""
        others = np.nan_to_num(again.heatmap)
        self._scrambled.append(others[0])
        self._similarity.append(
            [rank_correlation(*pair) for pair in zip(self.heats, others, strict=True)]
        )

    def perturb(self, index: int, rivals: Rivals, progress: Progress) -> None:
        """Find the curves of map ``index``, the next one."""
        question, heat = self.question, self.heats[index]
        alone = replace(
            self._request,
            x=question.x[question.which[index]][None],
            which=np.zeros(1, int),
            targets=(question.targets[index],),
        )
        placed = on_image(self._result, index, alone.size)
        shape = (heat.shape[0], heat.shape[1])
        found = rivals.curves(alone, self._result.images[index], shape, placed, progress)
        lifted = int(is_no(question.net, question.targets[index]))
        self._deletion.append(found.deletion + lifted)
        self._insertion.append(found.insertion + lifted)
        self._edge_similarity.append(rank_correlation(heat, found.edges))
        if index == 0:
            self._edges = found.edges

    def check(self, steps: int, seed: int) -> Check:
        """The check, when all is found."""
        result, question = self._result, self.question
        return Check(
            values=np.array(self._similarity, np.float32).T,
            method="check",
            parameters={**result.parameters, "steps": steps, "seed": seed},
            provenance=provenance_of(question.net, question.x.shape[1:], result.prepared),
            warnings=result.warnings,
            checked=result.method,
            layer=result.layer,
            targets=result.targets,
            stages=stage_labels(),
            deletion=np.array(self._deletion, np.float32),
            insertion=np.array(self._insertion, np.float32),
            edge_similarity=np.array(self._edge_similarity, np.float32),
            image=result.images[0],
            scrambled=np.stack(self._scrambled),
            edges=self._edges,
        )


def _by_cascade(subjects: Sequence[_Subject]) -> list[list[_Subject]]:
    """The subjects in groups of one network, whose scores depend on the same layers."""
    groups: dict[Hashable, list[_Subject]] = {}
    for subject in subjects:
        key: tuple[int, tuple[Output, ...]] = id(subject.question.net), tuple(subject.scored)
        groups.setdefault(key, []).append(subject)
    return list(groups.values())
