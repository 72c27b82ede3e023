"""The process of one side: it opens a network and runs a task for each line that it reads.

``python -m benchmarks.comparison.worker SIDE NETWORK FOLDER``. Each answer is a line of JSON: first
the probabilities of the first photo and the tasks that the side has, then, for each task asked for,
seconds on the wall and of all cores together, the peak of the memory beyond what was held when the
network had been opened, and, the first time, the map in 7×7 cells.
"""

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import networks
from .tasks import GRID

STATUS = Path("/proc/self/status")


def held(what: str) -> int:
    """Bytes of memory: ``VmRSS`` now, ``VmHWM`` at the peak since `forget_peak`."""
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])


def forget_peak() -> None:
    """Start to look for the peak of memory anew; Linux alone can."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def cells(found: Any) -> list[float] | None:
    """A map of the first photo in 7×7 cells, or None if the result has no such map."""
    if found is None:
        return None
    values = np.abs(np.asarray(found, np.float64))
    if values.ndim and values.shape[-1] in (1, 3):
        values = values.max(axis=-1)
    if values.ndim < 2:
        return None
    values = values.reshape(-1, *values.shape[-2:])[0]
    height, width = values.shape
    if height % GRID or width % GRID:
        return None
    blocks = values.reshape(GRID, height // GRID, GRID, width // GRID)
    return blocks.mean(axis=(1, 3)).ravel().tolist()


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side")
    parser.add_argument("network")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    # Some libraries print progress; answers have a channel of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**line: Any) -> None:
        print(json.dumps(line), file=answers, flush=True)

    side = importlib.import_module(f".sides.{arguments.side}", __package__)
    opened = side.opened(arguments.network, networks.read(arguments.network, arguments.folder))
    probabilities = np.asarray(opened.probabilities(), np.float64).ravel()
    answer(probabilities=probabilities.tolist(), tasks=list(opened.tasks))
    before, known = held("VmRSS"), set[str]()
    for line in sys.stdin:
        task = line.strip()
        forget_peak()
        wall, busy = time.perf_counter(), time.process_time()
        found = opened.tasks[task]()
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        # The limit is measured on a part of the work, and says by how much to scale it.
        scale = found if isinstance(found, float) else 1.0
        taken = {
            "wall": scale * wall,
            "processor": scale * busy,
            "peak": max(0, held("VmHWM") - before),
        }
        if task not in known and not isinstance(found, float):
            taken["cells"] = cells(found)
        known.add(task)
        answer(**taken)


if __name__ == "__main__":
    main()
