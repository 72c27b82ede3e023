"""Photos read ahead: in order, a few at a time, and no thread is left."""

import threading
import time

import numpy as np
import pytest

from optogram.errors import PhotoError
from optogram.files import one_run, reading, require_place
from optogram.pictures.prefetch import prefetched

pytestmark = pytest.mark.once


def readers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


def patiently(number):
    time.sleep(0.002 * (number % 3))
    if number % 5 == 4:
        raise PhotoError(f"photo {number} is broken.")
    return number


@pytest.mark.parametrize(("ahead", "threads"), [(0, 1), (1, 1), (3, 2), (100, 4)])
def test_results_come_in_order_and_errors_in_their_place(ahead, threads):
    found = list(prefetched(patiently, range(12), ahead, threads))
    assert [str(one) for one in found] == [
        f"photo {i} is broken." if i % 5 == 4 else str(i) for i in range(12)
    ]
    assert list(prefetched(patiently, [], ahead, threads)) == []
    assert readers() == []


@pytest.mark.parametrize("ahead", [1, 3])
def test_only_a_few_are_read_ahead(ahead):
    begun = []
    taken = 0

    def read(number):
        begun.append(number)
        assert len(begun) <= taken + ahead + 1
        return number

    for _ in prefetched(read, range(20), ahead, 2):
        taken += 1
        time.sleep(0.003)
    assert begun == list(range(20))


def test_reading_goes_on_while_the_caller_computes():
    second = threading.Event()

    def read(number):
        if number == 1:
            second.set()
        return number

    results = prefetched(read, range(3), 1)
    assert next(results) == 0
    assert second.wait(10)  # without being asked for
    results.close()
    assert readers() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_no_thread_is_left_when_the_caller_stops(error):
    read = []

    def slowly(number):
        read.append(number)
        time.sleep(0.005)
        return number

    with pytest.raises(error):
        for number in prefetched(slowly, range(1000), 4, 2):
            if number == 3:
                raise error
    assert readers() == []
    assert len(read) <= 3 + 1 + 4


def test_other_exceptions_of_reading_are_raised():
    def read(number):
        if number == 2:
            raise MemoryError
        return number

    results = prefetched(read, range(100), 3, 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(MemoryError):
        next(results)
    assert readers() == []
    assert list(results) == []


def test_files_that_threads_read_are_not_replaced_in_the_run(tmp_path):
    path = tmp_path / "photo.npy"
    np.save(path, np.zeros(3))
    with one_run():
        list(prefetched(lambda one: reading(one), [path], 1))
        with pytest.raises(OSError, match="was read in this run"):
            require_place(path)
