"""The stratified split: complete, proportional, repeatable, and calm when a class is added."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_edge.data.folder import ImageFiles
from nas_edge.data.split import split_files
from nas_edge.errors import DataError


def listing(**counts: int) -> ImageFiles:
    """Return as many made-up files as are asked for, class by class."""
    names = tuple(sorted(counts))
    members = [(label, i) for label, name in enumerate(names) for i in range(counts[name])]
    paths = tuple(Path(names[label]) / f"{i:04d}.png" for label, i in members)
    return ImageFiles(names, paths, tuple(label for label, _ in members))


def split(files, val=0.15, test=0.15, seed=0):
    return split_files(files, val, test, seed, "data")


@given(
    st.integers(3, 60),
    st.integers(3, 60),
    st.floats(0.01, 0.4),
    st.floats(0.01, 0.4),
    st.integers(0, 9),
)
def test_every_image_is_in_exactly_one_split_with_its_own_label(a, b, val, test, seed):
    files = listing(a=a, b=b)

    parts = split(files, val, test, seed)

    shared = [pair for part in parts.values() for pair in zip(part.paths, part.labels)]
    assert sorted(shared) == sorted(zip(files.paths, files.labels))
    assert all(files.class_names[label] == path.parts[0] for path, label in shared)
    assert list(parts) == ["train", "val", "test"]
    assert all({0, 1} <= set(part.labels) for part in parts.values())


def test_each_class_is_shared_out_in_the_same_proportions():
    parts = split(listing(a=1000, b=100, c=20), val=0.2, test=0.1)

    counts = {
        name: [part.labels.count(label) for label in range(3)] for name, part in parts.items()
    }
    assert counts == {"train": [700, 70, 14], "val": [200, 20, 4], "test": [100, 10, 2]}


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    files = listing(a=50, b=50)

    assert split(files, seed=3) == split(files, seed=3)
    assert split(files, seed=3)["val"] != split(files, seed=4)["val"]


def test_the_split_is_the_same_on_every_machine_and_python():
    """What this gave when it was written: a change would mix up the splits of started studies."""
    part = split(listing(a=10, b=10), val=0.2, test=0.2, seed=7)

    val = [path.as_posix() for path in part["val"].paths]
    assert val == ["a/0006.png", "a/0009.png", "b/0005.png", "b/0008.png"]


def test_adding_a_class_leaves_the_split_of_the_others():
    few, more = split(listing(b=40, d=40)), split(listing(a=9, b=40, c=30, d=40))

    for name in ("train", "val", "test"):
        kept = [path for path in more[name].paths if path.parts[0] in "bd"]
        assert kept == list(few[name].paths)


def test_images_are_mixed_and_not_taken_from_one_end():
    val = split(listing(a=200, b=200))["val"]
    numbers = [int(path.stem) for path in val.paths if path.parts[0] == "a"]

    # 30 of 0..199 without replacement: mean 99.5, standard deviation 9.7.
    assert abs(sum(numbers) / 30 - 99.5) < 4 * 9.7
    assert max(numbers) - min(numbers) > 100


def test_the_two_classes_are_not_split_by_the_same_numbers():
    val = split(listing(a=200, b=200))["val"]
    numbers = {name: [p.stem for p in val.paths if p.parts[0] == name] for name in "ab"}

    assert numbers["a"] != numbers["b"]


def test_three_images_are_enough_and_two_are_refused_by_name():
    parts = split(listing(a=3, b=3))
    assert [len(part.paths) for part in parts.values()] == [2, 2, 2]

    with pytest.raises(DataError) as caught:
        split(listing(a=5, few=2))
    assert str(caught.value) == ("data/few: must hold at least 3 images to be split, but holds 2")
