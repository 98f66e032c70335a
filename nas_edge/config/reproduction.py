"""A reproduction of the paper as a study: its task, setting and recipe."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from nas_edge.config.files import validated
from nas_edge.config.study import FIXED_RECIPE, PAPER_RECIPE, StudyConfig
from nas_edge.errors import ConfigError

TASKS: Tuple[str, ...] = ("pcb", "caltech101", "synthetic")
SETTINGS: Tuple[str, ...] = ("scratch", "frozen", "finetune")
RECIPES: Dict[str, Dict[str, Any]] = {"paper": PAPER_RECIPE, "fixed": FIXED_RECIPE}
SPACE = "named networks"
FINETUNE_EPOCHS = 20  # the authors' further epochs with all layers trainable
# Of the authors' code, for Caltech-101: turns of up to 0.15, shifts of up to a tenth, both flips,
# contrast.
CALTECH_AUGMENTATION: Dict[str, Any] = {
    "rotation": 0.15,
    "translation": 0.1,
    "flip_horizontal": True,
    "flip_vertical": True,
    "contrast": 0.1,
}
# Small enough for two cores and three minutes; all else is the paper's. In so few steps Keras's
# momentum of normalisation would leave the validation at chance.
SYNTHETIC_RECIPE: Dict[str, Any] = {"epochs": 8, "image_size": 48, "bn_momentum": 0.1}
SYNTHETIC_DATA: Dict[str, Any] = {
    "classes": 7,
    "train": 640,
    "val": 320,
    "test": 320,
    "difficulty": 0.1,
}


def reproduction_config(
    task: str,
    setting: str,
    recipe: str,
    *,
    data: Optional[str] = None,
    epochs: Optional[int] = None,
    image_size: Optional[int] = None,
    bn_momentum: Optional[float] = None,
    seed: int = 0,
) -> StudyConfig:
    """Return the study that a reproduction is.

    Args:
        task: One of `TASKS`.
        setting: "scratch"; "frozen": all but a new last layer; "finetune": all layers of a trained
            network with a new last one.
        recipe: "paper": the authors' code as it is; "fixed": without its second softmax.
        data: Folder of images; none for the synthetic set.
        epochs: Instead of the paper's.
        image_size: Side in pixels, instead of the paper's.
        bn_momentum: Of normalisations, in PyTorch's sense, instead of each network's in Keras.
        seed: Of the trainings.
    Raises:
        ConfigError: If a folder is missing or a value breaks a rule.
    """
    if task == "synthetic":
        section: Dict[str, Any] = {"source": "synthetic-pcb", "synthetic": SYNTHETIC_DATA}
    elif data is None:
        raise ConfigError(f"--data is missing: {task} needs the folder of its images")
    else:
        section = {"source": "folder" if task == "pcb" else "caltech101", "path": data}
    if task == "synthetic" and data is not None:
        raise ConfigError("--data must not be given for the synthetic set, which is drawn")
    study = {
        "name": f"reproduce-{task}-{setting}",
        "space": SPACE,
        "data": section,
        "recipe": {**_recipe(task, setting, recipe), **_given(epochs, image_size, bn_momentum)},
        "seed": seed,
        "artifacts": {"weights": True},
        "limits": {"candidate_time": "30d", "silence": "30min"},
    }
    return validated(StudyConfig, study, "reproduce")


def _recipe(task: str, setting: str, name: str) -> Dict[str, Any]:
    recipe = dict(RECIPES[name])
    if task == "synthetic":
        recipe.update(SYNTHETIC_RECIPE)
    elif setting == "finetune":
        recipe["epochs"] = FINETUNE_EPOCHS
    if task == "caltech101":
        recipe["augmentation"] = CALTECH_AUGMENTATION
    if setting == "frozen":
        recipe["trainable"] = "head"
    return recipe


def _given(
    epochs: Optional[int], image_size: Optional[int], bn_momentum: Optional[float]
) -> Dict[str, Any]:
    values = {"epochs": epochs, "image_size": image_size, "bn_momentum": bn_momentum}
    return {key: value for key, value in values.items() if value is not None}
