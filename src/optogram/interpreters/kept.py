"""Objects made once per key, of which the most recently used are kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Kept(Generic[Thing]):
    """Objects by key, of which the most recently used are kept; safe for threads.

    Parameters
    ----------
    most : int
        Number of objects that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.RLock()
        self._things: OrderedDict[Hashable, Thing] = OrderedDict()

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[Thing]:
        """The objects that are kept now."""
        with self._lock:
            return iter(list(self._things.values()))

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """The object for ``key``; ``make`` is called if it is not kept."""
        with self._lock:  # also during make: threads that ask for the same get one object
            if key not in self._things:
                self._things[key] = make()
                if len(self._things) > self._most:
                    self._things.popitem(last=False)
            self._things.move_to_end(key)
            return self._things[key]
