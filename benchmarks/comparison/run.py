"""Runs the same task on all sides in turn, round after round, and keeps their times."""

import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import networks
from .environments import ROOT, SIDES, Side, environment, python_of

SHORT = 10.0
"""Seconds of a first call below which a task is run once more, untimed, before each timed run."""
AGREE = 1e-3
"""Largest difference of probabilities, as a part of the largest one, between two sides."""


@dataclass
class Worker:
    """The process of one side with one network.

    Attributes
    ----------
    side : Side
        Who it is.
    process : Popen
        See ``worker.py``.
    log : Path
        What it says beside its answers.
    probabilities : ndarray
        Of the first photo.
    tasks : list of str
        What it can be asked.
    cells : dict of str to list
        The first map of each task, in 7×7 cells.
    """

    side: Side
    process: subprocess.Popen
    log: Path
    probabilities: np.ndarray
    tasks: list[str]
    cells: dict[str, list[float] | None] = field(default_factory=dict)

    @classmethod
    def start(cls, side: Side, python: str, network: str, folder: Path) -> "Worker":
        """Open ``network`` in a process of its own."""
        log = folder / f"{side.name}.log"
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [python, "-m", "benchmarks.comparison.worker", side.name, network, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env=environment(side),
            )
        found = _answer(process, log)
        return cls(side, process, log, np.array(found["probabilities"]), found["tasks"])

    def time(self, task: str) -> dict[str, Any]:
        """Run a task once: seconds, processor seconds and peak of memory."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{task}\n")
        self.process.stdin.flush()
        taken = _answer(self.process, self.log)
        if "cells" in taken:
            self.cells[task] = taken.pop("cells")
        return taken

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def _answer(process: subprocess.Popen, log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        ended = f"{' '.join(process.args[2:5])} ended with {process.wait()}"
        raise RuntimeError(f"{ended}: {log} says why.")
    return json.loads(line)


def rows(
    network: str,
    backend: str,
    folder: Path,
    *,
    tasks: list[str],
    sides: list[str],
    pythons: dict[str, str],
    rounds: int,
) -> Iterator[dict[str, Any]]:
    """A row for each task and side: times of all rounds, side by side."""
    workers, order = [], random.Random(0)
    for side in SIDES[backend]:
        if (sides and side.name not in sides) or not side.runs(network):
            continue
        python = python_of(side, folder / "environments", pythons)
        worker = Worker.start(side, python, network, folder)
        difference = float("nan")
        if workers:
            difference = _difference(worker.probabilities, workers[0].probabilities)
            if not difference <= AGREE:
                raise RuntimeError(f"{side.name} opens another {network}: {difference:.1e} away.")
        workers.append(worker)
        print(f"{network} {backend} {side.name}: the same to {difference:.0e}", file=sys.stderr)
    for task in tasks:
        asked = [worker for worker in workers if task in worker.tasks]
        first = {worker.side.name: worker.time(task) for worker in asked}
        taken: dict[str, list[dict[str, Any]]] = {worker.side.name: [] for worker in asked}
        for _ in range(rounds):
            # The order changes, so that nobody always runs after the same neighbor, and what the
            # neighbor left in caches is not what is measured.
            for worker in order.sample(asked, len(asked)):
                if first[worker.side.name]["wall"] < SHORT:
                    worker.time(task)
                taken[worker.side.name].append(worker.time(task))
        for worker in asked:
            times = taken[worker.side.name]
            yield {
                "network": network,
                "backend": backend,
                "task": task,
                "side": worker.side.name,
                "first": round(first[worker.side.name]["wall"], 3),
                "wall": [round(one["wall"], 4) for one in times],
                "processor": [round(one["processor"], 4) for one in times],
                "peak": max(one["peak"] for one in times),
                "alike": _alike(worker.cells.get(task), asked[0].cells.get(task)),
            }
    for worker in workers:
        worker.close()


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / expected.max())


def _alike(found: list[float] | None, expected: list[float] | None) -> float | None:
    """The correlation of two maps in 7×7 cells."""
    if found is None or expected is None or not np.ptp(found) or not np.ptp(expected):
        return None
    return round(float(np.corrcoef(found, expected)[0, 1]), 3)


def write_network(name: str, folder: Path, python: str) -> None:
    """Write the files of a network, if they are not there."""
    if not (folder / f"{name}.json").exists():
        command = [python, "-m", networks.__name__, name, str(folder)]
        subprocess.run(command, check=True, cwd=ROOT, env=environment(SIDES["tensorflow"][0]))


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """The rows as text: how many times longer each side takes than optogram."""
    for row in found:
        ours = next(
            other
            for other in found
            if other["side"] == "optogram"
            and all(other[key] == row[key] for key in ("network", "backend", "task"))
        )
        wall, processor = (
            statistics.median(row[key]) / statistics.median(ours[key])
            for key in ("wall", "processor")
        )
        cores = statistics.median(np.divide(row["processor"], row["wall"]))
        alike = "" if row["alike"] is None else f", maps alike {row['alike']:.2f}"
        yield (
            f"{row['network']:20} {row['backend']:10} {row['task']:20} {row['side']:12} "
            f"{statistics.median(row['wall']):8.3f} s, {wall:6.2f}× optogram ({processor:6.2f}× in "
            f"processor time, {cores:.1f} cores), first {row['first']:6.1f} s, "
            f"{row['peak'] / 1e6:6.0f} MB{alike}"
        )
