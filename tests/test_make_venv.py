"""scripts/make_venv.py: real environments and the real pip, on made-up packages without a network.

A Jetson is a folder with its files, and a torch that only the system's Python sees.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
BOARD_TORCH = "2.1.0a0+41361538.nv23.6"


@pytest.fixture(scope="module")
def make_venv():
    spec = spec_from_file_location("make_venv", str(ROOT / "scripts" / "make_venv.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what needs no environment ---------------------------------------------------------------


def test_script_is_readable_by_an_old_python_that_has_to_say_so():
    for script in sorted((ROOT / "scripts").glob("*.py")):
        source = script.read_text(encoding="utf-8")
        ast.parse(source, feature_version=(3, 6))
        # A SyntaxError before Python 3.7.
        assert "from __future__ import annotations" not in source


@pytest.mark.parametrize("version", [(3, 8), (3, 9), (3, 10), (3, 11), (3, 12), (3, 13)])
def test_tested_python_is_taken(make_venv, version):
    make_venv.check_python(version, "linux", "x86_64")


@pytest.mark.parametrize(
    ("version", "system", "machine", "words"),
    [
        ((3, 7), "linux", "x86_64", "this one is 3.7, too old"),
        ((2, 7), "linux", "x86_64", "this one is 2.7, too old"),
        ((3, 14), "linux", "aarch64", "this one is 3.14, too new"),
        ((3, 12), "darwin", "x86_64", "no builds for Intel Macs"),
    ],
)
def test_untested_python_is_refused_with_another_one_to_try(
    make_venv, version, system, machine, words
):
    with pytest.raises(make_venv.Problem, match=words) as caught:
        make_venv.check_python(version, system, machine)
    assert "make PYTHON=python3." in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_missing_venv_module_names_the_package_to_install(make_venv, missing):
    with pytest.raises(make_venv.Problem, match=rf"no module {missing}.*apt install python3\.10-"):
        make_venv.check_venv_module((3, 10), lambda name: None if name == missing else name)


def test_full_disk_is_refused_before_anything_is_made(make_venv, tmp_path):
    make_venv.check_disk(tmp_path, 2 * 1024**3)
    with pytest.raises(make_venv.Problem, match=r"1\.5 GiB are free.*at least 2 GiB"):
        make_venv.check_disk(tmp_path, 3 * 1024**3 // 2)


@pytest.mark.parametrize(
    ("file", "text", "jetpack"),
    [
        ("etc/nv_tegra_release", "# R35 (release), REVISION: 4.1, GCID: 33958178", "5"),
        ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.0", "6"),
        ("etc/nv_tegra_release", "# R38 (release), REVISION: 2.0", "7"),
        ("etc/nv_tegra_release", "", "?"),
        ("proc/device-tree/model", "NVIDIA Jetson Xavier NX Developer Kit\0", "?"),
        ("proc/device-tree/model", "NVIDIA Jetson AGX Thor Developer Kit\0", "?"),
        ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0", None),
        ("etc/os-release", "NAME=Debian", None),
    ],
)
def test_jetson_is_told_from_other_machines(make_venv, tmp_path, file, text, jetpack):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)

    assert make_venv.jetson_release(tmp_path) == jetpack


@pytest.mark.parametrize(
    ("torch", "vision"), [("2.0.0+nv23.05", "0.15"), (BOARD_TORCH, "0.16"), ("2.9.1", "0.24")]
)
def test_torchvision_goes_in_step_with_torch(make_venv, torch, vision):
    assert make_venv.matching_torchvision(torch) == f"torchvision=={vision}.*"


def test_torch_1_on_a_board_is_refused(make_venv):
    with pytest.raises(make_venv.Problem, match=r"the board's own is 1\.13\.0"):
        make_venv.matching_torchvision("1.13.0")


@pytest.mark.parametrize(("python", "numpy"), [((3, 8), "1.24.4"), ((3, 10), "1.26.4")])
def test_board_constraints_hold_the_boards_torch_and_numpy_1(make_venv, python, numpy):
    board = make_venv.Board("5", BOARD_TORCH, "0.16.1", True)
    tested = (ROOT / "constraints.txt").read_text()

    lines = make_venv.board_constraints(tested, board, python).splitlines()

    marker = {"python_version": "{}.{}".format(*python)}
    pins = {}
    for line in lines:
        requirement = Requirement(line) if line and not line.startswith("#") else None
        if requirement and (requirement.marker is None or requirement.marker.evaluate(marker)):
            assert requirement.name not in pins
            pins[requirement.name] = str(requirement.specifier)
    assert pins["torch"] == f"=={BOARD_TORCH}"
    assert pins["torchvision"] == "==0.16.1"
    assert pins["numpy"] == f"=={numpy}"
    assert "optuna" in pins


@pytest.mark.parametrize(
    ("err", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "full"),
        ("WARNING: Retrying ... Failed to establish a new connection: [Errno 101]", "network"),
        ("WARNING: Retrying ... NameResolutionError(...)\nERROR: No matching", "network"),
        ("noise\nERROR: No matching distribution found for torch==9", "constraints.txt asks for"),
        ("", "see above"),
    ],
)
def test_pips_failure_is_told_in_one_line(make_venv, err, words):
    told = make_venv.explain_pip(err, Path("constraints.txt"))

    assert words in told
    assert "\n" not in told


def test_requirements_are_those_of_pyproject(make_venv):
    tomllib = pytest.importorskip("tomllib")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    project, extras = table["project"], table["project"]["optional-dependencies"]
    base = table["build-system"]["requires"] + project["dependencies"]

    assert make_venv.read_requirements(text, []) == base
    for extra, expected in extras.items():
        if extra != "dev":
            assert make_venv.read_requirements(text, [extra]) == base + expected
    assert set(make_venv.read_requirements(text, ["dev"])) == {
        *base,
        *extras["test"],
        *(text for text in extras["dev"] if not text.startswith("nas-edge")),
    }
    with pytest.raises(make_venv.Problem, match="no array 'nothing'"):
        make_venv.read_requirements(text, ["nothing"])


@pytest.mark.parametrize("python", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_every_requirement_has_one_tested_version_on_every_python(make_venv, python):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = ["dev", "docs", "keras", "jetson", "postgres", "mysql", "dashboard", "baselines"]
    extras += ["notebooks"]
    marker = {"python_version": python, "python_full_version": f"{python}.1"}
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(marker):
            assert pin.name not in pins, line
            (specifier,) = pin.specifier
            assert specifier.operator == "=="
            pins[pin.name] = Version(specifier.version)

    for requirement in map(Requirement, make_venv.read_requirements(text, extras)):
        if requirement.marker is None or requirement.marker.evaluate(marker):
            name = requirement.name.lower()
            assert requirement.specifier.contains(pins[name], prereleases=True), requirement


def test_torch_and_torchvision_are_pairs_that_belong_together(make_venv):
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()[9:]]

    def versions(name):
        return {str(p.marker): str(p.specifier)[2:] for p in pins if p.name == name}

    torch, vision = versions("torch"), versions("torchvision")
    assert torch.keys() == vision.keys()
    for marker, version in torch.items():
        assert vision[marker].startswith(
            make_venv.matching_torchvision(version)[len("torchvision==") : -1]
        )


# --- real environments -----------------------------------------------------------------------

LEAF = "leaf"


def write_wheel(folder, name, version, requires=(), source=""):
    """Write an installable wheel of one module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{name}.py": source or f"__version__ = {version!r}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(str(folder / f"{name}-{version}-py3-none-any.whl"), "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)


class Checkout:
    """A made-up project with its own make_venv.py, and a registry that is a folder of wheels."""

    def __init__(self, folder):
        self.folder = folder
        self.venv = folder / ".venv"
        self.user_base = folder / "user"
        (folder / "scripts").mkdir()
        shutil.copy(str(ROOT / "scripts" / "make_venv.py"), str(folder / "scripts"))
        (folder / "pyproject.toml").write_text(
            'requires = ["leaf"]\n'
            'dependencies = [\n    "torch>=2.1.0a0",\n    "torchvision>=0.15.0a0",\n'
            '    "leaf>=1", # plain\n]\ntest = ["twig"]\n'
        )
        self.constrain("torch==2.1.2", "torchvision==0.16.2", "leaf==1.0", "twig==1.0")
        wheels = folder.parent / "wheels"  # pip's list of places is split at blanks.
        wheels.mkdir()
        # The newest of each is bait.
        for torch, vision in (("2.1.2", "0.16.2"), ("2.13.0", "0.28.0")):
            write_wheel(wheels, "torch", torch)
            write_wheel(wheels, "torchvision", vision, [f"torch=={torch}"])
        for name in ("leaf", "twig", "requests"):
            write_wheel(wheels, name, "1.0")
            write_wheel(wheels, name, "2.0")
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))},
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PYTHONUSERBASE": str(self.user_base),
        }

    def constrain(self, *lines):
        (self.folder / "constraints.txt").write_text("# made up\n" + "\n".join(lines) + "\n")

    def make(self, *arguments, python=sys.executable, **environment):
        script = str(self.folder / "scripts" / "make_venv.py")
        return subprocess.run(
            [str(python), script, str(self.venv), "--no-project", *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**self.environment, **environment},
        )

    def version(self, name):
        code = f"import {name}; print({name}.__version__)"
        return subprocess.run(
            [str(self.venv / "bin" / "python"), "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        ).stdout.strip()

    def put_board_torch(self, torch=BOARD_TORCH, vision=None, cuda="'11.4'"):
        """Put torch where only Pythons that see the user's site packages find it."""
        code = "import site; print(site.getusersitepackages())"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=self.environment
        )
        site = Path(done.stdout.strip())
        site.mkdir(parents=True)
        source = (
            f"import types\n__version__ = {torch!r}\nversion = types.SimpleNamespace(cuda={cuda})\n"
        )
        write_wheel(self.folder, "torch", torch, source=source)
        if vision is not None:
            write_wheel(self.folder, "torchvision", vision, ["torch==2.1.0"])
        for wheel in self.folder.glob("*.whl"):
            zipfile.ZipFile(str(wheel)).extractall(str(site))

    def jetson_root(self):
        root = self.folder / "root"
        (root / "etc").mkdir(parents=True)
        (root / "etc" / "nv_tegra_release").write_text("# R35 (release), REVISION: 4.1\n")
        return root


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "a checkout"  # A blank in the path is where such scripts break.
    folder.mkdir()
    return Checkout(folder)


@pytest.mark.slow
def test_environment_follows_what_it_is_made_from(checkout):
    first = checkout.make()
    assert first.returncode == 0, first.stderr
    assert [checkout.version(name) for name in ("torch", "torchvision", "leaf", "twig")] == [
        "2.1.2",
        "0.16.2",
        "1.0",
        "",
    ]

    # Nothing to be done, and nothing said; from the environment's own Python too.
    for python in (sys.executable, checkout.venv / "bin" / "python"):
        again = checkout.make(python=python)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    # An extra is added, and stays when a later call does not name it.
    assert checkout.make("--extras", "test").returncode == 0
    assert checkout.version("twig") == "1.0"
    checkout.constrain("torch==2.1.2", "torchvision==0.16.2", "leaf==2.0", "twig==2.0")
    assert checkout.make().returncode == 0
    assert [checkout.version(name) for name in ("leaf", "twig")] == ["2.0", "2.0"]

    # An update that cannot be had fails in one line, and is tried again.
    checkout.constrain("torch==2.1.2", "torchvision==0.16.2", "leaf==3.0", "twig==2.0")
    for _ in range(2):
        failed = checkout.make()
        assert failed.returncode == 3
        assert failed.stderr.splitlines()[-1].startswith("error: pip could not install what constr")

    # A cut-off install is not trusted.
    checkout.constrain("torch==2.1.2", "torchvision==0.16.2", "leaf==1.0", "twig==2.0")
    (checkout.venv / "nas_edge-installing").touch()
    rebuilt = checkout.make()
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "rebuilding" in rebuilt.stdout
    assert "its making was cut off" in rebuilt.stdout


@pytest.mark.slow
def test_environment_of_another_python_is_rebuilt_aloud(checkout):
    assert checkout.make().returncode == 0
    config = checkout.venv / "pyvenv.cfg"
    ours = "{}.{}.{}".format(*sys.version_info)
    config.write_text(config.read_text().replace(f"version = {ours}", "version = 3.7.1"))

    done = checkout.make()

    assert done.returncode == 0, done.stderr
    assert f"it was made by Python 3.7.1, and Python {ours} is asked for" in done.stdout
    assert f"version = {ours}" in config.read_text()


def test_folder_that_is_no_environment_is_left_alone(checkout):
    checkout.venv.mkdir()
    (checkout.venv / "thesis.tex").write_text("five years")

    done = checkout.make()

    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith("move it away, then again")
    assert (checkout.venv / "thesis.tex").read_text() == "five years"


@pytest.mark.slow
def test_unreachable_registry_is_told_in_one_line_and_tried_again(checkout):
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "1"}
    offline = {**unreachable, "PIP_NO_INDEX": "0", "PIP_FIND_LINKS": ""}

    done = checkout.make(**offline)

    assert done.returncode == 3
    assert "the package registry cannot be reached" in done.stderr.splitlines()[-1]
    again = checkout.make()
    assert again.returncode == 0, again.stderr
    assert "rebuilding" not in again.stdout


@pytest.mark.parametrize("vision", [None, pytest.param("0.16.1", marks=pytest.mark.slow)])
def test_boards_torch_is_never_replaced(checkout, vision):
    checkout.put_board_torch(vision=vision)

    done = checkout.make("--root", checkout.jetson_root(), "--extras", "test")

    assert done.returncode == 0, done.stderr
    assert checkout.version("torch") == BOARD_TORCH
    assert checkout.version("torchvision") == (vision or "0.16.2")
    assert checkout.version("leaf") == "1.0"
    installed = {path.name for path in checkout.venv.glob("lib/python3*/site-packages/torch*")}
    assert all(name.startswith("torchvision") for name in installed)
    constraints = (checkout.venv / "constraints-jetson.txt").read_text().splitlines()
    assert f"torch=={BOARD_TORCH}" in constraints
    # A later `pip install` under these constraints leaves it alone too.
    pip = [str(checkout.venv / "bin" / "pip"), "install", "-c"]
    later = subprocess.run(
        [*pip, str(checkout.venv / "constraints-jetson.txt"), "torch>=2.1.0a0"],
        capture_output=True,
        text=True,
        env=checkout.environment,
    )
    assert later.returncode == 0, later.stderr
    assert checkout.version("torch") == BOARD_TORCH


def test_board_without_torch_names_the_wheel_and_makes_nothing(checkout):
    done = checkout.make("--root", checkout.jetson_root())

    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "JetPack 5" in line
    assert "No module named 'torch'" in line
    assert "NVIDIA's torch 2.1 wheel" in line
    assert not checkout.venv.exists()


@pytest.mark.slow
def test_cpu_torch_on_a_board_is_said_aloud(checkout):
    checkout.put_board_torch("2.4.1", "0.19.1", cuda="None")

    done = checkout.make("--root", checkout.jetson_root())

    assert done.returncode == 0, done.stderr
    assert "WARNING: that torch was built without CUDA" in done.stdout


@pytest.mark.slow
def test_environment_that_does_not_see_the_boards_torch_is_rebuilt(checkout):
    assert checkout.make().returncode == 0
    checkout.put_board_torch(vision="0.16.1")

    done = checkout.make("--root", checkout.jetson_root())

    assert done.returncode == 0, done.stderr
    assert "it does not see the board's own torch" in done.stdout
    assert checkout.version("torch") == BOARD_TORCH
    stamp = json.loads((checkout.venv / "nas_edge-stamp.json").read_text())
    assert list(stamp) == [""]
