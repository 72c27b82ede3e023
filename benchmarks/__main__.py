"""The benchmark: each method beside its limit, the tutorials' loops, plain Keras and other tools.

    python -m benchmarks --out benchmarks.json

Every side has a process and an environment of its own; they are installed into ``build/benchmarks``
unless ``--python`` names one that exists (``--python captum=/path/bin/python``). All open the same
network, which is checked, and run the same task in turn: one run that compiles, then three rounds,
in random order, after an untimed run where that is short.
Times are those of all rounds, on the wall and of all cores together; the peak of the memory is
beyond what the process held before. Rows that the file has are kept: a second run goes on where the
first one ended, on this machine or another one; each row says on which. ``--growth`` times how cost
grows with what is asked, optogram alone. It needs Linux, which tells the peak of memory.
"""

import argparse
import json
import platform
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

from .comparison.environments import ROOT, SIDES, environment, python_of
from .comparison.networks import LAYERS
from .comparison.run import lines, rows, write_network
from .comparison.tasks import TASKS


def main() -> None:
    """Time what the file lacks, and print all rows."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--networks", nargs="+", default=list(LAYERS))
    parser.add_argument("--backends", nargs="+", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--sides", nargs="+", default=[], help="optogram must be among them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="how cost grows, instead")
    parser.add_argument("--python", nargs="+", default=[], metavar="ENVIRONMENT=PYTHON")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "benchmarks")
    parser.add_argument("--out", type=Path, default=Path("benchmarks.json"))
    arguments = parser.parse_args()
    if arguments.sides and "optogram" not in arguments.sides:
        parser.error("--sides must name optogram: the others are compared with it.")
    pythons = dict(one.split("=", 1) for one in arguments.python)
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {"machines": [], "rows": [], "growth": []}
    known["tasks"] = {name: task.settings for name, task in TASKS.items()}
    if arguments.out.exists():
        known = json.loads(arguments.out.read_text(encoding="utf-8"))
    own = machine()
    if own not in known["machines"]:
        known["machines"].append(own)
    here = {"machine": known["machines"].index(own)}
    part = "growth" if arguments.growth else "rows"
    had = {(row["network"], row["backend"], row.get("task")) for row in known[part]}
    homes = folder / "environments"
    for network, backend in product(arguments.networks, arguments.backends):
        tasks = [
            task
            for task in arguments.tasks
            if (network, backend, task) not in had and TASKS[task].has(network)
        ]
        if not tasks or (arguments.growth and (network, backend, None) in had):
            continue
        write_network(network, folder, python_of(SIDES["tensorflow"][0], homes, pythons))
        if arguments.growth:
            python = python_of(SIDES[backend][0], homes, pythons)
            points = growth(network, backend, folder, python)
            known["growth"] += [here | point for point in points]
            write(arguments.out, known)
            continue
        options = {"sides": arguments.sides, "pythons": pythons, "rounds": arguments.rounds}
        for row in rows(network, backend, folder, tasks=tasks, **options):
            known["rows"].append(here | row)
            write(arguments.out, known)
    print(*lines(known["rows"]), sep="\n")


def growth(network: str, backend: str, folder: Path, python: str) -> list[dict[str, Any]]:
    """The points of one network on one backend."""
    command = [python, "-m", "benchmarks.comparison.growth", network, str(folder)]
    found = subprocess.run(
        command,
        check=True,
        cwd=ROOT,
        env=environment(SIDES[backend][0]),
        stdout=subprocess.PIPE,
        text=True,
    )
    return [json.loads(line) for line in found.stdout.splitlines()]


def machine() -> dict[str, str]:
    """What the processor is called, and what it can do."""
    known = {"system": platform.system(), "processor": platform.processor()}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        pairs = [
            line.split(":", 1) for line in cpuinfo.read_text("utf-8").splitlines() if ":" in line
        ]
        found = {name.strip(): value.strip() for name, value in pairs}
        wanted = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
        flags = [flag for flag in found.get("flags", "").split() if flag in wanted]
        cores = sum(name.strip() == "processor" for name, _ in pairs)
        known |= {"processor": found.get("model name", ""), "flags": " ".join(sorted(flags))}
        known["cores"] = str(cores)
    return known


def write(path: Path, known: dict[str, Any]) -> None:
    """Keep what is known; an interruption leaves the file as it was, or whole."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    main()
