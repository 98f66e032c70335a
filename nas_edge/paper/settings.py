"""In what a run's setting differs from the paper's: one phrase a difference.

Enters a run's identity, leaves phrases such as ``15 epochs (paper: 60)``. The paper's own setting
is `PAPER_RECIPE` with what `published.yaml` says of each table's task.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from nas_edge.config.study import PAPER_RECIPE, RecipeConfig
from nas_edge.paper.published import PublishedTable, published
from nas_edge.paper.run_sets import task_and_setting

_TRAINED = {
    "scratch": "trained from scratch",
    "frozen": "all but a new last layer frozen",
    "finetune": "fine-tuned, every layer trained",
}
_UNITS = {"epochs": "{} epochs", "image_size": "{} px", "batch_size": "batch {}"}
# Of no consequence for the figures that are compared.
_NOT_COMPARED = ("memory_format",)


def nearest_table(identity: Mapping[str, Any]) -> PublishedTable:
    """Return the published table that a run stands beside.

    That of its task and setting; Table 2 for synthetic boards; for another study Table 1 if it has
    Caltech-101's number of classes, Table 2 otherwise. `differences` names what is not the same.
    """
    caltech, scratch, pretrained = published().tables
    task, setting = task_and_setting(identity)
    if task is None:
        return caltech if _num_classes(identity) in (101, 102) else scratch
    if task == "caltech101":
        return caltech
    return scratch if setting == "scratch" else pretrained


def differences(
    identity: Mapping[str, Any], table: PublishedTable, names: Sequence[str] = ()
) -> List[str]:
    """Return in what a run's setting differs from a table's.

    Args:
        identity: The run's.
        table: The published one.
        names: The networks' names, which say their widths.
    Returns:
        Phrases, each with the paper's value; widths, setting, epochs, image size, batch, device and
        images before the rest of the recipe. What the identity does not say is left out.
    """
    found = [f"widths x{name.partition(' x')[2]} (paper: x1)" for name in names if " x" in name]
    found = list(dict.fromkeys(found))
    _, setting = task_and_setting(identity)
    if setting is not None and setting != table.setting:
        found.append(_phrase(_TRAINED.get(setting, setting), _TRAINED[table.setting]))
    recipe = _recipe_differences(identity, table)
    first = [recipe.pop(name) for name in _UNITS if name in recipe]
    return found + first + _device(identity) + _images(identity, table) + list(recipe.values())


def _recipe_differences(identity: Mapping[str, Any], table: PublishedTable) -> Dict[str, str]:
    """Return phrases by key of the recipe; keys of another version of nas-edge are left out."""
    recipe = identity.get("recipe")
    if not isinstance(recipe, Mapping):
        return {}
    papers = RecipeConfig(**{**PAPER_RECIPE, **table.recipe}).model_dump()
    found = {}
    for name, wanted in papers.items():
        if name in _NOT_COMPARED or name not in recipe or recipe[name] == wanted:
            continue
        if name in _UNITS:
            found[name] = _phrase(_in_units(name, recipe[name]), str(wanted))
        else:
            title = name.replace("_", " ")
            found[name] = _phrase(f"{title} {_short(recipe[name])}", _short(wanted))
    found.pop("loss", None)
    # A recipe is stored without the plain loss; with one logit there is no softmax to repeat.
    if "loss" not in recipe and _num_classes(identity) > 2:
        found["loss"] = _phrase("one softmax in the loss", "two")
    if recipe.get("micro_batch"):
        found["micro_batch"] = _phrase(f"micro-batches of {recipe['micro_batch']}", "none")
    return found


def _device(identity: Mapping[str, Any]) -> List[str]:
    device = identity.get("device")
    name = str(device.get("name", "")) if isinstance(device, Mapping) else ""
    if not name or "Xavier NX" in name:
        return []
    return [_phrase(f"on {name}", published().paper.device)]


def _images(identity: Mapping[str, Any], table: PublishedTable) -> List[str]:
    found = []
    task, _ = task_and_setting(identity)
    if task == "synthetic":
        found.append(_phrase("synthetic images", "photographs"))
    data = identity.get("data")
    if not isinstance(data, Mapping):
        return found
    counts = data.get("counts")
    if isinstance(counts, Mapping) and dict(counts) != table.images:
        found.append(_phrase(f"{_counts(counts)} images", _counts(table.images)))
    num_classes = _num_classes(identity)
    if num_classes not in (0, table.num_classes):
        found.append(_phrase(f"{num_classes} classes", str(table.num_classes)))
    return found


def _counts(counts: Mapping[str, Any]) -> str:
    return " / ".join(f"{counts[split]:,}" for split in ("train", "val", "test") if split in counts)


def _num_classes(identity: Mapping[str, Any]) -> int:
    data = identity.get("data")
    return len(data.get("classes", ())) if isinstance(data, Mapping) else 0


def _in_units(name: str, value: Any) -> str:
    text = _UNITS[name].format(value)
    return "1 epoch" if text == "1 epochs" else text


def _phrase(here: str, paper: str) -> str:
    return f"{here} (paper: {paper})"


def _short(value: Any) -> str:
    """Return a recipe's value in a few words; of the augmentation what is used."""
    if not isinstance(value, Mapping):
        return f"{value:g}" if isinstance(value, float) else str(value)
    used = [
        name.replace("_", " ") + ("" if amount is True else f" {amount:g}")
        for name, amount in value.items()
        if amount
    ]
    return ", ".join(used) or "none"
