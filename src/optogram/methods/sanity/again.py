"""Repeats the call of a method."""

from optogram.methods import attribution_method
from optogram.network.network import Network
from optogram.progress import Progress, silent
from optogram.result import Attribution, Question


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
