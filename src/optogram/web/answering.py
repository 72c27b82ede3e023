"""Answering: short questions at once, long ones in a queue; what nobody waits for is stopped."""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from optogram.errors import InputError, OptogramError
from optogram.web.asking import QUESTIONS, Question
from optogram.web.kept import StoppedError
from optogram.web.packing import Answer, packed
from optogram.web.workspace import Workspace

_SHORT_THREADS = 4
_LONG_THREADS = 2
_WAITING_BYTES = 64 << 20
"""Bytes of unfinished answers that may wait for one who reads slowly."""

Event = tuple[str, bytes | Mapping[str, Any]]
"""("progress", {"done", "total", "what"}), ("partial", bytes), ("result", bytes), or
("error", {"error", "is_asker"})."""

_ENDING: Event = ("error", {"error": "The explorer was stopped.", "is_asker": False})

logger = logging.getLogger("optogram.web")


class _Listener:
    """Events for one who waits: of progress the latest, of unfinished answers a bounded number."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._some = asyncio.Event()
        self._size = 0

    def put(self, event: Event) -> None:
        """Add an event."""
        kind, content = event
        if kind == "partial":
            self._size += len(content)
            if self._size > _WAITING_BYTES:
                self._events.clear()
                event = _refused("Unfinished answers were not read fast enough: ask again.")
        elif kind == "progress" and self._events and self._events[-1][0] == kind:
            self._events.pop()
        self._events.append(event)
        self._some.set()

    async def get(self) -> Event:
        """The next event."""
        await self._some.wait()
        event = self._events.popleft()
        if event[0] == "partial":
            self._size -= len(event[1])
        if not self._events:
            self._some.clear()
        return event


class _Work:
    """One question that is being answered, for one listener or several."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_stopped = threading.Event()
        self.listeners: list[_Listener] = []

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
            listener.put(event)

    def stop(self) -> None:
        """Have the thread that answers end."""
        self._is_stopped.set()

    def leave(self, listener: _Listener) -> bool:
        """``listener`` waits no more; whether nobody does."""
        self.listeners.remove(listener)
        if not self.listeners:
            self.stop()
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
        self._is_closed = False
        self._running = 0
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a thread of it is computing."""
        with self._lock:
            return self._running > 0

    async def run(self, function: Callable[..., Any], *given: Any) -> Any:
        """What ``function(*given)`` returns, called in a thread for short questions."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._short, lambda: self._counted(function, *given))

    def _counted(self, function: Callable[..., Any], *given: Any) -> Any:
        with self._lock:
            self._running += 1
        try:
            return function(*given)
        finally:
            with self._lock:
                self._running -= 1

    def close(self) -> None:
        """Stop all that is being answered; whoever still waits hears so."""
        self._is_closed = True
        for work in list(self._works.values()):
            work.stop()
            work.tell(_ENDING)
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
        except Exception:
            await receive(_failed(name, str(dict(given))))
            return
        known = self.workspace.answers.get(key) if question.is_kept else None
        if known is not None:
            await receive(("result", known))
            return
        if self._is_closed:
            await receive(_ENDING)
            return
        work = self._works.get(key)
        if work is None:
            work = self._works[key] = _Work(asyncio.get_running_loop())
            pool = self._long if question.is_long else self._short
            pool.submit(self._counted, self._answer, key, question, values, work)
        events = _Listener()
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
            if self._is_closed:
                return
            event = _failed(question.name, key)
        # The loop has ended where the explorer has: nobody waits.
        with contextlib.suppress(RuntimeError):
            work._loop.call_soon_threadsafe(self._finish, key, work, event)

    def _finish(self, key: str, work: _Work, event: Event) -> None:
        if self._works.get(key) is work:
            del self._works[key]
        work.tell(event)


def _failed(name: str, asked: str) -> Event:
    """The event for an exception, which is logged."""
    logger.exception("%s could not be answered: %s", name, asked[:2000])
    said = f"{name!r} could not be answered: see the log of the explorer."
    return ("error", {"error": said, "is_asker": False})


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
        texts[name] = str(value)
    return texts
