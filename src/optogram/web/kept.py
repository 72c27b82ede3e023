"""What was computed, kept within a budget of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


class Kept:
    """Things that were computed, within a budget of bytes; the least recently used ones go first.

    What several threads ask for at the same time is computed once.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.size = 0
        self._lock = threading.Lock()
        self._items: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._coming: dict[Any, Future[Any]] = {}

    def get(self, key: Any) -> Any:
        """What is kept under ``key``, or None."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Any, item: Any, size: int) -> None:
        """Keep ``item``, of ``size`` bytes, unless it alone is larger than the budget."""
        with self._lock:
            self._put(key, item, size)

    def once(self, key: Any, make: Callable[[], tuple[Any, int]]) -> Any:
        """What is kept under ``key``, else what ``make`` returns with its size in bytes."""
        while True:
            with self._lock:
                if key in self._items:
                    self._items.move_to_end(key)
                    return self._items[key][0]
                coming = self._coming.get(key)
                if coming is None:
                    coming = self._coming[key] = Future()
                    break
            try:
                return coming.result()
            except StoppedError:  # theirs: ours goes on
                continue
        try:
            item, size = make()
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            coming.set_exception(error)
            raise
        with self._lock:
            del self._coming[key]
            self._put(key, item, size)
        coming.set_result(item)
        return item

    def _put(self, key: Any, item: Any, size: int) -> None:
        self.size -= self._items.pop(key, (None, 0))[1]
        if size > self.budget:
            return
        self._items[key] = (item, size)
        self.size += size
        while self.size > self.budget:
            _, (_, freed) = self._items.popitem(last=False)
            self.size -= freed
