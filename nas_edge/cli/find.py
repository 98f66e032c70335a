"""What a word on the command line means: an architecture, a space, or a trial of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Tuple, Union

from nas_edge.config.files import load_yaml, shipped_files
from nas_edge.errors import ConfigError, SpaceError
from nas_edge.space.architecture import Architecture
from nas_edge.space.references import REFERENCE_NAMES, parse_reference
from nas_edge.space.search_space import SearchSpace

Found = Union[SearchSpace, Architecture]


def find(what: str) -> Tuple[str, Found]:
    """Return the name and the thing.

    Raises:
        ConfigError: If the word means nothing here; it says what would.
    """
    trial = re.match(r"^(.*):(\d+)$", what)
    if trial and Path(trial.group(1)).is_dir():
        return _trial(trial.group(1), int(trial.group(2)))
    if Path(what).is_file():
        data = load_yaml(Path(what))
        if "strides" in data and isinstance(data.get("stem"), dict) and "widths" in data["stem"]:
            return what, Architecture.load(Path(what))
        return what, SearchSpace.load(what)
    if what in shipped_files("search_spaces"):
        return what, SearchSpace.load(what)
    try:
        return what, parse_reference(what)
    except SpaceError as err:
        if what.partition(" x")[0] in REFERENCE_NAMES:
            raise ConfigError(str(err)) from err
    raise ConfigError(
        f"{what}: is no file, no RUN:TRIAL, no shipped search space "
        f"({', '.join(shipped_files('search_spaces'))}) and no handcrafted network "
        f"({', '.join(REFERENCE_NAMES)}, scaled e.g. 'xception-lite x0.25')"
    )


def _trial(run: str, number: int) -> Tuple[str, Found]:
    from nas_edge.study.run import open_run

    record = open_run(run).record(number)
    return f"{run}:{number}" + (
        f" ({record.reference})" if record.reference else ""
    ), Architecture.from_dict(record.point)
