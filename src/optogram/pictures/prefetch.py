"""Reading ahead: photos are read by threads while what was read before is computed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from optogram.errors import PhotoError

_Asked = TypeVar("_Asked")
_Read = TypeVar("_Read")


def prefetched(
    read: Callable[[_Asked], _Read], order: Iterable[_Asked], ahead: int = 2, threads: int = 1
) -> Iterator[_Read | PhotoError]:
    """``read(one)`` for each of ``order``, in that order, computed ahead by threads.

    Decoding and resizing run beside other Python code, because Pillow releases the interpreter for
    them. No thread is left when the iterator ends, is closed, or raises; what is being read then is
    waited for, and what is not begun is not read.

    Parameters
    ----------
    read
        Reads a photo, or a batch of photos; it is called in ``threads`` threads at once.
    order
        What to read, taken from as reading goes on.
    ahead
        How many results there are at most beside the one in use, done or being read. 0: each is
        read when it is asked for, in this thread.
    threads
        Number of threads.

    Yields
    ------
    What ``read`` returned, or the PhotoError that it raised. Any other exception is raised.
    """
    if ahead < 1:
        for one in order:
            yield _outcome(read, one)
        return
    waiting: deque[Future[_Read | PhotoError]] = deque()
    pool = ThreadPoolExecutor(min(threads, ahead), thread_name_prefix="reading")
    try:
        for one in order:
            # Files are registered as read in the run of the caller, which its context holds.
            waiting.append(pool.submit(copy_context().run, _outcome, read, one))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        waiting.clear()
        pool.shutdown(cancel_futures=True)


def _outcome(read: Callable[[_Asked], _Read], one: _Asked) -> _Read | PhotoError:
    """What ``read`` returns, or the PhotoError that it raises."""
    try:
        return read(one)
    except PhotoError as error:
        return error
