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
        config, path, note = _load(study, options)
        folder = Path(out) if out else Path("runs") / config.name
        from nas_edge.report.html import write_report
        from nas_edge.study.run import open_run
        from nas_edge.study.training_study import run_training_study

        with audience.watching(folder) as on_event:
            if note:
                on_event({"event": "note", "text": note})
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


_OPTIONS = ("trials", "time_budget", "memory_limit", "memory_saver", "seed")


def _load(study: str, options: Dict[str, Any]) -> Any:
    """Return the study with the command line's options in it, checked by the same rules.

    And its file, and a note where the options make it another study than its name says.
    """
    from nas_edge.config.files import find_file

    path = find_file("studies", study)
    given = {name: options[name] for name in _OPTIONS if options[name] is not None}
    named = {name: f"--{name.replace('_', '-')}" for name in given}
    note = ""
    if options["epochs"] is not None:
        given["recipe"] = _with_epochs(load_yaml(path).get("recipe"), options["epochs"])
        named["recipe.epochs"] = "--epochs"
    if options["pruner"] is not None:
        section = load_yaml(path).get("pruner")
        own = section if isinstance(section, dict) else {}
        given["pruner"] = {**own, "name": options["pruner"]}
        named["pruner.name"] = "--pruner"
    if options["data"] is not None or options["skip_damaged"]:
        section = load_yaml(path).get("data") or {}
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: data must be a group of keys, but got {section!r}")
        if options["data"] is not None:
            if section.get("source") == "synthetic-pcb":
                note = _other_images(study, options["data"])
            # A folder, unless the study says in which layout.
            source = "caltech101" if section.get("source") == "caltech101" else "folder"
            section = {**section, "source": source, "path": options["data"]}
            named["data.path"] = "--data"
        if options["skip_damaged"]:
            section = {**section, "damaged": "skip"}
        given["data"] = section
    config: StudyConfig
    config, path = load_study_config(study, given, named)
    return config, path, note


def _with_epochs(recipe: Any, epochs: int) -> Any:
    """Return a study file's recipe with another number of epochs."""
    if isinstance(recipe, str):
        recipe = {"base": recipe}
    return {**recipe, "epochs": epochs} if isinstance(recipe, dict) else {"epochs": epochs}


def _other_images(study: str, folder: str) -> str:
    return (
        f"{study} is made for synthetic boards, but --data has it train on {folder}; its name and "
        "recipe stay. Of the shipped studies pcb is the one for your own images"
    )
