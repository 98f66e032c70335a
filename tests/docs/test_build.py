"""The documentation builds without a warning, and its generated pages leave nothing out.

The builder is Sphinx's, in a process of its own; what it wrote is read from its inventory.
"""

import os
import re
import subprocess
import sys
import zlib
from importlib.util import find_spec

import pytest
from command_tree import COMMANDS, options_of

import nas_edge

BUILDERS = ("sphinx", "myst_parser", "furo", "sphinx_click")
MISSING = [name for name in BUILDERS if find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"the extra `docs` is not installed ({', '.join(MISSING)})"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory, repository):
    """Return the folder of the pages, built as `make docs` does."""
    place = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"),
            *("-b", "html", "-d", str(place / "doctrees"), "docs", str(place / "html")),
        ],
        cwd=str(repository),
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return place / "html"


@pytest.fixture(scope="module")
def objects(built):
    """Return what the pages describe: by kind, e.g. ``py:class``, the names."""
    packed = (built / "objects.inv").read_bytes().partition(b"zlib.\n")[2]
    found = {}
    for line in zlib.decompress(packed).decode().splitlines():
        name, kind = re.match(r"(.+?) (\w+:\w+) -?\d ", line).groups()
        found.setdefault(kind, set()).add(name)
    return found


def test_every_command_and_option_is_in_the_command_reference(objects):
    expected = {
        f"nas-edge-{'-'.join(path)}.{option}"
        for path, command in COMMANDS.items()
        for option in options_of(command)
        if option.startswith("--")
    }

    assert len(expected) > 60
    assert expected <= objects["std:cmdoption"]


def test_every_public_name_is_in_the_api_reference(objects):
    described = {name for kind, names in objects.items() if kind[:3] == "py:" for name in names}

    assert {f"nas_edge.{name}" for name in nas_edge.__all__} <= described


def test_every_page_can_be_reached_and_loads_nothing_from_elsewhere(built, pages):
    index = (built / "index.html").read_text(encoding="utf-8")
    for name in pages:
        if not name.startswith("docs/"):
            continue
        page = f"{name[len('docs/') : -len('.md')]}.html"
        html = (built / page).read_text(encoding="utf-8")
        assert page == "index.html" or f'href="{page}"' in index
        loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="([^"]*)"', html)
        assert [url for url in loaded if "//" in url] == []
