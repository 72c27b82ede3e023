"""Things made once and kept: the last few, the same one for all threads."""

import threading
import time

from optogram.interpreters.kept import Kept


def test_what_is_kept_is_made_once():
    kept, made = Kept(2), []
    for key in ("a", "b", "a", "a"):
        assert kept.get(key, lambda key=key: made.append(key) or key.upper()) == key.upper()
    assert made == ["a", "b"]


def test_what_was_used_last_is_kept():
    kept = Kept(2)
    for key in ("a", "b", "a", "c"):
        kept.get(key, lambda key=key: key)
    assert len(kept) == 2
    assert kept.get("a", lambda: "anew") == "a"
    assert kept.get("b", lambda: "anew") == "anew"


def test_all_threads_get_the_same():
    kept, found, made, barrier = Kept(2), [], [], threading.Barrier(4)

    def make():
        made.append(object())
        time.sleep(0.05)
        return made[-1]

    def work():
        barrier.wait(10)
        found.append(kept.get(1, make))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and found == made * 4
