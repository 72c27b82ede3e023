"""Answering: short questions at once, long ones in a queue; what nobody waits for is stopped."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from optogram.errors import InputError, OptogramError
from optogram.web.asking import QUESTIONS, Question
from optogram.web.packing import Answer, packed
from optogram.web.workspace import StoppedError, Workspace

_SHORT_THREADS = 4
_LONG_THREADS = 2

Event = tuple[str, bytes | Mapping[str, Any]]
"""("progress", {"done", "total", "what"}), ("partial", bytes), ("result", bytes), or
("error", {"error", "is_asker"})."""

logger = logging.getLogger("optogram.web")


class _Work:
    """One question that is being answered, for one listener or several."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_stopped = threading.Event()
        self.listeners: list[asyncio.Queue[Event]] = []

    # Called in the thread that answers.

    def progress(self, done: int, total: int, what: str) -> None:
        """Say that ``done`` of ``total`` units are done."""
        self._say(("progress", {"done": done, "total": total, "what": what}))

    def partial(self, answer: Answer) -> None:
        """Give an answer that is not final."""
        self._say(("partial", packed(answer)))

    def require_listener(self) -> None:
        """Raise a StoppedError if nobody waits for the answer."""
        if self._is_stopped.is_set():
            raise StoppedError

    def _say(self, event: Event) -> None:
        self.require_listener()
        self._loop.call_soon_threadsafe(self.tell, event)

    # Called in the thread of the event loop.

    def tell(self, event: Event) -> None:
        """Pass ``event`` on to all who wait."""
        for listener in self.listeners:
            listener.put_nowait(event)

    def leave(self, listener: asyncio.Queue[Event]) -> bool:
        """``listener`` waits no more; whether nobody does."""
        self.listeners.remove(listener)
        if not self.listeners:
            self._is_stopped.set()
        return not self.listeners


class Answering:
    """Answers questions about one workspace, in threads.

    The same question asked by several at a time is answered once.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._short = ThreadPoolExecutor(_SHORT_THREADS, "optogram-short")
        self._long = ThreadPoolExecutor(_LONG_THREADS, "optogram-long")
        self._works: dict[str, _Work] = {}

    def close(self) -> None:
        """Stop all that is being answered."""
        for work in list(self._works.values()):
            for listener in list(work.listeners):
                work.leave(listener)
        for pool in (self._short, self._long):
            pool.shutdown(wait=False, cancel_futures=True)

    async def events(
        self, name: str, given: Mapping[str, str], receive: Callable[[Event], Any]
    ) -> None:
        """Await ``receive(event)`` for each event until the question is answered.

        When this is cancelled, and nobody else asks the same, the work is stopped.
        """
        question = QUESTIONS.get(name)
        if question is None:
            await receive(_refused(f"There is no question {name[:40]!r}."))
            return
        try:
            key, values = question.read(self.workspace, given)
        except OptogramError as error:
            await receive(_refused(str(error)))
            return
        known = self.workspace.answers.get(key) if question.is_kept else None
        if known is not None:
            await receive(("result", known))
            return
        work = self._works.get(key)
        if work is None:
            work = self._works[key] = _Work(asyncio.get_running_loop())
            pool = self._long if question.is_long else self._short
            pool.submit(self._answer, key, question, values, work)
        events: asyncio.Queue[Event] = asyncio.Queue()
        work.listeners.append(events)
        try:
            while True:
                event = await events.get()
                await receive(event)
                if event[0] in ("result", "error"):
                    return
        finally:
            if work.leave(events) and self._works.get(key) is work:
                del self._works[key]

    async def answer(self, name: str, given: Mapping[str, str]) -> Event:
        """The last event of the question: its result, or an error."""
        last: list[Event] = []

        async def receive(event: Event) -> None:
            last[:] = [event]

        await self.events(name, given, receive)
        return last[0]

    def _answer(self, key: str, question: Question, values: Mapping[str, Any], work: _Work) -> None:
        """Answer in this thread."""
        try:
            work.require_listener()
            content = packed(question.answer(self.workspace, work, **values))
            if question.is_kept:
                self.workspace.answers.put(key, content, len(content))
            event: Event = ("result", content)
        except StoppedError:
            return
        except OptogramError as error:
            event = _refused(str(error))
        except Exception:
            logger.exception("%s could not be answered", key)
            said = f"{question.name!r} could not be answered: see the log of the explorer."
            event = ("error", {"error": said, "is_asker": False})
        work._loop.call_soon_threadsafe(self._finish, key, work, event)

    def _finish(self, key: str, work: _Work, event: Event) -> None:
        if self._works.get(key) is work:
            del self._works[key]
        work.tell(event)


def _refused(sentence: str) -> Event:
    return ("error", {"error": sentence, "is_asker": True})


def as_texts(given: Mapping[str, Any]) -> dict[str, str]:
    """Parameters out of JSON, as texts.

    Raises
    ------
    InputError
        If one is neither a text nor a number.
    """
    texts = {}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InputError(f"{name[:40]!r} must be a text or a number.")
        texts[name] = value if isinstance(value, str) else f"{value:.17g}"
    return texts
