"""What this machine leaves a study: memory, swap, process limits, disk, temporary folders."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Callable, List, Optional, Tuple

from nas_edge.config.units import format_bytes
from nas_edge.device.cgroup import cgroup_room_bytes
from nas_edge.device.check import NOTE, OK, PROBLEM, Check
from nas_edge.device.machine import available_memory_bytes, total_memory_bytes
from nas_edge.device.process_memory import HIGH_WATER_SOURCE, HighWater

# Three processes that have torch imported, of which two share most of it.
LOW_MEMORY_BYTES = 2**30
# The embedded data set, a dozen checkpoints and their report; images in full size take more.
LOW_DISK_BYTES = 2**30
SMALL_MEMORY_BYTES = 16 * 2**30
WRITTEN_BYTES = 2**20
# AF_UNIX takes 108 bytes with the end mark; multiprocessing adds two folders of its own.
LONGEST_TEMP_PATH = 107 - len("/pymp-12345678/listener-12345678")


def memory_check(
    available_bytes: Callable[[], int] = available_memory_bytes,
    room_bytes: Callable[[], Optional[int]] = cgroup_room_bytes,
) -> Check:
    """Return what memory there is to be had, and whether a container's limit decides it.

    Args:
        available_bytes: Returns what could be had now.
        room_bytes: Returns what the process's control groups leave it, None without a limit.
    """
    free, room = available_bytes(), room_bytes()
    found = f"{format_bytes(free)} of {format_bytes(total_memory_bytes())} to be had"
    if room is not None and room <= free:
        found += ", by the limit of the container or service"
    if free < LOW_MEMORY_BYTES:
        mend = "close programs (`ps aux --sort=-rss | head`), or raise the container's --memory"
        return Check("memory", NOTE, f"{found}: most candidates will not fit", mend)
    return Check("memory", OK, found)


def swap_check(root: Path = Path("/"), is_board: bool = False) -> Check:
    """Return the swap there is; a board without any kills what goes beyond its memory.

    Args:
        root: Where the machine's files lie.
        is_board: Whether this is a Jetson.
    """
    areas = _swap_areas(root)
    total = sum(size for _, size in areas)
    compressed = sum(size for name, size in areas if "zram" in name)
    if total:
        parts = f" ({format_bytes(compressed)} of it compressed memory, zram)" if compressed else ""
        return Check("swap", OK, f"{format_bytes(total)}{parts}")
    if not is_board:
        return Check("swap", OK, "none")
    return Check(
        "swap",
        NOTE,
        "none: where memory runs out, the kernel kills at once, and maybe another program",
        "sudo fallocate -l 4G /swap && sudo chmod 600 /swap && sudo mkswap /swap && "
        "sudo swapon /swap",
    )


def _swap_areas(root: Path) -> List[Tuple[str, int]]:
    """Return name and bytes of each area."""
    try:
        lines = (root / "proc/swaps").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        import psutil

        return [("swap", int(psutil.swap_memory().total))]
    # Spaces in a name are written as \040, so that columns stay columns.
    return [(row.split()[0], int(row.split()[2]) * 1024) for row in lines if row.strip()]


# Name in `resource`, option of ulimit, what it bounds, from where on it does not matter.
_LIMITS = (
    ("RLIMIT_AS", "-v", "address space", None),
    ("RLIMIT_DATA", "-d", "data segment", None),
    ("RLIMIT_FSIZE", "-f", "size of a file", None),
    ("RLIMIT_NOFILE", "-n", "open files", 256),
)


def limit_checks() -> List[Check]:
    """Return one check for each limit of this process that a candidate may run into."""
    try:
        import resource
    except ImportError:  # Windows has none
        return [Check("process limits", OK, "none on this system")]
    checks = []
    for name, option, what, enough in _LIMITS:
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit == resource.RLIM_INFINITY or (enough is not None and limit >= enough):
            continue
        size = f"{limit}" if enough else format_bytes(limit)
        mend = f"ulimit {option} {enough or 'unlimited'} (or raise it in /etc/security/limits.conf)"
        checks.append(Check("process limits", NOTE, f"{what}: at most {size}", mend))
    return checks or [Check("process limits", OK, "none that matters")]


def disk_check(out: Path) -> Check:
    """Return whether a run can be kept in a folder: it is written to for real, and left as it was.

    Args:
        out: The run's folder, or where it would be made.
    """
    name, elsewhere = f"disk at {out}", "use --out DIR with a folder on another disk"
    folder = _nearest(out)
    if not folder.is_dir():
        return Check(name, PROBLEM, f"{folder} is a file, not a folder", "use --out DIR")
    free = _free_bytes(folder)
    found = f"{format_bytes(free)} free"
    try:
        _write_and_lock(folder)
    except OSError as err:
        why = f"cannot be written ({err.strerror or err}), {found}"
        return Check(
            name, PROBLEM, why, f"make room or `sudo chown $USER {folder}`; or {elsewhere}"
        )
    except sqlite3.Error as err:
        why = f"SQLite cannot keep a database there ({err}), as on some network disks"
        return Check(name, PROBLEM, why, f"{elsewhere}, or --storage with a database's URL")
    if free < LOW_DISK_BYTES:
        return Check(name, NOTE, f"only {found}", f"make room (`du -xh {folder} | sort -h | tail`)")
    return Check(name, OK, f"{found}, writable")


def _nearest(path: Path) -> Path:
    """Return a path, or the closest above it that is there."""
    whole = Path(os.path.abspath(str(path)))
    return next((one for one in (whole, *whole.parents) if os.path.lexists(str(one))), whole)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(str(folder)).free


def _write_and_lock(folder: Path) -> None:
    """Write a file and a database as a run does.

    Raises:
        OSError: If the disk is full or read-only.
        sqlite3.Error: If it has no locks.
    """
    with tempfile.TemporaryDirectory(prefix=".nas-edge-doctor-", dir=str(folder)) as place:
        with open(os.path.join(place, "file"), "wb") as file:
            file.write(bytes(WRITTEN_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.closing(sqlite3.connect(os.path.join(place, "study.db"))) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE trial (number INTEGER)")
            database.commit()


def temporary_folder_check() -> Check:
    """Return whether child processes can have their sockets: they lie in the temporary folder."""
    name, mend = "temporary folder", "export TMPDIR=DIR, a short path on a disk with room"
    try:
        folder = Path(tempfile.gettempdir())
        _write_and_lock(folder)
    except (OSError, sqlite3.Error) as err:
        return Check(name, PROBLEM, f"cannot be written ({err})", mend)
    if len(os.fsencode(str(folder))) > LONGEST_TEMP_PATH:
        wrong = f"{folder}: its path must have at most {LONGEST_TEMP_PATH} bytes, for sockets"
        return Check(name, PROBLEM, wrong, mend)
    return Check(name, OK, f"{folder}, {format_bytes(_free_bytes(folder))} free")


def shared_memory_check(root: Path = Path("/"), platform: str = sys.platform) -> Check:
    """Return whether there is a /dev/shm for semaphores and for batches that processes pass on."""
    folder = root / "dev/shm"
    if not platform.startswith("linux"):
        return Check("shared memory", OK, "this system needs no /dev/shm")
    if folder.is_dir() and os.access(str(folder), os.W_OK):
        return Check("shared memory", OK, f"/dev/shm, {format_bytes(_free_bytes(folder))} free")
    return Check(
        "shared memory",
        NOTE,
        "/dev/shm is not there or not writable",
        "sudo mount -t tmpfs -o mode=1777,size=1g tmpfs /dev/shm (a container: --shm-size=1g)",
    )


def high_water_check(high_water: Callable[[], HighWater] = HighWater) -> Check:
    """Return how the memory probe will read its peak: exactly, or from samples."""
    mark = high_water()
    mark.reset()
    mark.read_bytes()
    if mark.source == HIGH_WATER_SOURCE:
        return Check("memory probe", OK, mark.source)
    return Check(
        "memory probe",
        NOTE,
        f"{mark.source}: short peaks may be missed",
        "use Linux outside of a sandbox, with /proc writable (/proc/self/clear_refs)",
    )
