"""Coverage per room of the house: ``python tests/coverage_by_room.py NOW.json [EARLIER.json]``.

Reads what ``coverage json`` writes. With an earlier file, it names the files of which more lines
or branches are missed now; a file that has moved is known by its name.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path, PurePosixPath

NUMBERS = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def read(path: str) -> dict[str, list[int]]:
    """The `NUMBERS` of each file, by its path below ``optogram/``."""
    files = json.loads(Path(path).read_text(encoding="utf-8"))["files"]
    return {
        name.replace("\\", "/").rpartition("optogram/")[2] if "optogram/" in name else name: [
            each["summary"][number] for number in NUMBERS
        ]
        for name, each in files.items()
    }


def room(path: str) -> str:
    """The first folder, and the one below it."""
    folders = PurePosixPath(path).parts[:-1]
    return "/".join(folders[:2]) or "(files beside the rooms)"


def share(reached: int, number: int) -> str:
    """A share in percent, and the numbers that it is made of."""
    return f"{100 * reached / number if number else 100:6.1f}% {reached:>6}/{number:<6}"


def main(now: str, earlier: str | None = None) -> None:
    """Print the table."""
    files = read(now)
    rooms: dict[str, list[int]] = defaultdict(lambda: [0] * len(NUMBERS))
    for path, numbers in files.items():
        for name in (room(path), "all"):
            rooms[name] = [a + b for a, b in zip(rooms[name], numbers, strict=True)]
    print(f"{'room':28} {'lines':>21} {'branches':>22}")
    for name in [*sorted(set(rooms) - {"all"}), "all"]:
        lines, statements, branches, exits = rooms[name]
        print(f"{name:28} {share(lines, statements)} {share(branches, exits)}")
    if earlier is not None:
        say_what_is_missed_now(files, read(earlier))


def say_what_is_missed_now(files: dict[str, list[int]], then: dict[str, list[int]]) -> None:
    """Name the files of which more is missed than ``then``."""
    of_name = defaultdict(list)
    for path in then:
        of_name[PurePosixPath(path).name].append(path)
    for path, numbers in sorted(files.items()):
        candidates = [path] if path in then else of_name[PurePosixPath(path).name]
        if len(candidates) != 1:
            print(f"{path}: no one file of that name then")
            continue
        before, after = missed(then[candidates[0]]), missed(numbers)
        if any(a > b for a, b in zip(after, before, strict=True)):
            print(f"{path}: missed lines, branches {before} before, {after} now")


def missed(numbers: list[int]) -> tuple[int, int]:
    """How many lines and branches were not reached."""
    lines, statements, branches, exits = numbers
    return statements - lines, exits - branches


if __name__ == "__main__":
    main(*sys.argv[1:])
