"""`nas-edge data audit`: reads a folder of images, shows what is wrong, writes a clean copy."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import click

from nas_edge.cli.audit_tables import audit_lines, print_tables, shown
from nas_edge.data.audit import (
    Audit,
    Selection,
    audit_folder,
    audit_to_dict,
    empty_classes,
    require_place_for_copy,
    select_clean,
    write_clean_copy,
)
from nas_edge.version import __version__

Progress = Callable[[int, int], None]


def audit_command(
    folder: str, as_json: bool, distance: int, fix: Optional[str], near: bool
) -> None:
    """Audit a folder, copy it if asked for, and exit with 1 on leakage."""
    root = Path(folder)
    out = None if fix is None else Path(fix)
    if out is not None:
        require_place_for_copy(root, out)
    with _progress("reading") as report:
        audit = audit_folder(root, distance=distance, on_progress=report)
    selection = None if out is None else select_clean(audit, near=near)
    if not as_json:
        _print(audit)
    if out is not None and selection is not None:
        with _progress("copying") as report:
            list_file = write_clean_copy(audit.listing, selection, out, report)
        if not as_json:
            _print_copy(audit, selection, out, list_file)
    if as_json:
        copied = None if out is None or selection is None else _copy_to_dict(audit, selection, out)
        found = {"nas_edge": __version__, **audit_to_dict(audit), "clean_copy": copied}
        click.echo(json.dumps(found, indent=1))
    if audit.has_leakage:
        click.get_current_context().exit(1)


def _print(audit: Audit) -> None:
    print_tables(audit)
    for line in audit_lines(audit):
        click.echo(line)


def _print_copy(audit: Audit, selection: Selection, out: Path, list_file: Path) -> None:
    for line in empty_classes(audit, selection):
        click.echo(f"problem: {shown(str(out))}: {shown(line)}")
    counts = "; ".join(f"{count:,} {reason}" for reason, count in selection.counts().items())
    left_out = f"left out {len(selection.left_out):,} ({counts})" if counts else "nothing left out"
    click.echo(f"{shown(str(out))}: {len(selection.kept):,} images; {left_out}")
    click.echo(
        f"which, and why: {shown(str(list_file))}; try: nas-edge run pcb --data {shown(str(out))}"
    )


def _copy_to_dict(audit: Audit, selection: Selection, out: Path) -> Dict[str, Any]:
    return {
        "folder": str(out),
        "num_kept": len(selection.kept),
        "num_left_out": len(selection.left_out),
        "left_out": selection.counts(),
        "gaps": empty_classes(audit, selection),
    }


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Optional[Progress]]:
    """Yield what draws a bar on a terminal's error stream, and None where there is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
