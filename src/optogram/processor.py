"""What the processor of this machine can do."""

import functools
from pathlib import Path

NO_BFLOAT16 = "this machine has no instructions for bfloat16"

_CPUINFO = Path("/proc/cpuinfo")
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}
"""Flags of processors that multiply numbers in bfloat16."""


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products in bfloat16, as far as Linux says."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BFLOAT16.isdisjoint(flags.split())
