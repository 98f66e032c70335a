"""`nas-edge reproduce`: the paper's networks, and their rows beside the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Container, List, Optional, Sequence, Tuple

import click

from nas_edge.cli.audience import audience_for, told_to
from nas_edge.cli.next_steps import REPRODUCTION
from nas_edge.config.reproduction import reproduction_config
from nas_edge.errors import ConfigError
from nas_edge.space.baselines import NETWORK_NAMES


def reproduce_command(
    networks: Tuple[str, ...],
    *,
    every: bool,
    task: str,
    setting: str,
    recipe: str,
    source: Optional[str],
    out: Optional[str],
    device: str,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train networks of the paper and print their rows beside the published ones."""
    audience = audience_for(quiet, as_json, kind=REPRODUCTION)
    with told_to(audience):
        names = _names(networks, every, source)
        config = reproduction_config(task, setting, recipe, **options)
        folder = Path(out) if out else Path("runs") / _folder_name(config.name, recipe, config.seed)
        from nas_edge.report.html import write_report
        from nas_edge.study.reproduction import named_networks, run_reproduction
        from nas_edge.study.run import open_run

        wanted = named_networks(names, setting, source)
        about = {"task": task, "setting": setting, "recipe": recipe}
        with audience.watching(folder) as on_event:
            run_reproduction(config, wanted, about, out=folder, device=device, on_event=on_event)
        run = open_run(folder)
        failed = _failed(run, wanted)
        audience.finish(
            run, write_report(run), lambda: _print_rows(run, list(wanted)), 1 if failed else 0
        )
    if failed:
        click.echo(
            f"no figures of {', '.join(failed)}: the run keeps what happened; to train again, give "
            "another folder with --out",
            err=True,
        )
        click.get_current_context().exit(1)


def _names(networks: Tuple[str, ...], every: bool, source: Optional[str]) -> Sequence[str]:
    if every and networks:
        raise ConfigError("--all must not be given with names of networks")
    for name in networks:
        if name not in NETWORK_NAMES:
            raise ConfigError(
                f"the network must be one of {', '.join(NETWORK_NAMES)}, but got {name!r}"
            )
    if every:
        return NETWORK_NAMES
    if not networks and source is None:
        raise ConfigError(f"name a network ({', '.join(NETWORK_NAMES)}), or give --all")
    return networks


def _folder_name(study: str, recipe: str, seed: int) -> str:
    return study + ("-fixed" if recipe == "fixed" else "") + (f"-seed{seed}" if seed else "")


def _failed(run: Any, names: Container[str]) -> List[str]:
    """Return the names of those that were asked for and gave no figures."""
    records = (record for record in run.records if record.reference in names)
    return [record.name for record in records if not record.measurement.is_finished]


def _print_rows(run: Any, names: Sequence[str]) -> None:
    """Print what was asked for beside the published rows, and the front of all in the run."""
    from rich.console import Console

    from nas_edge.cli.fronts import print_front
    from nas_edge.paper.side_by_side import side_by_side

    console = Console(highlight=False)
    for record in run.records:
        if record.reference in names:
            console.print(side_by_side(record, run))
    print_front(run.name, run.records, run.objectives)
