"""What Linux's control groups leave of the memory: containers are held by them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as a number about as large as there is."""


class _Files(NamedTuple):
    """The names that one version gives to a group's limit, its use, and what can be let go of."""

    limit: str
    used: str
    reclaimable: str


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def free_in_groups(root: Path = Path("/")) -> int | None:
    """Bytes that the tightest of the groups that this process is in still allows.

    Groups are nested, and every one of them counts. None: there is no limit, or no such thing.
    ``root`` is where ``proc`` lies.
    """
    found = [_free(folder, files) for folder, files in _groups(root)]
    return min((one for one in found if one is not None), default=None)


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """The folder of every group that limits this process, from the innermost outwards."""
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
    """A group and all around it, as paths below the mount, which shows ``mounted`` and below."""
    inside = PurePosixPath(path)
    # In a container the group may be named as the machine names it, outside what is mounted.
    if inside.is_relative_to(mounted):
        inside = inside.relative_to(mounted)
    return [str(one).lstrip("/") for one in (inside, *inside.parents)]


def _free(folder: Path, files: _Files) -> int | None:
    """What a group leaves; None where it has no limit or does not exist here."""
    try:
        limit = int((folder / files.limit).read_text())
        used = int((folder / files.used).read_text())
    except (OSError, ValueError):  # "max" is no number
        return None
    if limit >= _UNLIMITED:
        return None
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, amount = line.split()
            if name == files.reclaimable:
                used -= int(amount)
    return max(0, limit - max(0, used))
