"""Each difference in setting is named, with the paper's value, and nothing else is."""

import pytest

from nas_edge.config.study import PAPER_RECIPE, RecipeConfig
from nas_edge.paper.published import published
from nas_edge.paper.settings import differences, nearest_table

CALTECH, SCRATCH, PRETRAINED = published().tables


def identity(task="pcb", setting="scratch", recipe=None, counts=None, classes=2, device="NX"):
    """By default that of the paper's own PCB training."""
    counts = counts or {"train": 14000, "val": 4000, "test": 2000}
    found = {
        "recipe": RecipeConfig(**{**PAPER_RECIPE, **(recipe or {})}).model_dump(),
        "data": {"classes": [str(i) for i in range(classes)], "counts": counts},
        "device": {"kind": "cuda", "name": "Xavier NX" if device == "NX" else device},
    }
    return {**found, "reproduce": {"task": task, "setting": setting}} if task else found


def test_the_papers_own_setting_differs_in_nothing():
    assert differences(identity(), SCRATCH, ["xception"]) == []


def test_the_augmentation_of_caltech_is_the_papers_own_there():
    augmentation = {"flip_horizontal": True, "flip_vertical": True, "rotation": 0.15}
    recipe = {"augmentation": {**augmentation, "translation": 0.1, "contrast": 0.1}}
    counts = {"train": 6907, "val": 820, "test": 950}

    same = identity("caltech101", recipe=recipe, counts=counts, classes=101)
    without = identity("caltech101", counts=counts, classes=101)

    assert differences(same, CALTECH) == []
    (phrase,) = differences(without, CALTECH)
    assert phrase.startswith("augmentation none (paper: flip horizontal, flip vertical, rotation")


@pytest.mark.parametrize(
    ("changes", "phrases"),
    [
        (
            {"recipe": {"epochs": 15, "image_size": 64, "batch_size": 32}},
            ["15 epochs (paper: 60)", "64 px (paper: 224)", "batch 32 (paper: 16)"],
        ),
        (
            {"recipe": {"optimizer": "adamw", "learning_rate": 2e-3}},
            ["optimizer adamw (paper: adam)", "learning rate 0.002 (paper: 0.001)"],
        ),
        (
            {"recipe": {"augmentation": {"flip_horizontal": True, "rotation": 0.1}}},
            ["augmentation flip horizontal, rotation 0.1 (paper: none)"],
        ),
        ({"recipe": {"epochs": 1}}, ["1 epoch (paper: 60)"]),
        ({"recipe": {"micro_batch": 4}}, ["micro-batches of 4 (paper: none)"]),
        ({"recipe": {"memory_format": "contiguous"}}, []),
        ({"device": "Some GPU"}, ["on Some GPU (paper: Jetson Xavier NX 8GB)"]),
        (
            {"counts": {"train": 2000, "val": 500, "test": 500}},
            ["2,000 / 500 / 500 images (paper: 14,000 / 4,000 / 2,000)"],
        ),
        ({"classes": 7}, ["7 classes (paper: 2)"]),
        ({"task": "synthetic"}, ["synthetic images (paper: photographs)"]),
        (
            {"setting": "finetune"},
            ["fine-tuned, every layer trained (paper: trained from scratch)"],
        ),
    ],
)
def test_each_difference_is_named(changes, phrases):
    assert differences(identity(**changes), SCRATCH) == phrases


def test_widths_are_named_once():
    names = ["xception x0.25", "xception-lite x0.25"]
    assert differences(identity(), SCRATCH, names) == ["widths x0.25 (paper: x1)"]


def test_what_an_identity_does_not_say_is_left_out():
    assert differences({}, SCRATCH) == []
    assert differences({"recipe": {"epochs": 60}, "data": None, "device": 3}, SCRATCH) == []


@pytest.mark.parametrize(
    ("task", "setting", "table"),
    [
        ("caltech101", "scratch", CALTECH),
        ("pcb", "scratch", SCRATCH),
        ("pcb", "frozen", PRETRAINED),
        ("pcb", "finetune", PRETRAINED),
        ("synthetic", "scratch", SCRATCH),
        ("synthetic", "frozen", PRETRAINED),
    ],
)
def test_a_reproduction_stands_beside_the_table_of_its_task(task, setting, table):
    assert nearest_table(identity(task, setting)) is table


def test_another_study_stands_beside_the_table_with_its_number_of_classes():
    assert nearest_table(identity(None)) is SCRATCH
    assert nearest_table(identity(None, classes=7)) is SCRATCH
    assert nearest_table(identity(None, classes=101)) is CALTECH
    assert nearest_table({}) is SCRATCH
