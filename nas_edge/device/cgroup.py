"""What this process's control groups say of memory: a container's or service's limit, its kills."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Optional, Tuple

_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def cgroup_room_bytes(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Optional[int]:
    """Return the least room of the groups that this process is in, or None where none has a limit.

    Args:
        root: Where the groups are mounted.
        own: The file that names this process's groups.
    """
    rooms = [_room(folder, *names) for folder, names in _groups(root, own)]
    return min((room for room in rooms if room is not None), default=None)


def cgroup_oom_kills(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Optional[int]:
    """Return how often the kernel has killed for memory in this process's group.

    Kills elsewhere on the machine, in other containers say, are not in it. None where the group
    does not count (a root group, Linux before 4.13).

    Args:
        root: Where the groups are mounted.
        own: The file that names this process's groups.
    """
    for folder, (limit, _, _) in _groups(root, own):
        name = "memory.events" if limit == _V2[0] else "memory.oom_control"
        try:
            rows = [row.split() for row in (folder / name).read_text().splitlines()]
        except OSError:
            continue
        for row in rows:
            if row[:1] == ["oom_kill"]:
                return int(row[1])
    return None


def _groups(root: Path, own: Path) -> Iterator[Tuple[Path, Tuple[str, str, str]]]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = root, _V2
        elif "memory" in controllers.split(","):
            base, names = root / "memory", _V1
        else:
            continue
        # In a container the path may be the host's: then only the mounted root is there to be read.
        for folder in _upwards(base, path):
            yield folder, names


def _upwards(base: Path, path: str) -> List[Path]:
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [base.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _room(folder: Path, limit: str, used: str, cache: str) -> Optional[int]:
    try:
        limit_text = (folder / limit).read_text().strip()
        used_bytes = int((folder / used).read_text())
        stats = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    if limit_text == "max":
        return None
    cached = next((int(row.split()[1]) for row in stats if row.split()[0] == cache), 0)
    return max(int(limit_text) - used_bytes + cached, 0)
