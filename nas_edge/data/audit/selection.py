"""An audit in, which files a clean copy keeps out, and of every other one why not.

Each image is kept once. One that is in several splits stays in the test set, else in the validation
set: figures for the evaluation sets stay comparable with those that others got on them, and what
shrinks is the training set, which can best spare copies. An image under two labels is kept nowhere,
because nothing says which is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Tuple

from nas_edge.data.audit.findings import Audit
from nas_edge.data.audit.listing import ListedFile
from nas_edge.data.audit.near import Neighbours
from nas_edge.errors import DataError

KEPT_FIRST = ("test", "val", "train")

DAMAGED = "damaged"
TWO_LABELS = "under two labels"
OTHER_SPLIT = "in another split too"
REPEATED = "there twice"
NEAR = "near duplicate in another split"


@dataclass(frozen=True)
class LeftOut:
    """A file that is left out; ``detail`` is the file kept instead, its labels, or its damage."""

    file: ListedFile
    reason: str
    detail: str


@dataclass(frozen=True)
class Selection:
    """The files that are kept and those that are not, both in the order of the listing."""

    kept: Tuple[ListedFile, ...]
    left_out: Tuple[LeftOut, ...]

    def counts(self) -> Dict[str, int]:
        """Return how many files are left out for each reason."""
        reasons = [one.reason for one in self.left_out]
        order = (DAMAGED, TWO_LABELS, OTHER_SPLIT, REPEATED, NEAR)
        return {reason: reasons.count(reason) for reason in order if reason in reasons}


def select_clean(audit: Audit, *, near: bool = False) -> Selection:
    """Return what a clean copy of a folder holds.

    Args:
        audit: The folder.
        near: Leave out, too, what looks like an image that is kept in a split before its own
            (test, val, train).
    Raises:
        DataError: If near duplicates across splits are asked for where there are no splits.
    """
    if near and not audit.listing.has_splits:
        raise DataError(
            f"{audit.listing.root}: must have splits for near duplicates across them to be left "
            "out, but is one folder of classes; leave out --near"
        )
    contradicted = frozenset(audit.under_two_labels)
    kept = {
        digest: min(files, key=_rank)
        for digest, files in audit.copies.items()
        if digest not in contradicted
    }
    twins = _near_twins(audit, kept) if near else {}
    left_out = list(_left_out(audit, kept, twins))
    gone = {one.file.path for one in left_out}
    return Selection(
        tuple(file for file in audit.listing.files if file.path not in gone), tuple(left_out)
    )


def empty_classes(audit: Audit, selection: Selection) -> List[str]:
    """Return which classes lose their last image in a split, a line each."""
    had = {(file.split, file.label) for file in audit.listing.files}
    has = {(file.split, file.label) for file in selection.kept}
    return [f"class {label!r} has no image left in {split!r}" for split, label in sorted(had - has)]


def _rank(file: ListedFile) -> int:
    """Order the copies of an image; of equals min() takes the first of the listing."""
    return KEPT_FIRST.index(file.split) if file.split in KEPT_FIRST else 0


def _left_out(
    audit: Audit, kept: Mapping[str, ListedFile], twins: Mapping[str, ListedFile]
) -> Iterator[LeftOut]:
    name = audit.listing.name
    reasons = {one.path: one.reason for one in audit.readings.damaged}
    for file, digest in zip(audit.listing.files, audit.readings.digests):
        if digest is None:
            yield LeftOut(file, DAMAGED, reasons[file.path])
        elif digest not in kept:
            labels = sorted({copy.label for copy in audit.copies[digest]})
            yield LeftOut(file, TWO_LABELS, ", ".join(labels))
        elif digest in twins:
            yield LeftOut(file, NEAR, name(twins[digest]))
        elif file != kept[digest]:
            reason = REPEATED if file.split == kept[digest].split else OTHER_SPLIT
            yield LeftOut(file, reason, name(kept[digest]))


def _near_twins(audit: Audit, kept: Mapping[str, ListedFile]) -> Dict[str, ListedFile]:
    """Return the images that are near one kept in a split before their own, with that one.

    Only an image that is kept itself drives out another: what is near an image that is left out
    stays.
    """
    node_of = dict(zip(audit.readings.contents, audit.neighbours.nodes.tolist()))
    near_nodes = _near_nodes(audit.neighbours)
    first_at: Dict[int, ListedFile] = {}  # the first kept image at a node, of the splits so far
    twins: Dict[str, ListedFile] = {}
    for split in KEPT_FIRST:
        stays: Dict[int, ListedFile] = {}
        for digest, file in kept.items():
            if file.split != split:
                continue
            node = node_of[digest]
            twin = next((first_at[n] for n in near_nodes.get(node, (node,)) if n in first_at), None)
            if twin is None:
                stays.setdefault(node, file)
            else:
                twins[digest] = twin
        for node, file in stays.items():
            first_at.setdefault(node, file)
    return twins


def _near_nodes(neighbours: Neighbours) -> Dict[int, Tuple[int, ...]]:
    """Return, for the nodes that have neighbours, themselves and those."""
    near: Dict[int, List[int]] = {}
    for first, second in neighbours.pairs.tolist():
        near.setdefault(first, [first]).append(second)
        near.setdefault(second, [second]).append(first)
    return {node: tuple(others) for node, others in near.items()}
