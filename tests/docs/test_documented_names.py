"""Public names, exit codes, rooms, extras and links: what the documentation tells is there."""

import ast
import dataclasses
import inspect
import re
from importlib import import_module

import pytest

import nas_edge
from nas_edge.errors import NasEdgeError

NAMES = [name for name in nas_edge.__all__ if name != "__version__"]


def documentation_of(thing):
    """Return a docstring; a dataclass's own, which repeats its signature, is none."""
    text = inspect.getdoc(thing) or ""
    generated = dataclasses.is_dataclass(thing) and text.startswith(f"{thing.__name__}(")
    return "" if generated else text


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_is(name):
    thing = getattr(nas_edge, name)

    assert documentation_of(thing).splitlines()[0].endswith(".")
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            is_own = callable(value) or isinstance(value, (property, classmethod, staticmethod))
            if is_own and not member.startswith("_"):
                assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"


def test_the_api_reference_has_every_public_name(pages):
    text = pages["docs/api.md"].text
    directives = re.findall(r"\.\. auto(?:class|function|exception):: ([\w.]+)", text)
    summary = re.findall(r"^   (\w+)$", text, re.MULTILINE)

    assert set(NAMES) <= set(directives)
    assert sorted(summary) == sorted(NAMES)
    assert "py:data:: __version__" in text


def test_every_exit_code_of_an_error_is_told(pages):
    codes = {row["exit code"] for row in pages["docs/commands.md"].tables()["Command reference"]}

    errors = [NasEdgeError, *NasEdgeError.__subclasses__()]
    assert {str(error.exit_code) for error in errors} < codes


def test_every_room_is_told(pages, repository):
    rooms = {
        path.stem
        for path in (repository / "nas_edge").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }

    told = [row["room"] for row in pages["docs/architecture.md"].tables()["Rooms"]]
    assert {room.strip("`") for room in told} == {
        f"nas_edge.{room}" for room in rooms - {"__init__", "__main__", "version"}
    }


def test_extras_that_are_told_are_there(pages, repository):
    project = (repository / "pyproject.toml").read_text(encoding="utf-8")
    table = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = set(re.findall(r"^([\w-]+) = \[", table, re.MULTILINE))

    told = {row["extra"] for row in pages["docs/start.md"].tables()["Install it elsewhere"]}
    named = {name for cell in told for name in re.findall(r"`(\w+)`", cell)}
    for page in pages.values():
        named.update(re.findall(r"nas-edge\[(\w+)\]", page.text))
    assert named
    assert named <= extras


def test_links_within_the_repository_lead_somewhere(pages):
    for name, page in pages.items():
        for link in page.links():
            target = link.partition("#")[0]
            if target and "://" not in target:
                assert (page.path.parent / target).exists(), f"{name}: {link}"


def test_names_that_examples_import_are_there(pages):
    imported = set()
    for page in pages.values():
        for block in page.code_blocks("python"):
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("nas_edge"):
                    imported.update((node.module, alias.name) for alias in node.names)

    assert imported
    for module, name in imported:
        assert hasattr(import_module(module), name), f"from {module} import {name}"
