"""Settings of the memory allocator, in fresh processes: they are those of a whole process."""

import os
import platform
import subprocess
import sys

import pytest

from optogram.allocator import keep_freed_memory

pytestmark = pytest.mark.once

SCRIPT = """
import ctypes
import resource
from optogram.allocator import keep_freed_memory

print(keep_freed_memory(), keep_freed_memory())
library = ctypes.CDLL(None)
library.malloc.restype = library.memset.restype = ctypes.c_void_p
library.memset.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
library.malloc.argtypes, library.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]

def touch():
    block = library.malloc(2**25)
    library.memset(block, 1, 2**25)
    library.free(block)

touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**settings):
    """Whether anything was set, twice, and the page faults of memory that was freed before."""
    usual = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))
    }
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**usual, **settings}, capture_output=True, text=True
    )
    assert not ran.stderr
    *answers, count = ran.stdout.split()
    return answers, int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_freed_memory_is_used_again():
    answers, count = faults()
    assert answers == ["True", "True"]
    assert count < 100  # of 8192 pages


@pytest.mark.parametrize(
    "settings", [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=0"}]
)
def test_settings_of_the_user_stay(settings):
    assert faults(**settings)[0] == ["False", "False"]


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory.__wrapped__() is False
