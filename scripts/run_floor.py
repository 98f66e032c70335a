"""Run the tests on the oldest versions that nas-edge supports: Python 3.8, torch 2.1, optuna 4.5.

Enters: pytest's arguments. Leaves: pytest's exit status; 0 and a loud line where there is no Python
3.8. The environment is made once for a set of versions and kept outside the checkout, so that a
fresh clone does not pay for it again; the checkout is put on its path, not installed into it. In it
lies the oldest jetson-stats that is supported, too, for the tests that talk to its client.

Standard library only.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Iterator, List, Mapping, Optional

from make_venv import (
    ROOT,
    STAMP,
    Problem,
    Run,
    explain_pip,
    read_requirements,
    run_command,
    say,
)

EXTRAS = ["test"]
OLD_JTOP = "jetson-stats==4.3.2"
UNUSED_AFTER_S = 30 * 24 * 3600


def is_floor_python(python: str) -> bool:
    """Return whether this really is a Python 3.8 (a version manager's shim may only say no)."""
    code = "import sys; print(sys.version_info[:2] == (3, 8))"
    try:
        done = subprocess.run(
            [python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == b"True"


def floor_pythons(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield where a Python 3.8 may be, the likeliest first."""
    for folder in environment.get("PATH", "").split(os.pathsep):
        found = shutil.which("python3.8", path=folder)
        if found:
            yield found
    home = Path(environment.get("HOME", "~")).expanduser()
    pyenv = Path(environment.get("PYENV_ROOT", str(home / ".pyenv")))
    yield from (str(path) for path in sorted(pyenv.glob("versions/3.8*/bin/python"), reverse=True))


def find_floor_python(environment: Mapping[str, str]) -> Optional[str]:
    """Return a Python 3.8 that runs, None if there is none.

    Raises:
        Problem: If FLOOR_PYTHON names something else.
    """
    named = environment.get("FLOOR_PYTHON")
    if named:
        if not is_floor_python(named):
            raise Problem(f"FLOOR_PYTHON must be a Python 3.8 that runs, but got {named!r}")
        return named
    return next((python for python in floor_pythons(environment) if is_floor_python(python)), None)


def floor_venv(environment: Mapping[str, str]) -> Path:
    """Return the environment's place: another one for every set of versions."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    # A version raised for newer Pythons only does not make the floor anew: that takes minutes.
    asked = [line for line in lines if not re.search(r"^#|python_version (>=|==) ", line)]
    asked += read_requirements(pyproject, EXTRAS)
    key = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]
    cache = environment.get("XDG_CACHE_HOME") or str(Path(environment["HOME"]) / ".cache")
    return Path(cache) / "nas_edge" / f"floor-{key}"


def remove_unused(current: Path, now_s: float) -> List[Path]:
    """Remove the environments of other sets of versions that no run has used for long."""
    removed = []
    for venv in current.parent.glob("floor-*"):
        with contextlib.suppress(FileNotFoundError):
            if venv != current and now_s - (venv / STAMP).stat().st_mtime > UNUSED_AFTER_S:
                shutil.rmtree(str(venv), ignore_errors=True)
                removed.append(venv)
    return removed


def old_jtop(venv: Path, run: Run = run_command) -> Path:
    """Return the folder with the package of the oldest jetson-stats, fetched once.

    It is unpacked, not installed: building it runs its setup.py's install command, which as root
    sets up a service of the system, and for anybody else ends where no such service runs.

    Raises:
        Problem: If it cannot be fetched.
    """
    folder = venv / "old-jtop"
    if folder.is_dir():
        return folder
    say(f"fetching {OLD_JTOP}")
    with tempfile.TemporaryDirectory(dir=str(venv)) as name:
        work = Path(name)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "download", "--quiet", "--no-deps"]
        result = run([*pip, "--disable-pip-version-check", "--dest", name, OLD_JTOP])
        if result.code != 0:
            raise Problem(f"{OLD_JTOP}: {explain_pip(result.err, Path('constraints.txt'))}")
        unpack_package(next(work.glob("*.tar.gz")), "jtop", work / "unpacked")
        (work / "unpacked").rename(folder)
    return folder


def unpack_package(archive: Path, package: str, folder: Path) -> None:
    """Write a package's own files from a source archive, and nothing else in it."""
    with tarfile.open(str(archive)) as tar:
        for member in tar:
            parts = Path(member.name).parts[1:]
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None and parts[:1] == (package,) and ".." not in parts:
                path = folder.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


def main() -> int:
    """Find a Python 3.8, make its environment, run the tests in it."""
    try:
        python = find_floor_python(os.environ)
        venv = floor_venv(os.environ)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 3
    if python is None:
        line = "!" * 78
        print(
            f"{line}\nFLOOR RUN SKIPPED: no Python 3.8 found (python3.8 on the PATH, pyenv, or "
            f"FLOOR_PYTHON=...);\nnothing was checked on Python 3.8, torch 2.1, optuna 4.5\n{line}",
            flush=True,
        )
        return 0
    venv.parent.mkdir(parents=True, exist_ok=True)
    make = [python, str(ROOT / "scripts" / "make_venv.py"), str(venv), "--no-project"]
    done = subprocess.run([*make, "--extras", ",".join(EXTRAS)])
    if done.returncode != 0:
        return done.returncode
    try:
        jtop = old_jtop(venv)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 3
    (venv / STAMP).touch()
    remove_unused(venv, time.time())
    say(f"the floor: {python}, {venv}")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    pytest = [str(venv / "bin" / "python"), "-m", "pytest", "-o", "cache_dir=.pytest_cache/floor"]
    environment = {**os.environ, "PYTHONPATH": path, "NAS_EDGE_OLD_JTOP": str(jtop)}
    tests = subprocess.run([*pytest, *sys.argv[1:]], cwd=str(ROOT), env=environment)
    return tests.returncode


if __name__ == "__main__":
    sys.exit(main())
