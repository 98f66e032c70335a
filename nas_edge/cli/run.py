"""`nas-edge run`: a study from its file to its front."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

from nas_edge.cli.audience import audience_for, told_to
from nas_edge.cli.fronts import print_front
from nas_edge.config.files import load_yaml
from nas_edge.config.study import StudyConfig, load_study_config
from nas_edge.errors import ConfigError


def run_command(
    study: str,
    *,
    quiet: bool,
    as_json: bool,
    out: Optional[str],
    storage: Optional[str],
    device: str,
    **options: Any,
) -> None:
    """Run a study file's study and print its front."""
    audience = audience_for(quiet, as_json)
    with told_to(audience):
        config, path = _load(study, options)
        folder = Path(out) if out else Path("runs") / config.name
        from nas_edge.report.html import write_report
        from nas_edge.study.run import open_run
        from nas_edge.study.training_study import run_training_study

        with audience.watching(folder) as on_event:
            run_training_study(
                config,
                out=folder,
                beside=path.parent,
                storage=storage,
                device=device,
                on_event=on_event,
                where=str(path),
            )
        run = open_run(folder)
        report = write_report(run, accuracy_frontier=config.accuracy_frontier)
        audience.finish(
            run, report, lambda: print_front(config.name, run.records, config.objectives)
        )


def _load(study: str, options: Dict[str, Any]) -> Any:
    """Return the study with the command line's options in it, checked by the same rules."""
    from nas_edge.config.files import find_file

    path = find_file("studies", study)
    overrides: Dict[str, Any] = {}
    for name in ("trials", "time_budget", "memory_limit", "memory_saver", "seed"):
        if options[name] is not None:
            overrides[name] = options[name]
    if options["pruner"] is not None:
        section = load_yaml(path).get("pruner")
        own = section if isinstance(section, dict) else {}
        overrides["pruner"] = {**own, "name": options["pruner"]}
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
