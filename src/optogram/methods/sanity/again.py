"""Repeats the call of a method."""

from collections.abc import Iterator, Sequence

import numpy as np

from optogram.methods import attribution_method
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import Attribution, NoisyGradients, Question


def ask_again(
    question: Question,
    net: Network,
    memory: float | str | None = None,
    progress: Progress = silent,
) -> Attribution:
    """The result of the method for ``question``, with ``net``, which may be another network."""
    method, targets = attribution_method(question.method), list(question.targets)
    more = {"memory": memory, "progress": progress}
    return method(net, question.x, targets, **more, **question.arguments)


def asked_again(
    questions: Sequence[Question],
    net: Network,
    memory: float | str | None = None,
    progress: Progress = silent,
) -> Iterator[Attribution]:
    """`ask_again` for each of the ``questions``, in their order.

    Successive ones about the same noisy copies, such as by SmoothGrad and VarGrad, share them.
    """
    last: tuple[Question, NoisyGradients] | None = None
    for question in questions:
        if last is not None and _has_copies_of(question, last[0]):
            yield getattr(last[1], question.method)()
            continue
        found = ask_again(question, net, memory, progress)
        last = (question, found) if isinstance(found, NoisyGradients) else None
        yield found


def _has_copies_of(question: Question, other: Question) -> bool:
    """Whether ``question`` asks for the gradients at the noisy copies of the ``other``."""
    return (
        question.method in NoisyGradients.METHODS
        and question.arguments == other.arguments
        and question.targets == other.targets
        and np.array_equal(question.which, other.which)
        and np.array_equal(question.x, other.x)
    )
