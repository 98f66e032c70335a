"""A folder of drawings that is written whole or not at all, and never over something else."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from nas_edge.errors import DataError, EnvironmentProblem


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to write into; it takes the place of `target` once nothing went wrong.

    It lies beside `target` until then, so an interrupted run leaves nothing that could be taken
    for a set.

    Args:
        target: A folder that does not exist yet, or is empty.
    Raises:
        DataError: If target holds something.
        EnvironmentProblem: If it cannot be written.
    """
    try:
        _check_vacant(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            # mkdtemp makes a private folder; the set gets the rights that any new folder gets.
            whole = unfinished / target.name
            whole.mkdir()
            yield whole
            if target.exists():
                target.rmdir()
            whole.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as err:
        if isinstance(err, EnvironmentProblem):
            raise
        why = err.strerror or str(err)
        raise EnvironmentProblem(
            f"{target}: cannot be written ({why}); mend that, or choose another path"
        ) from err


def _check_vacant(target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() or target.is_symlink():
        raise DataError(
            f"out_dir must be new or an empty folder, but {target} is there already; "
            "choose another path or remove it"
        )
