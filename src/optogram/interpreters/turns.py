"""Scheduling of programs of many threads: they take turns between batches, short ones first.

A single program uses the whole CPU or device: running several at once would only need more memory
and make each slower.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

SHORT = 4
"""Examples, at most, of a question that is answered at once."""
_PATIENCE = (0.5, 10.0)
"""Long work waits for short questions before each batch, for a limited time. Bounds of this limit,
in seconds."""
_SHARE = 4
"""The limit, in durations of the last batch: short questions that keep coming, as while a patch is
dragged, leave a fifth of the time to long work."""
_QUIET = 0.1
"""Seconds after a short question in which another thread's long work expects the next one."""


class Turns:
    """Lets short programs run at once, and long ones one at a time, in the order of their coming.

    A long one waits while short ones run, and shortly after those of other threads, but not for
    ever. Nobody waits inside a turn, so that there is no deadlock.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._is_taken = False
        self._short = 0
        self._quiet_from = 0.0
        self._took = 0.0
        self._asker: int | None = None

    @contextmanager
    def turn(self, is_short: bool = False) -> Iterator[None]:
        """Run the block, one program for one batch, when it is its turn."""
        with self._short_turn() if is_short else self._long_turn():
            yield

    @contextmanager
    def _short_turn(self) -> Iterator[None]:
        with self._changed:
            self._short += 1
        try:
            yield
        finally:
            with self._changed:
                self._short -= 1
                self._quiet_from = time.monotonic() + _QUIET
                self._asker = threading.get_ident()
                self._changed.notify_all()

    @contextmanager
    def _long_turn(self) -> Iterator[None]:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                # By turns: one that has just had its turn stands behind all who wait.
                self._changed.wait_for(lambda: self._waiting[0] is ticket and not self._is_taken)
                self._stand_back()
                self._is_taken = True
                began = time.monotonic()
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._took = time.monotonic() - began
                self._changed.notify_all()

    def _stand_back(self) -> None:
        """Wait until no short program runs or is expected, or patience is at its end."""
        least, most = _PATIENCE
        latest = time.monotonic() + min(most, max(least, _SHARE * self._took))
        while (now := time.monotonic()) < latest:
            if self._short:
                self._changed.wait(latest - now)
            elif now < self._quiet_from and self._asker != threading.get_ident():
                self._changed.wait(min(latest, self._quiet_from) - now)
            else:
                return


TURNS = Turns()
turn = TURNS.turn
