"""`nas-edge run`: a study from its file to the front in the terminal."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, Dict, Optional

import click

from nas_edge.cli.fronts import print_front
from nas_edge.cli.progress import progress_for
from nas_edge.config.files import load_yaml
from nas_edge.config.study import StudyConfig, load_study_config
from nas_edge.errors import ConfigError


def run_command(
    study: str,
    *,
    quiet: bool,
    out: Optional[str],
    storage: Optional[str],
    device: str,
    **options: Any,
) -> None:
    """Run a study file's study and print its front."""
    config, path = _load(study, options)
    folder = Path(out) if out else Path("runs") / config.name
    from nas_edge.report.html import write_report
    from nas_edge.study.run import open_run
    from nas_edge.study.training_study import run_training_study

    signal.signal(signal.SIGTERM, interrupt)
    try:
        with progress_for(quiet) as on_event:
            records = run_training_study(
                config,
                out=folder,
                beside=path.parent,
                storage=storage,
                device=device,
                on_event=on_event,
                where=str(path),
            )
    except KeyboardInterrupt:
        click.echo(f"\nstopped; the same command goes on where it was ({folder})", err=True)
        raise
    report = write_report(open_run(folder), accuracy_frontier=config.accuracy_frontier)
    print_front(config.name, records, config.objectives)
    click.echo(f"report: {report}")


def _load(study: str, options: Dict[str, Any]) -> Any:
    """Return the study with the command line's options in it, checked by the same rules."""
    from nas_edge.config.files import find_file

    path = find_file("studies", study)
    overrides: Dict[str, Any] = {}
    for name in ("trials", "time_budget", "memory_limit", "memory_saver", "seed"):
        if options[name] is not None:
            overrides[name] = options[name]
    if options["data"] is not None or options["skip_damaged"]:
        section = load_yaml(path).get("data") or {}
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: data must be a group of keys, but got {section!r}")
        if options["data"] is not None:
            # A folder, unless the study says in which layout.
            source = "caltech101" if section.get("source") == "caltech101" else "folder"
            section = {**section, "source": source, "path": options["data"]}
        if options["skip_damaged"]:
            section = {**section, "damaged": "skip"}
        overrides["data"] = section
    config: StudyConfig
    config, path = load_study_config(study, overrides)
    return config, path


def interrupt(*_: Any) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt
