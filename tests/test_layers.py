"""The rooms of DESIGN's table know what they may know: imports are read from the source.

Every import counts, inside functions and under TYPE_CHECKING too: a room that names another one
knows it.
"""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

import pytest

PACKAGE = "nas_edge"

# One row of DESIGN's table each, the lowest first. A room imports from the rows before its own,
# and within its own row.
ROWS: List[Tuple[str, ...]] = [
    ("version",),
    ("errors",),
    ("pareto", "prediction"),
    ("config",),
    ("space",),
    ("models",),
    ("data",),
    ("device",),
    ("training",),
    ("candidate",),
    ("study",),
    ("report", "export"),
    ("dashboard",),
    ("paper",),
    ("cli",),
    ("__main__",),
]
ROW_OF: Dict[str, int] = {room: row for row, rooms in enumerate(ROWS) for room in rooms}

# Rooms that the order of the rows would admit, and the table's last column does not.
STRANGERS = {"data": {"models"}, "device": {"models"}}

TORCH = {"torch", "torchvision"}
OPTUNA = {"optuna", "optuna_dashboard", "optuna_integration"}
HEAVY = TORCH | OPTUNA
MUST_NOT_KNOW = {
    # NumPy, SciPy and the standard library only.
    "pareto": HEAVY
    | {"jinja2", "matplotlib", "moocore", "pandas", "plotly", "psutil", "pydantic", "rich"}
    | {"yaml", "PIL", "pynvml"},
    "prediction": HEAVY
    | {"jinja2", "matplotlib", "pandas", "plotly", "psutil", "pydantic", "rich", "sklearn"},
    "errors": HEAVY,
    "config": HEAVY,
    "space": HEAVY,
    "models": OPTUNA,
    "data": OPTUNA,
    "device": OPTUNA,
    "training": OPTUNA,
    "candidate": OPTUNA,
}


# Calls that import by name.
LOADERS = {"import_module", "__import__"}


class Import(NamedTuple):
    """One import of a module, and where it stands."""

    file: Path
    line: int
    module: str


def imports_of(file: Path, root: Path) -> Iterator[Import]:
    """Yield what a file imports, by absolute name, wherever in the file it stands."""
    package = [PACKAGE, *file.relative_to(root).parent.parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # `from nas_edge import study` names a room by its alias only.
            names = [f"{origin}.{a.name}" for a in node.names] if origin == PACKAGE else [origin]
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in LOADERS
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            names = [node.args[0].value]
        else:
            continue
        for name in names:
            yield Import(file, node.lineno, name)


def offences(root: Path) -> List[str]:
    """Return every import under a package's folder that breaks the table, one line each."""
    found = []
    for file in sorted(root.rglob("*.py")):
        room = file.relative_to(root).with_suffix("").parts[0]
        if room == "__init__":  # The package's own names: the door to all rooms.
            continue
        where = f"{PACKAGE}/{file.relative_to(root).as_posix()}"
        if room not in ROW_OF:
            found.append(f"{where}: {room} is no room of the table in DESIGN and in this test")
            continue
        for one in imports_of(file, root):
            place = f"{where}:{one.line}"
            top, _, rest = one.module.partition(".")
            if top in MUST_NOT_KNOW.get(room, ()):
                found.append(f"{place}: {room} must not know {top}")
            if top != PACKAGE:
                continue
            other = rest.partition(".")[0]
            if other not in ROW_OF:
                found.append(f"{place}: {room} imports {one.module}, but must name a room")
            elif ROW_OF[other] > ROW_OF[room] or other in STRANGERS.get(room, ()):
                found.append(f"{place}: {room} must not know {PACKAGE}.{other}")
    return found


def test_every_import_goes_to_a_lower_room(repository):
    assert offences(repository / PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "source", "offence"),
    [
        ("pareto/front.py", "import torch", "pareto must not know torch"),
        ("pareto/front.py", "def f():\n    import pandas as pd", "pareto must not know pandas"),
        ("config/study.py", "from optuna.samplers import X", "config must not know optuna"),
        ("space/a.py", "from torch import nn", "space must not know torch"),
        ("space/a.py", "from ..models import xception", "space must not know nas_edge.models"),
        ("models/a.py", "def f():\n    import optuna", "models must not know optuna"),
        ("data/a.py", "from nas_edge.models.x import y", "data must not know nas_edge.models"),
        ("device/a.py", "from nas_edge.models import y", "device must not know nas_edge.models"),
        ("training/loop.py", "import optuna_dashboard", "training must not know optuna_dashboard"),
        (
            "candidate/deep/er.py",
            "from ...study import x",
            "candidate must not know nas_edge.study",
        ),
        ("candidate/a.py", "from nas_edge import study", "candidate must not know nas_edge.study"),
        ("candidate/a.py", "from .. import study", "candidate must not know nas_edge.study"),
        (
            "candidate/a.py",
            "from nas_edge import run_study",
            "candidate imports nas_edge.run_study",
        ),
        ("candidate/a.py", "import nas_edge", "candidate imports nas_edge,"),
        ("study/a.py", "import nas_edge.report.html", "study must not know nas_edge.report"),
        (
            "study/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nas_edge.cli import x",
            "study must not know nas_edge.cli",
        ),
        (
            "report/a.py",
            "import importlib\ncli = importlib.import_module('nas_edge.cli.main')",
            "report must not know nas_edge.cli",
        ),
        ("export.py", "from nas_edge.cli.main import main", "export must not know nas_edge.cli"),
        ("errors.py", "from nas_edge.pareto import x", "errors must not know nas_edge.pareto"),
        ("report/a.py", "from nas_edge.paper import x", "report must not know nas_edge.paper"),
        ("tools/a.py", "import os", "tools is no room of the table"),
    ],
)
def test_forbidden_import_is_found(tmp_path, file, source, offence):
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")

    found = offences(tmp_path / PACKAGE)

    assert len(found) == 1
    assert found[0].startswith(f"{PACKAGE}/{file}:")
    assert offence in found[0]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("__init__.py", "from nas_edge.study import run_study"),
        ("pareto/front.py", "import numpy as np\nfrom ..errors import ParetoError"),
        ("study/run.py", "import optuna\nfrom nas_edge.candidate.run import x\nfrom .a import b"),
        ("dashboard.py", "import optuna_dashboard\nfrom nas_edge.report import plots"),
        ("cli/main.py", "from nas_edge import errors, version\nfrom nas_edge.study import x"),
        ("training/loop.py", "import torch\nfrom nas_edge.data.loading import x"),
        ("__main__.py", "from .cli.main import main"),
    ],
)
def test_allowed_import_is_not_an_offence(tmp_path, file, source):
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")

    assert offences(tmp_path / PACKAGE) == []


SLOW_TO_IMPORT = ("torch", "torchvision", "optuna", "pandas", "plotly", "matplotlib", "scipy")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("nas_edge", SLOW_TO_IMPORT),
        ("nas_edge.pareto", SLOW_TO_IMPORT),
        ("nas_edge.config", SLOW_TO_IMPORT),
        ("nas_edge.space", SLOW_TO_IMPORT),
        ("nas_edge.cli.main", SLOW_TO_IMPORT),
        ("nas_edge.models", ("optuna",)),
        ("nas_edge.data", ("optuna",)),
        ("nas_edge.device", ("optuna",)),
        ("nas_edge.training", ("optuna",)),
        ("nas_edge.candidate", ("optuna",)),
    ],
)
def test_importing_a_room_does_not_load_what_it_must_not_know(repository, module, absent):
    code = f"import sys, {module}; print(*sorted(set({absent!r}) & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=str(repository)
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
