"""How long work tells its caller how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, what)``: units finished, units in all, a word on the work."""


def silent(done: int, total: int, what: str) -> None:
    """Report nothing: what stands in where the caller gave no ``progress``."""
