"""Repeats the call of a method."""

from optogram.methods import attribution_method
from optogram.network.network import Network
from optogram.result import Attribution, Question


def ask_again(question: Question, net: Network, memory: float | str | None = None) -> Attribution:
    """The result of the method for ``question``, with ``net``, which may be another network."""
    method = attribution_method(question.method)
    return method(net, question.x, list(question.targets), memory=memory, **question.arguments)
