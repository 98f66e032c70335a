"""`nas-edge data fetch`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Optional

import click


def fetch_caltech_command(out: str, archive: Optional[str], any_hash: bool) -> None:
    """Get Caltech-101 from its archive, downloaded or given."""
    from nas_edge.data.caltech_fetch import fetch_caltech101

    with contextlib.redirect_stdout(sys.stderr):  # torchvision prints what it does
        got = fetch_caltech101(
            Path(out),
            download=_download,
            archive=Path(archive) if archive else None,
            any_hash=any_hash,
            on_progress=lambda line: click.echo(line, err=True),
        )
    what = f"{got.num_files} files" if got.num_files else "is there already"
    click.echo(f"{got.folder}: {what}; in a study file: data: {{source: caltech101, path: {out}}}")


def _download(url: str, folder: str, name: str, md5: str) -> None:
    from nas_edge.models.torchvision_import import import_torchvision

    import_torchvision().datasets.utils.download_url(url, folder, name, md5)
