"""How much memory a call may take becomes how many examples it holds at a time."""

import numpy as np
import pytest

from optogram.errors import InputError
from optogram.network.memory import allowance, batches


@pytest.mark.parametrize(
    ("text", "amount"),
    [("2GB", 2e9), ("500 MB", 5e8), ("1.5g", 1.5e9), (" 64 kB ", 64e3), ("100", 100), (7e6, 7e6)],
)
def test_amounts_are_read(text, amount):
    assert allowance(text) == amount


@pytest.mark.parametrize("wrong", ["much", "", "2 GB please", "-1GB", 0, -5, np.nan, "0MB", "1KiB"])
def test_what_is_no_amount_is_refused(wrong):
    with pytest.raises(InputError, match="2GB"):
        allowance(wrong)


def test_by_default_a_part_of_what_is_free():
    assert 1e6 < allowance(None) < 1e15


@pytest.mark.parametrize(
    ("count", "bytes_each", "memory"), [(170, 10, 300), (7, 1, 1e9), (5, 9, 1)]
)
def test_batches_cover_everything_once_within_the_memory(count, bytes_each, memory):
    parts = list(batches(count, bytes_each, memory))
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(count))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) == 1 or max(lengths) * bytes_each <= memory
    assert len(set(lengths[:-1])) <= 1 and lengths[-1] <= lengths[0]


def test_the_last_batch_wastes_little():
    lengths = [part.stop - part.start for part in batches(33, 1, 32)]
    assert lengths == [17, 16]


def test_nothing_makes_no_batches():
    assert list(batches(0, 1, 1)) == []
