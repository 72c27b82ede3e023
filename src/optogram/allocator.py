"""Settings of the C library's memory allocator, for backends that allocate each output anew.

glibc hands large blocks back to the kernel as soon as they are freed. The next one of that size
costs a page fault for each 4 kB, which takes as long as the arithmetic of many layers.
"""

import ctypes
import functools
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # of malloc.h
_KEPT = 2**30
"""Bytes of freed memory at the end of the heap that stay with the process."""
_STEP = 2**26
"""Bytes by which the heap grows beyond what is asked for."""


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep up to 1 GiB of freed memory for the next outputs, with glibc.

    It changes the allocator of the whole process, once. Nothing is changed on other systems, or if
    the environment has settings of the allocator: a variable ``MALLOC_…``, such as
    ``MALLOC_TRIM_THRESHOLD_``, or ``glibc.malloc`` in ``GLIBC_TUNABLES``.

    Returns
    -------
    bool
        Whether the settings were changed.
    """
    if not sys.platform.startswith("linux") or _is_set_by_user():
        return False
    try:
        library = ctypes.CDLL(None)
        if not hasattr(library, "gnu_get_libc_version"):  # other C libraries lack it
            return False
        settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _KEPT, _M_TOP_PAD: _STEP}
        return all(library.mallopt(*setting) for setting in settings.items())
    except (AttributeError, OSError):
        return False


def _is_set_by_user() -> bool:
    has_variable = any(name.startswith("MALLOC_") for name in os.environ)
    return has_variable or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
