"""Which Python and packages are taken for good."""

import re

import pytest

from nas_edge.device.packages import (
    REQUIREMENTS,
    installed_version,
    is_older,
    package_checks,
    python_check,
)


def versions(**changed):
    """Return what tells every package's oldest version, but for some."""
    known = {name: needed.oldest for name, needed in REQUIREMENTS.items()}
    known.update({name.replace("_", "-"): version for name, version in changed.items()})
    return known.get


def test_requirements_are_those_of_the_project_file(repository):
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL).group(1)
    floors = dict(re.findall(r'^ +"([\w-]+)>=([^"]+)"', listed, re.MULTILINE))
    assert floors.pop("torch") == "2.1.0a0"
    assert floors.pop("torchvision")

    assert {name: needed.oldest for name, needed in REQUIREMENTS.items()} == floors


def test_every_package_here_is_as_needed():
    checks = package_checks()

    assert [check.state for check in checks] == ["ok"]
    assert f"optuna {installed_version('optuna')}" in checks[0].found


def test_missing_package_is_a_problem_and_names_its_install():
    checks = package_checks(versions(optuna=None), lambda module: module != "optuna")

    assert [(c.name, c.state, c.found) for c in checks[1:]] == [
        ("optuna", "problem", "is not installed")
    ]
    assert checks[1].mend == "pip install 'optuna>=4.5'"
    assert "optuna" not in checks[0].found


def test_too_old_package_is_a_problem():
    checks = package_checks(versions(optuna="4.4.9"))

    assert checks[1].found == "must be at least 4.5, but is 4.4.9"
    assert checks[1].state == "problem"


def test_package_that_only_some_figures_need_is_a_note():
    checks = package_checks(versions(nvidia_ml_py=None), lambda module: module != "pynvml")

    assert [(check.name, check.state) for check in checks[1:]] == [("nvidia-ml-py", "note")]


def test_package_without_a_record_counts_as_there():
    checks = package_checks(versions(pillow=None))

    assert [check.state for check in checks] == ["ok"]
    assert "pillow (version not recorded)" in checks[0].found


@pytest.mark.parametrize(
    ("version", "oldest", "older"),
    [
        ("2.1.0a0+41361538.nv23.06", "2.1.0", False),
        ("2.0.1", "2.1.0", True),
        ("2.13.0+cpu", "2.1.0", False),
        ("12.535.77", "12.535.108", True),
        ("6", "6.0", False),
        ("unknown", "1.0", True),
    ],
)
def test_versions_are_compared_by_number(version, oldest, older):
    assert is_older(version, oldest) is older


@pytest.mark.parametrize(
    ("version", "state"), [((3, 7), "problem"), ((3, 8), "ok"), ((3, 13), "ok"), ((3, 14), "note")]
)
def test_python_is_one_that_was_tested(version, state):
    check = python_check(version)

    assert check.state == state
    assert bool(check.mend) == (state != "ok")
