"""Make the virtual environment that the Makefile works in, or find that nothing is to be done.

Enters: the Python that runs this file, pyproject.toml and constraints.txt beside it. Leaves: an
environment with tested versions and a stamp that says what it was made from, so that the next call
answers at once. On a Jetson the environment sees the board's own torch and torchvision, and pip is
never given a reason to replace them. Not done here: finding a Python, and running anything in the
environment.

Standard library only, and nothing newer than Python 3.6 in the syntax, so that an old Python can
still say what is wrong with it.
"""

import argparse
import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

OLDEST, NEWEST = (3, 8), (3, 13)
# The CPU build of torch and the rest take about 1.5 GiB; less than this ends in a broken install.
MIN_FREE_BYTES = 2 * 1024**3
# From this version on pip installs editable projects that have no setup.py.
MIN_PIP = 22
STAMP = "nas_edge-stamp.json"
INSTALLING = "nas_edge-installing"
ROOT = Path(__file__).resolve().parent.parent


class Problem(Exception):
    """What the user has to mend, in one line."""


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


class Board(NamedTuple):
    """A Jetson, and the torch that its system packages hold."""

    jetpack: str
    torch: str
    torchvision: Optional[str]
    has_cuda: bool


# --- the machine -----------------------------------------------------------------------------


def run_command(argv: Sequence[str], capture: bool = False) -> Result:
    """Run a command; its errors are shown as they come and kept, its output is kept on demand."""
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        errors="replace",
    )
    if capture:
        out, err = process.communicate()
        return Result(process.returncode, out, err)
    lines = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        sys.stderr.write(line)
        sys.stderr.flush()
    return Result(process.wait(), "", "".join(lines))


def check_python(version: Tuple[int, int], system: str, machine: str) -> None:
    """Raise Problem if torch has no tested build for this Python."""
    found = "{}.{}".format(*version)
    tested = "{}.{} to {}.{}".format(*OLDEST, *NEWEST)
    hint = "name another one, e.g. `make PYTHON=python3.11`"
    if version < OLDEST:
        raise Problem(f"Python must be {tested}, but this one is {found}, too old: {hint}")
    if version > NEWEST:
        raise Problem(f"Python must be {tested}, but this one is {found}, too new: {hint}")
    if system == "darwin" and machine == "x86_64" and version > OLDEST:
        raise Problem(
            f"torch has no builds for Intel Macs for Python {found} that nas-edge was tested "
            "with: use Python 3.8 (torch 2.1.2), e.g. `make PYTHON=python3.8`"
        )


def check_venv_module(version: Tuple[int, int], has_module: Callable[[str], object]) -> None:
    """Raise Problem if this Python cannot make virtual environments (Debian splits that off)."""
    missing = [name for name in ("venv", "ensurepip") if has_module(name) is None]
    if missing:
        found = "{}.{}".format(*version)
        raise Problem(
            f"this Python {found} has no module {missing[0]}, so it cannot make an environment: on "
            f"Debian, Ubuntu and a Jetson `sudo apt install python{found}-venv`, then again"
        )


def check_disk(folder: Path, free_bytes: int) -> None:
    """Raise Problem if torch cannot fit."""
    if free_bytes < MIN_FREE_BYTES:
        raise Problem(
            f"{folder}: {free_bytes / 1024**3:.1f} GiB are free, but torch and the rest need at "
            f"least {MIN_FREE_BYTES / 1024**3:.0f} GiB (with CUDA about 8): make room, then again"
        )


# --- a Jetson and its torch ------------------------------------------------------------------


def jetson_release(root: Path) -> Optional[str]:
    """Return the JetPack that a Jetson runs, "?" if it does not say, None if it is no Jetson."""
    tegra = root / "etc" / "nv_tegra_release"
    if tegra.is_file():
        match = re.search(r"\bR(\d+)\b", tegra.read_text(errors="replace"))
        releases = {"35": "5", "36": "6", "38": "7", "39": "7"}
        return releases.get(match.group(1), "?") if match else "?"
    # In a container only the kernel's files are there.
    model = root / "proc" / "device-tree" / "model"
    if model.is_file() and re.search(
        r"NVIDIA Jetson|Orin|Xavier|Thor", model.read_text(errors="replace")
    ):
        return "?"
    return None


PROBE = """
import json, sys
from importlib.util import find_spec
import torch
from importlib.metadata import PackageNotFoundError, version
vision = None
if find_spec("torchvision") is not None:
    try:
        vision = version("torchvision")
    except PackageNotFoundError:
        vision = "?"
print(json.dumps([torch.__version__, vision, torch.version.cuda is not None]))
"""


def find_board(root: Path, python: str, run: Run) -> Optional[Board]:
    """Return the Jetson that this is, with its own torch, or None on any other machine.

    Raises:
        Problem: If the board's torch does not import, which pip cannot mend: the builds of the
            package registry do not see a Jetson's GPU.
    """
    jetpack = jetson_release(root)
    if jetpack is None:
        return None
    result = run([python, "-c", PROBE], capture=True)
    if result.code != 0:
        reason = (result.err.strip().splitlines() or ["no reason given"])[-1]
        wheel = {
            "5": "NVIDIA's torch 2.1 wheel for JetPack 5 and Python 3.8",
            "6": "NVIDIA's torch wheel for JetPack 6 and Python 3.10",
            "7": "upstream's torch 2.9 or newer, built for CUDA 13, for Python 3.12",
        }.get(jetpack, "NVIDIA's torch wheel for the JetPack on this board")
        raise Problem(
            f"this is a Jetson (JetPack {jetpack}), and the board's own torch does not import in "
            f"{python} ({reason}): install {wheel} (NVIDIA's page \"Installing PyTorch for "
            'Jetson Platform"), then again'
        )
    torch, vision, has_cuda = json.loads(result.out.strip().splitlines()[-1])
    return Board(jetpack, torch, vision, has_cuda)


def board_constraints(text: str, board: Board, python: Tuple[int, int]) -> str:
    """Return the constraints with the board's torch and torchvision in place of the tested ones."""
    kept = []
    for line in text.splitlines():
        name = re.split(r"[=<>!~; ]", line, maxsplit=1)[0].lower()
        # NVIDIA's wheels up to Python 3.10 were built against NumPy 1 and refuse NumPy 2; a wheel
        # that was built against NumPy 2 runs with 1.26 as well.
        if name in ("torch", "torchvision") or (name == "numpy" and python == (3, 10)):
            continue
        kept.append(line)
    kept.append(f"torch=={board.torch}")
    if board.torchvision not in (None, "?"):
        kept.append(f"torchvision=={board.torchvision}")
    if python == (3, 10):
        kept.append("numpy==1.26.4")
    return "\n".join(kept) + "\n"


def matching_torchvision(torch: str) -> str:
    """Return the torchvision that belongs to a torch: 0.16 to 2.1, and so on in step."""
    match = re.match(r"2\.(\d+)", torch)
    if match is None:
        raise Problem(f"torch must be 2.1 or newer, but the board's own is {torch}")
    return f"torchvision==0.{int(match.group(1)) + 15}.*"


# --- what is asked for -----------------------------------------------------------------------


def read_requirements(pyproject: str, extras: Sequence[str]) -> List[str]:
    """Return the requirements in pyproject.toml: to build it, to run it, and of the extras.

    A TOML array of plain strings reads as a Python list, which spares a TOML parser: the standard
    library has none before Python 3.11.

    Raises:
        Problem: If there is no such array.
    """

    def array(key: str) -> List[str]:
        match = re.search(rf"^{re.escape(key)} = (\[.*?\]$)", pyproject, re.MULTILINE | re.DOTALL)
        if match is None:
            raise Problem(f"pyproject.toml: no array {key!r} (an unknown extra?)")
        return list(ast.literal_eval(match.group(1)))

    found = array("requires") + array("dependencies")
    for extra in extras:
        for requirement in array(extra):
            own = re.match(r"nas-edge\[([\w,]+)\]$", requirement)
            if own:
                found += read_requirements(pyproject, own.group(1).split(","))
            else:
                found.append(requirement)
    return list(dict.fromkeys(found))


def requirement_name(requirement: str) -> str:
    """Return the name that a requirement is about."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


# --- the environment -------------------------------------------------------------------------


def venv_mismatch(venv: Path, base_python: str, version: str, is_jetson: bool) -> str:
    """Return why an environment cannot be used further, "" if it can."""
    config = venv / "pyvenv.cfg"
    if not config.is_file():
        return "it is not whole"
    if (venv / INSTALLING).exists():
        return "its making was cut off"
    entries = dict(re.findall(r"^(\S+) *= *(.*)$", config.read_text(errors="replace"), re.M))
    made_by = entries.get("version", "?")
    if made_by.split(".")[:2] != version.split(".")[:2]:
        return f"it was made by Python {made_by}, and Python {version} is asked for"
    python = venv / "bin" / "python"
    if not python.exists():
        return f"the Python that it was made by ({entries.get('home', '?')}) is gone"
    # Both may be links, and the one asked for may be this environment's own, when it is active.
    if python.resolve() != Path(base_python).resolve():
        return f"it was made by {python.resolve()}, and {base_python} is asked for"
    if is_jetson and entries.get("include-system-site-packages") != "true":
        return "it does not see the board's own torch"
    return ""


def read_stamp(venv: Path) -> Dict[str, str]:
    """Return, for each extra in the environment ("" for none), what it was last made from."""
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def explain_pip(err: str, constraints: Path) -> str:
    """Return in one line why pip failed."""
    if re.search(r"No space left on device|Errno 28", err):
        return "the disk is full: make room, then again"
    if re.search(
        r"Failed to establish|NameResolution|name resolution|Network is unreachable|ProxyError"
        r"|Connection(Error| ?refused|Reset)|Connection refused|Read timed out|SSLError|No route",
        err,
        re.I,
    ):
        return (
            "the package registry cannot be reached: check the network, or the proxy and the "
            "registry that pip is set to, then again; what is downloaded already is kept"
        )
    errors = [line for line in err.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1][len("ERROR:") :].strip() if errors else "see above"
    return f"pip could not install what {constraints.name} asks for: {reason}"


def install(python: Path, constraints: Path, what: Sequence[str], run: Run) -> None:
    """Install requirements under constraints; a cut-off install leaves its mark."""
    mark = python.parent.parent / INSTALLING
    mark.touch()
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    result = run([*pip, *quiet, "-c", str(constraints), *what])
    if result.code != 0:
        # pip unpacks nothing before it has downloaded everything: without a network the
        # environment is as it was, on a full disk it is not.
        reason = explain_pip(result.err, constraints)
        if "disk is full" not in reason:
            mark.unlink()
        raise Problem(reason)
    mark.unlink()


def upgrade_old_pip(python: Path, constraints: Path, run: Run) -> None:
    """Replace the pip of an old distribution (20.0 on JetPack 5)."""
    result = run([str(python), "-m", "pip", "--version"], capture=True)
    match = re.match(r"pip (\d+)", result.out)
    if match is None or int(match.group(1)) < MIN_PIP:
        install(python, constraints, ["--upgrade", "pip"], run)


def fill(
    python: Path, constraints: Path, requirements: List[str], board: Optional[Board], run: Run
) -> None:
    """Install torch, torchvision and then the rest, or on a board only the rest."""
    apart = ("torch", "torchvision")
    rest = [text for text in requirements if requirement_name(text) not in apart]
    upgrade_old_pip(python, constraints, run)
    if board is None:
        # First and alone: whatever else asks for torch then finds the tested one.
        for name in apart:
            say(f"installing {name}")
            install(python, constraints, [name], run)
        say("installing the rest")
        install(python, constraints, rest, run)
        return
    say(f"using the board's own torch {board.torch}")
    if not board.has_cuda:
        say("WARNING: that torch was built without CUDA, so training will not use the GPU")
    say("installing the rest")
    install(python, constraints, rest, run)
    if board.torchvision is None:
        # Its metadata names another torch exactly, and pip would fetch that one; its compiled part
        # may not fit the board's torch, and is not needed here.
        vision = matching_torchvision(board.torch)
        say(f"installing {vision}")
        install(python, constraints, ["--no-deps", vision], run)
        install(python, constraints, ["requests"], run)


def create(venv: Path, base_python: str, board: Optional[Board], run: Run) -> None:
    """Make an empty environment, marked as unfinished until pip has worked in it."""
    check_venv_module(sys.version_info[:2], find_spec)
    check_disk(venv.parent, shutil.disk_usage(str(venv.parent)).free)
    say(f"making {venv}; the first time this takes some minutes")
    venv.mkdir()
    (venv / INSTALLING).touch()
    site = ["--system-site-packages"] if board else []
    result = run([base_python, "-m", "venv", *site, str(venv)], capture=True)
    if result.code != 0:
        reason = " ".join((result.err or result.out).strip().splitlines()[-1:])
        raise Problem(f"{venv}: making the environment failed: {reason}")


def remove(venv: Path) -> None:
    """Remove an environment, and nothing else that someone has put in its place."""
    known = {"bin", "include", "lib", "lib64", "share", "pyvenv.cfg", INSTALLING}
    if not (venv / "pyvenv.cfg").is_file() and not {p.name for p in venv.iterdir()} <= known:
        raise Problem(f"{venv} is there and is no virtual environment: move it away, then again")
    shutil.rmtree(str(venv))


def make_venv(
    venv: Path, extras: Sequence[str], project: bool, machine_root: Path, run: Run = run_command
) -> bool:
    """Make an environment, or bring it up to date; return whether anything was done.

    Args:
        venv: Where it lies or shall lie.
        extras: Of pyproject.toml, besides what nas-edge needs to run.
        project: Whether this checkout is installed too, editable.
        machine_root: "/", but for tests.
        run: Runs a command.
    Raises:
        Problem: If it cannot be done; nothing half made is taken for whole later.
    """
    # In an active environment (this one, perhaps, which may have to go): the Python behind it.
    is_base = sys.prefix == sys.base_prefix
    base_python = sys.executable if is_base else str(Path(sys.executable).resolve())
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    stamp = read_stamp(venv)
    # An extra that an earlier call asked for stays, unless the project no longer has it.
    extras = sorted({*extras, *(extra for extra in stamp if f"\n{extra} = [" in pyproject)})
    requirements = read_requirements(pyproject, extras)
    made_from = "\n".join([str(venv), tested, *requirements, pyproject if project else ""])
    digest = hashlib.sha256(made_from.encode()).hexdigest()
    wanted = dict.fromkeys(["", *extras], digest)

    is_jetson = jetson_release(machine_root) is not None
    version = "{}.{}.{}".format(*sys.version_info[:3])
    mismatch = venv_mismatch(venv, base_python, version, is_jetson)
    if stamp == wanted and not mismatch:
        return False

    board = find_board(machine_root, base_python, run)
    if mismatch and venv.exists():
        say(f"rebuilding {venv}: {mismatch}")
        remove(venv)
    if not venv.exists():
        create(venv, base_python, board, run)
    with contextlib.suppress(FileNotFoundError):
        (venv / STAMP).unlink()

    constraints = ROOT / "constraints.txt"
    if board is not None:
        constraints = venv / "constraints-jetson.txt"
        constraints.write_text(board_constraints(tested, board, sys.version_info[:2]))
    python = venv / "bin" / "python"
    fill(python, constraints, requirements, board, run)
    if project:
        # Its requirements are there by now: nothing for pip to resolve, or to replace.
        install(python, constraints, ["--no-deps", "--no-build-isolation", "-e", str(ROOT)], run)
    (venv / STAMP).write_text(json.dumps(wanted))
    return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, so that two makes do not fill one environment at a time."""
    import fcntl

    descriptor = os.open(str(folder), os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another make that works in {folder}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass  # A network file system without locks: as good as before.
        yield
    finally:
        os.close(descriptor)


def say(text: str) -> None:
    """Print a step."""
    print(f"[make_venv] {text}", flush=True)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Read the command line, make the environment, and say in one line what is wrong."""
    parser = argparse.ArgumentParser(description="make the environment that the Makefile works in")
    parser.add_argument("venv", type=Path, help="where the environment lies or shall lie")
    parser.add_argument("--extras", default="", help="extras of pyproject.toml, with commas")
    parser.add_argument(
        "--no-project", action="store_true", help="only what nas-edge needs, not nas-edge itself"
    )
    parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    venv = Path(os.path.abspath(str(args.venv)))
    extras = [name for name in args.extras.split(",") if name]
    started = time.monotonic()
    try:
        check_python(sys.version_info[:2], sys.platform, os.uname().machine)
        with locked(venv.parent):
            done = make_venv(venv, extras, not args.no_project, args.root)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"error: {venv}: {error.strerror or error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print(
            "error: interrupted; the next `make` starts over with what is downloaded",
            file=sys.stderr,
        )
        return 130
    if done:
        say(f"ready: {venv} ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
