"""What a plain `pip install nas-edge` puts on a disk: the wheel, built here and looked into."""

import subprocess
import sys
import zipfile
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("hatchling") is None, reason="no hatchling to build with"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel as a ZipFile; the build is offline, with the environment's hatchling."""
    from pathlib import Path

    root = Path(__file__).resolve().parent.parent
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--no-index", "--wheel-dir", str(out), str(root)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("nas_edge-*.whl")
    with zipfile.ZipFile(str(path)) as archive:
        yield archive


@pytest.mark.parametrize("kind", ["search_spaces", "studies"])
def test_every_yaml_file_is_in_the_wheel(wheel, repository, kind):
    beside = {path.name: path.read_bytes() for path in (repository / kind).glob("*.yaml")}

    shipped = {
        name.rpartition("/")[2]: wheel.read(name)
        for name in wheel.namelist()
        if name.startswith(f"nas_edge/{kind}/")
    }

    assert beside
    assert shipped == beside


def test_every_module_and_the_type_marker_are_in_the_wheel(wheel, repository):
    expected = {
        path.relative_to(repository).as_posix()
        for path in (repository / "nas_edge").rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".pyo")
    }
    assert "nas_edge/py.typed" in expected

    assert expected <= set(wheel.namelist())


def test_nothing_else_is_in_the_wheel(wheel):
    places = {name.partition("/")[0] for name in wheel.namelist()}

    assert {place for place in places if not place.endswith(".dist-info")} == {"nas_edge"}


def test_wheel_knows_its_version_and_its_script(wheel):
    from nas_edge.version import __version__

    info = f"nas_edge-{__version__}.dist-info"
    assert f"\nVersion: {__version__}\n" in wheel.read(f"{info}/METADATA").decode()
    assert "\nRequires-Python: >=3.8\n" in wheel.read(f"{info}/METADATA").decode()
    assert "nas-edge = nas_edge.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert any(name.endswith("/LICENSE") for name in wheel.namelist())
