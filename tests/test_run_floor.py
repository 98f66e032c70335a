"""scripts/run_floor.py: which Python is taken for the floor, and what happens without one."""

import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = str(ROOT / "scripts")


@pytest.fixture
def run_floor(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import run_floor

    return run_floor


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def home(tmp_path):
    """Return a home with a version manager's shim that only says no, first on the PATH."""
    write_program(tmp_path / "shims" / "python3.8", "echo 'command not found' >&2; exit 127")
    return tmp_path


def environment(home, *folders):
    path = os.pathsep.join(str(folder) for folder in [home / "shims", *folders])
    return {"PATH": path, "HOME": str(home)}


def test_shim_that_does_not_run_is_passed_over(run_floor, home):
    assert run_floor.find_floor_python(environment(home)) is None

    write_program(home / "bin" / "python3.8", "echo True")
    found = run_floor.find_floor_python(environment(home, home / "bin"))
    assert found == str(home / "bin" / "python3.8")


def test_pyenv_is_looked_into(run_floor, home):
    write_program(home / ".pyenv" / "versions" / "3.8.18" / "bin" / "python", "echo True")

    found = run_floor.find_floor_python(environment(home))

    assert found == str(home / ".pyenv" / "versions" / "3.8.18" / "bin" / "python")


def test_named_python_has_to_be_a_python_38(run_floor, home):
    named = {**environment(home), "FLOOR_PYTHON": str(home / "shims" / "python3.8")}

    with pytest.raises(run_floor.Problem, match=r"FLOOR_PYTHON must be a Python 3\.8 that runs"):
        run_floor.find_floor_python(named)


def test_missing_python_38_is_skipped_loudly(home):
    script = [sys.executable, str(ROOT / "scripts" / "run_floor.py")]

    done = subprocess.run(script, capture_output=True, text=True, env=environment(home))

    assert done.returncode == 0
    assert "FLOOR RUN SKIPPED: no Python 3.8 found" in done.stdout


def test_environment_is_kept_outside_the_checkout_by_its_versions(run_floor, home, monkeypatch):
    first = run_floor.floor_venv({"HOME": str(home)})
    assert first.parent == home / ".cache" / "nas_edge"
    assert first.name == run_floor.floor_venv({"HOME": "/", "XDG_CACHE_HOME": "/x"}).name

    other = home / "checkout"
    other.mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        (other / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(run_floor, "ROOT", other)
    assert run_floor.floor_venv({"HOME": str(home)}) == first

    with (other / "constraints.txt").open("a") as file:
        file.write("# said\nnewer==1.0; python_version >= '3.9'\n")
    assert run_floor.floor_venv({"HOME": str(home)}) == first

    (other / "constraints.txt").write_text("torch==2.1.1\n")
    assert run_floor.floor_venv({"HOME": str(home)}) != first


def test_only_environments_that_no_run_used_for_long_are_removed(run_floor, tmp_path):
    now_s = time.time()
    names = {"floor-current": 90, "floor-old": 31, "floor-recent": 29}
    for name, age_days in names.items():
        stamp = tmp_path / name / run_floor.STAMP
        stamp.parent.mkdir()
        stamp.touch()
        os.utime(str(stamp), (now_s, now_s - age_days * 24 * 3600))
    (tmp_path / "floor-unfinished").mkdir()

    removed = run_floor.remove_unused(tmp_path / "floor-current", now_s)

    assert removed == [tmp_path / "floor-old"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "floor-current",
        "floor-recent",
        "floor-unfinished",
    }


def write_archive(path, files):
    with tarfile.open(str(path), "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("jetson-stats-4.3.2/jtop/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)


def test_old_jtop_is_fetched_once_and_only_its_package_is_unpacked(run_floor, tmp_path):
    import make_venv

    calls = []

    def run(argv):
        calls.append(argv)
        top = "jetson-stats-4.3.2"
        write_archive(
            Path(argv[argv.index("--dest") + 1]) / f"{top}.tar.gz",
            {
                f"{top}/setup.py": "raise SystemExit",
                f"{top}/jtop/__init__.py": "__version__ = '4.3.2'",
                f"{top}/jtop/core/gpu.py": "",
                f"{top}/jtop/../../../escaped.py": "",
            },
        )
        return make_venv.Result(0, "", "")

    folder = run_floor.old_jtop(tmp_path, run)

    assert run_floor.old_jtop(tmp_path, run) == folder
    assert len(calls) == 1
    assert {"download", "--no-deps", "jetson-stats==4.3.2"} <= set(calls[0])
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))
    assert files == ["jtop/__init__.py", "jtop/core/gpu.py"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_old_jtop_that_cannot_be_fetched_is_one_line(run_floor, tmp_path):
    import make_venv

    def run(argv):
        return make_venv.Result(1, "", "ERROR: Network is unreachable")

    with pytest.raises(run_floor.Problem, match=r"^jetson-stats==4\.3\.2: the package registry"):
        run_floor.old_jtop(tmp_path, run)
    assert list(tmp_path.iterdir()) == []
