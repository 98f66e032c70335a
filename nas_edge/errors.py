"""The errors that nas_edge raises on purpose.

Each is also the builtin exception that a caller would expect, and carries one line that says the
rule, the value, the place and the next step. The command line prints that line alone; its exit code
is 2 where the user can mend the cause and 3 where the environment has to be mended.
"""

from __future__ import annotations


class NasEdgeError(Exception):
    """Base of every error that is meant for the user of nas_edge."""

    exit_code = 2


class ConfigError(NasEdgeError, ValueError):
    """A study file, a search-space file or an option breaks a rule."""


class SpaceError(NasEdgeError, ValueError):
    """An architecture is malformed or is not a point of the search space."""


class DataError(NasEdgeError, ValueError):
    """The images cannot be used as they are."""


class ParetoError(NasEdgeError, ValueError):
    """Figures that cannot be compared, e.g. NaN, infinities, or a wrong shape."""


class StudyError(NasEdgeError, ValueError):
    """A run or study cannot be opened, resumed or changed in the way that was asked for."""


class EnvironmentProblem(NasEdgeError, OSError):
    """The machine is at fault: full disk, read-only folder, storage gone, missing device."""

    exit_code = 3
