"""Whether this Python and the installed packages are what nas_edge was tested with.

Read from the packages' own records: nothing is imported here.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from nas_edge.device.check import NOTE, OK, PROBLEM, Check

OLDEST_PYTHON, NEWEST_PYTHON = (3, 8), (3, 13)


class Requirement(NamedTuple):
    """A package's module and the oldest version; ``lack`` is what runs worse without it."""

    module: str
    oldest: str
    lack: str = ""


# The dependencies of pyproject.toml, which a test holds this to. torch and torchvision are looked
# at on their own, by importing them.
REQUIREMENTS: Dict[str, Requirement] = {
    "click": Requirement("click", "8.1"),
    "filelock": Requirement("filelock", "3.12"),
    "imagehash": Requirement("imagehash", "4.3.1", "no data audit"),
    "jinja2": Requirement("jinja2", "3.1"),
    "matplotlib": Requirement("matplotlib", "3.7"),
    "numpy": Requirement("numpy", "1.22"),
    "nvidia-ml-py": Requirement("pynvml", "12.535.108", "no power or heat of an NVIDIA GPU"),
    "optuna": Requirement("optuna", "4.5"),
    "pandas": Requirement("pandas", "1.5"),
    "pillow": Requirement("PIL", "9.5"),
    "plotly": Requirement("plotly", "5.18"),
    "psutil": Requirement("psutil", "5.9"),
    "pydantic": Requirement("pydantic", "2.6"),
    "pyyaml": Requirement("yaml", "6.0"),
    "rich": Requirement("rich", "13.0"),
    "scipy": Requirement("scipy", "1.9", "no sampler gp, no data audit"),
}


def installed_version(package: str) -> Optional[str]:
    """Return an installed package's version, None where there is no record of it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def has_module(module: str) -> bool:
    """Return whether a top-level module is there, without importing it."""
    return find_spec(module) is not None


def python_check(version: Tuple[int, int] = sys.version_info[:2]) -> Check:
    """Return whether this Python is one that nas_edge was tested with."""
    found = "{}.{}".format(*version)
    tested = "{}.{} to {}.{}".format(*OLDEST_PYTHON, *NEWEST_PYTHON)
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return Check("Python", OK, f"{found} ({sys.executable})")
    state = PROBLEM if version < OLDEST_PYTHON else NOTE
    return Check("Python", state, f"{found}, but tested are {tested}", "make PYTHON=python3.11")


def package_checks(
    version_of: Callable[[str], Optional[str]] = installed_version,
    is_there: Callable[[str], bool] = has_module,
) -> List[Check]:
    """Return one check of all packages that are as needed, and one for each that is not.

    Args:
        version_of: Returns a package's version by its name.
        is_there: Returns whether a module could be imported.
    """
    fine, checks = [], []
    for package, needed in REQUIREMENTS.items():
        version = version_of(package)
        wrong = _fault(version, needed, is_there)
        if not wrong:
            fine.append(f"{package} {version or '(version not recorded)'}")
            continue
        state = NOTE if needed.lack else PROBLEM
        lack = f": {needed.lack}" if needed.lack else ""
        mend = f"pip install '{package}>={needed.oldest}'"
        checks.append(Check(package, state, f"{wrong}{lack}", mend))
    return [Check("packages", OK, ", ".join(fine) or "none"), *checks]


def _fault(version: Optional[str], needed: Requirement, is_there: Callable[[str], bool]) -> str:
    if not is_there(needed.module):
        return "is not installed"
    # A package that was built in place, or under another name (pillow-simd), has no record.
    if version is not None and is_older(version, needed.oldest):
        return f"must be at least {needed.oldest}, but is {version}"
    return ""


def is_older(version: str, oldest: str) -> bool:
    """Return whether a version's release numbers come before another's; 2.1.0a0 counts as 2.1.0."""
    return _release(version) < _release(oldest)


def _release(version: str) -> Tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(number) for number in match.group().split(".")] if match else []
    while numbers and numbers[-1] == 0:  # 6.0 is 6
        numbers.pop()
    return tuple(numbers)
