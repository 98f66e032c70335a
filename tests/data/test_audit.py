"""An audit finds every defect of a folder in its number, and nothing else."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import ImageEnhance
from scattered_images import PLACES, by_brute_force, put, scattered, scene

from nas_edge.data.audit import audit_folder, audit_frame, audit_to_dict, near
from nas_edge.data.audit.near import NEAR_DISTANCE, find_neighbours, group_images
from nas_edge.errors import DataError


def names(audit, digests):
    return {frozenset(audit.listing.name(f) for f in audit.copies[d]) for d in digests}


def expected_names(groups):
    return {frozenset("/".join(parts) for parts in group) for group in groups}


def test_copies_across_splits_and_labels_are_those_of_brute_force(tmp_path):
    scattered(tmp_path)
    places = by_brute_force(tmp_path)

    audit = audit_folder(tmp_path)

    crossing = [p for p in places if len({split for split, _, _ in p}) > 1]
    contradicted = [p for p in places if len({label for _, label, _ in p}) > 1]
    repeated = [p for p in places if max(Counter(s for s, _, _ in p).values()) > 1]
    assert min(len(crossing), len(contradicted), len(repeated)) > 5
    assert len(audit.listing.files) == sum(map(len, places))
    assert len(audit.readings.contents) == len(places) == 60
    assert names(audit, audit.in_several_splits) == expected_names(crossing)
    assert names(audit, audit.under_two_labels) == expected_names(contradicted)
    assert names(audit, audit.repeated_within_split) == expected_names(repeated)
    assert audit.has_leakage
    assert audit.near_groups == ()  # copies of one image are no near duplicates of each other


def test_a_folder_without_copies_has_no_leakage(tmp_path):
    for number, (split, label) in enumerate(PLACES):
        put(tmp_path / split / label / "a.png", scene(number))

    audit = audit_folder(tmp_path)

    assert not audit.has_leakage
    assert audit.in_several_splits == audit.under_two_labels == audit.repeated_within_split == ()
    assert audit.listing.gaps == ()


def test_an_audit_is_the_same_every_time(tmp_path):
    scattered(tmp_path)
    (tmp_path / "val" / "0" / "broken.jpg").write_bytes(b"nothing")

    found = [audit_to_dict(audit_folder(tmp_path)) for _ in range(4)]

    assert all(one == found[0] for one in found)


def test_one_folder_of_classes_is_audited_without_splits(tmp_path):
    for number in range(5):
        put(tmp_path / "a" / f"{number}.png", scene(number))
        put(tmp_path / "b" / f"{number}.png", scene(100 + number))
    put(tmp_path / "a" / "again.png", scene(0))
    put(tmp_path / "b" / "x" / "other.png", scene(1))

    audit = audit_folder(tmp_path)

    assert not audit.listing.has_splits
    assert audit.in_several_splits == ()
    assert names(audit, audit.under_two_labels) == {frozenset({"a/1.png", "b/x/other.png"})}
    assert names(audit, audit.repeated_within_split) == {
        frozenset({"a/0.png", "a/again.png"}),
        frozenset({"a/1.png", "b/x/other.png"}),
    }
    assert audit_to_dict(audit)["counts"] == {"all": {"a": 6, "b": 6}}


# --- damage ----------------------------------------------------------------------------------


def test_damaged_files_are_named_and_are_copies_of_nothing(tmp_path):
    for number, (split, label) in enumerate(PLACES):
        put(tmp_path / split / label / "good.png", scene(number))
        (tmp_path / split / label / "empty.jpg").write_bytes(b"")
        (tmp_path / split / label / "text.jpg").write_bytes(b"<html>not found</html>")
    whole = put(tmp_path / "train" / "0" / "whole.jpg", scene(5000))
    (tmp_path / "val" / "1" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    put(tmp_path / "val" / "1" / "speck.png", scene(5001, side=4))
    (tmp_path / "val" / "1" / "gone.png").symlink_to(tmp_path / "nowhere.png")

    audit = audit_folder(tmp_path)

    reasons = {
        one.path.relative_to(tmp_path).as_posix(): one.reason for one in audit.readings.damaged
    }
    assert len(reasons) == 2 * 6 + 3
    assert reasons["test/1/empty.jpg"] == "the file is empty"
    assert reasons["test/1/text.jpg"] == "is not an image"
    assert reasons["val/1/cut.jpg"].startswith("cannot be decoded (")
    assert reasons["val/1/speck.png"] == "must be at least 8 pixels a side, but is 4x4"
    assert reasons["val/1/gone.png"] == "cannot be read (No such file or directory)"
    assert not audit.has_leakage
    order = [audit.listing.name(file) for file in audit.listing.files]
    assert list(reasons) == sorted(reasons, key=order.index)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_named_like_an_image_does_not_hold_the_audit_up(tmp_path):
    put(tmp_path / "a" / "1.png", scene(1))
    os.mkfifo(tmp_path / "a" / "2.png")

    audit = audit_folder(tmp_path)

    assert [one.path.name for one in audit.readings.damaged] == ["2.png"]


def test_a_folder_of_damaged_files_alone_is_reported(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"")

    audit = audit_folder(tmp_path)

    assert len(audit.readings.damaged) == 1
    assert audit.near_groups == ()
    assert audit_to_dict(audit)["sizes"] is None


def test_sizes_modes_formats_and_tiny_images(tmp_path):
    put(tmp_path / "a" / "1.png", scene(1, side=20))
    put(tmp_path / "a" / "2.png", scene(2, side=40).convert("L"))
    put(tmp_path / "a" / "3.jpg", scene(3, side=60).resize((100, 31)))
    sizes = sorted(path.stat().st_size for path in tmp_path.glob("*/*"))

    found = audit_to_dict(audit_folder(tmp_path))

    assert found["sizes"] == {
        "width_px": {"min": 20, "median": 40, "max": 100},
        "height_px": {"min": 20, "median": 31, "max": 40},
        "file_bytes": {"min": sizes[0], "median": sizes[1], "max": sizes[2]},
        "modes": {"RGB": 2, "L": 1},
        "formats": {"PNG": 2, "JPEG": 1},
    }
    assert found["tiny"]["files"] == ["a/1.png", "a/3.jpg"]


# --- near duplicates -------------------------------------------------------------------------


def test_the_same_picture_in_another_form_is_near(tmp_path):
    picture = scene(0, side=96)
    forms = {
        "train/0/a.png": picture,
        "train/1/b.jpg": picture,
        "val/0/c.png": picture.resize((64, 64)),
        "test/0/d.png": ImageEnhance.Brightness(picture).enhance(0.95),
    }
    for place, image in forms.items():
        put(tmp_path / place, image)
    put(tmp_path / "val" / "1" / "other.png", scene(1, side=96))
    put(tmp_path / "test" / "1" / "another.png", scene(2, side=96))

    audit = audit_folder(tmp_path)

    (group,) = audit.near_groups
    assert {audit.listing.name(audit.copies[d][0]) for d in group.digests} == set(forms)
    assert group.across_splits
    assert group.across_labels
    assert not audit.has_leakage


@pytest.mark.parametrize("distance", [0, 5, NEAR_DISTANCE])
@pytest.mark.parametrize("rows", [7, 512])
def test_near_pairs_and_groups_are_those_of_brute_force(monkeypatch, distance, rows):
    monkeypatch.setattr(near, "_ROWS", rows)
    draw = np.random.default_rng(3)
    bits = draw.random((60, 256)) < 0.5
    for row in range(20, 60):  # chains of near ones, copies, and one just too far
        bits[row] = bits[draw.integers(0, row)]
        flips = draw.choice([0, 1, 5, 6, 16, 17])
        bits[row, draw.choice(256, flips, replace=False)] ^= True
    hashes = [imagehash.ImageHash(row.reshape(16, 16)) for row in bits]

    found = find_neighbours([np.packbits(row).tobytes() for row in bits], distance)

    expected = {
        (i, j) for i, j in itertools.combinations(range(60), 2) if hashes[i] - hashes[j] <= distance
    }
    nodes = found.nodes.tolist()
    linked = {tuple(pair) for pair in found.pairs.tolist()}
    assert {
        (i, j)
        for i, j in itertools.combinations(range(60), 2)
        if nodes[i] == nodes[j] or tuple(sorted((nodes[i], nodes[j]))) in linked
    } == expected
    assert group_images(found) == _components(60, expected)


def _components(count, pairs):
    """Return connected components of two and more, by merging until nothing changes."""
    component = list(range(count))
    changed = True
    while changed:
        changed = False
        for i, j in pairs:
            low = min(component[i], component[j])
            changed |= component[i] != component[j]
            component[i] = component[j] = low
    groups = [tuple(i for i in range(count) if component[i] == c) for c in sorted(set(component))]
    return [group for group in groups if len(group) > 1]


def test_many_blank_images_are_one_group_and_not_a_million_pairs():
    blank = bytes(32)

    found = find_neighbours([blank] * 3000 + [b"\xff" * 32])

    assert len(found.pairs) == 0
    assert group_images(found) == [tuple(range(3000))]


def test_no_hash_and_one_hash_have_no_neighbours():
    assert group_images(find_neighbours([])) == []
    assert group_images(find_neighbours([bytes(32)])) == []


# --- what a study would refuse ---------------------------------------------------------------


def test_gaps_of_the_layout_are_reported_and_not_refused(tmp_path):
    put(tmp_path / "train" / "a" / "1.png", scene(1))
    put(tmp_path / "train" / "b" / "1.png", scene(2))
    put(tmp_path / "test" / "a" / "1.png", scene(3))
    (tmp_path / "test" / "c").mkdir()

    assert audit_folder(tmp_path).listing.gaps == (
        "there is no folder 'val'",
        "class 'c' has no image in 'train'",
        "class 'b' has no image in 'test'",
        "class 'c' has no image in 'test'",
    )


def test_gaps_of_one_folder_of_classes_are_reported(tmp_path):
    for number in range(2):
        put(tmp_path / "a" / f"{number}.png", scene(number))

    assert audit_folder(tmp_path).listing.gaps == (
        "there is one class only, 'a'",
        "class 'a' has 2 images, too few for 3 splits",
    )


def test_what_is_no_folder_of_images_is_refused(tmp_path):
    (tmp_path / "file.png").write_bytes(b"x")
    (tmp_path / "flat").mkdir()
    put(tmp_path / "flat" / "1.png", scene(1))
    put(tmp_path / "named" / "Training" / "a" / "1.png", scene(1))

    for name, message in {
        "missing": "must be a folder of images, but there is no such folder",
        "file.png": "must be a folder of images, but is a file",
        "flat": "must hold images in DIR/{train,val,test}/<class>/ or in DIR/<class>/, but holds "
        "none there",
        "named": "must name its splits train, val and test, but has Training; rename them",
    }.items():
        with pytest.raises(DataError) as caught:
            audit_folder(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {message}"


def test_progress_reaches_the_number_of_files(tmp_path):
    for number in range(300):
        put(tmp_path / "a" / f"{number}.png", scene(number % 3, side=8))
    seen = []

    audit_folder(tmp_path, on_progress=lambda done, total: seen.append((done, total)))

    assert seen == [(256, 300), (300, 300)]


# --- real images -----------------------------------------------------------------------------


def real_images() -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pcb"
    return Path(os.environ.get("NAS_EDGE_PCB", str(beside)))


@pytest.mark.slow
@pytest.mark.skipif(not real_images().is_dir(), reason="no PCB images (NAS_EDGE_PCB)")
def test_the_real_pcb_images_are_distinct_and_lie_in_one_split_each():
    audit = audit_folder(real_images())

    assert len(audit.listing.files) == len(audit.readings.contents) == 3000
    assert not audit.has_leakage
    assert audit.readings.damaged == audit.tiny == audit.listing.gaps == ()
    # Crops of one place of a board with and without a defect; no chain through the whole set.
    assert len(audit.near_groups) > 100
    assert max(len(group.digests) for group in audit.near_groups) < 20


def test_the_frame_has_a_row_for_everything_that_was_looked_for(tmp_path):
    scattered(tmp_path)
    (tmp_path / "train" / "0" / "empty.png").write_bytes(b"")
    audit = audit_folder(str(tmp_path))

    frame = audit_frame(audit).set_index("what")

    assert dict(frame["found"]) == {
        "same image in several splits": len(audit.in_several_splits),
        "same image under two labels": len(audit.under_two_labels),
        "same image twice in a split": len(audit.repeated_within_split),
        "groups of near duplicates": 0,
        "damaged files": 1,
        "images with a side under 32 px": 0,
        "reasons why a study would not take the folder": len(audit.listing.gaps),
    }
    assert frame.loc["damaged files", "example"] == "train/0/empty.png: the file is empty"
    example = frame.loc["same image under two labels", "example"]
    assert set(example.split(" = ")) in map(set, names(audit, audit.under_two_labels))
    assert frame.loc["groups of near duplicates", "example"] == ""
