"""`nas-edge dashboard`: Optuna's dashboard beside a run, until Ctrl-C."""

from __future__ import annotations

import signal
import warnings
from typing import Optional

import click

from nas_edge.cli.interrupts import interrupt


def dashboard_command(what: str, port: Optional[int], host: str, is_opened: bool) -> None:
    """Serve the dashboard of a run or of a storage."""
    from nas_edge.dashboard.server import PORT
    from nas_edge.dashboard.serving import serve_dashboard
    from nas_edge.dashboard.target import find_target

    def ready(url: str) -> None:
        click.echo(f"dashboard: {url}   (Ctrl-C ends it)")
        if is_opened and click.launch(url) != 0:
            click.echo("no browser could be opened; open the page by hand", err=True)

    warnings.simplefilter("ignore")  # Optuna's notes to programmers, at every request
    target = find_target(what)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        serve_dashboard(
            target,
            host=host,
            port=PORT if port is None else port,
            is_port_asked_for=port is not None,
            on_ready=ready,
            on_note=lambda text: click.echo(text, err=True),
        )
    except KeyboardInterrupt:
        click.echo("dashboard: ended", err=True)
