"""Memory limits of Linux control groups, which containers use."""

import functools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as a number about this large."""


class _Files(NamedTuple):
    """File names of a version for limit, usage, and reclaimable cache."""

    limit: str
    used: str
    reclaimable: str


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def free_in_groups(root: Path = Path("/")) -> int | None:
    """Bytes left in the tightest control group of this process.

    Groups are nested, and all of them apply. None: there is no limit, or no control groups.
    ``root`` is the folder of ``proc``.
    """
    found = [_free(folder, files) for folder, files in _groups(root)]
    return min((one for one in found if one is not None), default=None)


@functools.cache
def _groups(root: Path) -> tuple[tuple[Path, _Files], ...]:
    """The folders of all groups that limit this process, innermost first; read once."""
    return tuple(_found(root))


def _found(root: Path) -> Iterator[tuple[Path, _Files]]:
    with suppress(OSError, ValueError):
        own: dict[str, str] = {}
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            own[controllers] = path
        for line in (root / "proc/self/mountinfo").read_text().splitlines():
            before, after = line.split(" - ", 1)
            mounted, place = before.split()[3:5]
            kind, _, options = after.split(None, 2)
            if kind == "cgroup2":
                path, files = own.get("", ""), _VERSION_2
            elif kind == "cgroup" and "memory" in options.split(","):
                named = (own[names] for names in own if "memory" in names.split(","))
                path, files = next(named, ""), _VERSION_1
            else:
                continue
            for inner in _upwards(path, mounted) if path else ():
                yield root / place.lstrip("/") / inner, files


def _upwards(path: str, mounted: str) -> list[str]:
    """A group and all its parents, as paths below the mount of ``mounted``."""
    inside = PurePosixPath(path)
    # In a container, the group may have its name on the host, outside the mount.
    if inside.is_relative_to(mounted):
        inside = inside.relative_to(mounted)
    return [str(one).lstrip("/") for one in (inside, *inside.parents)]


def _free(folder: Path, files: _Files) -> int | None:
    """Bytes left in a group; None if it has no limit or does not exist."""
    try:
        limit = int((folder / files.limit).read_text())
        used = int((folder / files.used).read_text())
    except (OSError, ValueError):  # "max" is not a number
        return None
    if limit >= _UNLIMITED:
        return None
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, amount = line.split()
            if name == files.reclaimable:
                used -= int(amount)
    return max(0, limit - max(0, used))
