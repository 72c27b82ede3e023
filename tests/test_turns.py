"""Whose program runs when several threads have one."""

import threading
import time

import pytest

from optogram.interpreters import turns
from optogram.interpreters.turns import Turns

pytestmark = pytest.mark.once

WAIT = 10


def started(*works):
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    return threads


def joined(threads):
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()


def until(condition):
    latest = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.001)


def test_long_programs_run_one_at_a_time_in_the_order_of_their_coming():
    own, running, order = Turns(), [], []

    def work(name):
        for _ in range(20):
            with own.turn():
                running.append(name)
                assert running == [name]
                time.sleep(0.001)
                order.append(running.pop())

    with own.turn():
        threads = []
        for count, name in enumerate("abc", 1):
            threads += started(lambda name=name: work(name))
            until(lambda count=count: len(own._waiting) == count)
    joined(threads)
    assert "".join(order) == "abc" * 20


def test_a_short_program_does_not_wait_for_a_long_one():
    own = Turns()
    with own.turn():
        joined(started(lambda: own.turn(is_short=True).__enter__()))


@pytest.mark.parametrize("least", [100.0, 0.0])
def test_a_long_program_stands_back_for_short_ones(monkeypatch, least):
    monkeypatch.setattr(turns, "_PATIENCE", (least, 100.0))
    monkeypatch.setattr(turns, "_SHARE", 0 if least else 10_000)
    own, order = Turns(), []
    with own.turn():
        # A batch of 10 ms is followed by 100 s of patience.
        time.sleep(0.01)

    def work():
        with own.turn():
            order.append("long")

    with own.turn(is_short=True):
        threads = started(work)
        until(lambda: own._waiting)
        time.sleep(0.05)
        with own.turn(is_short=True):
            order.append("short")
        assert order == ["short"]
    joined(threads)
    assert order == ["short", "long"]


def test_a_long_program_does_not_stand_back_for_ever(monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE", (0.0, 0.05))
    monkeypatch.setattr(turns, "_SHARE", 1e6)
    own, done = Turns(), threading.Event()
    with own.turn():
        time.sleep(0.01)

    def work():
        with own.turn():
            done.set()

    with own.turn(is_short=True):
        joined(started(work))
    assert done.is_set()


def test_work_of_one_thread_does_not_wait_for_its_own_short_questions(monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE", (1000.0, 1000.0))
    monkeypatch.setattr(turns, "_QUIET", 1000.0)
    own = Turns()

    def work():
        with own.turn(is_short=True):
            pass
        with own.turn():
            pass

    joined(started(work))


@pytest.mark.parametrize("is_short", [False, True])
def test_a_turn_ends_with_an_exception(is_short):
    own = Turns()
    with pytest.raises(ZeroDivisionError), own.turn(is_short):
        raise ZeroDivisionError
    assert not own._waiting and not own._short and not own._is_taken
    joined(started(lambda: own.turn().__enter__()))


def test_who_is_interrupted_while_waiting_is_no_longer_waited_for(monkeypatch):
    own = Turns()

    def interrupted():
        raise KeyboardInterrupt

    def work():
        with pytest.raises(KeyboardInterrupt):
            own.turn().__enter__()

    with own.turn():
        monkeypatch.setattr(own, "_stand_back", interrupted)
        waiting = started(work)
        until(lambda: own._waiting)
    joined(waiting)
    monkeypatch.undo()
    assert not own._waiting
    joined(started(lambda: own.turn().__enter__()))
