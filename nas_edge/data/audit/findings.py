"""Listing and readings in, what is wrong with a folder of images out.

An image is here what distinct bytes hold; files with the same bytes are its copies. Damaged files
are copies of nothing: a hundred empty files are no leakage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Dict, FrozenSet, List, Tuple

from nas_edge.data.audit.listing import ListedFile, Listing
from nas_edge.data.audit.near import Neighbours, group_images
from nas_edge.data.audit.reading import Readings

TINY_SIDE = 32  # below it the entry flow's strides leave a pixel or two


@dataclass(frozen=True)
class NearGroup:
    """Images (by digest) that look alike, and whether splits or classes share them."""

    digests: Tuple[str, ...]
    across_splits: bool
    across_labels: bool


@dataclass(frozen=True)
class Audit:
    """A folder of images that was read, and every finding about it.

    Attributes:
        listing: Its files.
        readings: What they hold.
        neighbours: Which images look alike, in the order of ``readings.contents``.
        distance: In how many bits of their hashes near images may differ.
    """

    listing: Listing
    readings: Readings
    neighbours: Neighbours
    distance: int

    @cached_property
    def copies(self) -> Dict[str, Tuple[ListedFile, ...]]:
        """The files of each image, images and files in the order of the listing."""
        copies: Dict[str, List[ListedFile]] = {}
        for file, digest in zip(self.listing.files, self.readings.digests):
            if digest is not None:
                copies.setdefault(digest, []).append(file)
        return {digest: tuple(files) for digest, files in copies.items()}

    @cached_property
    def in_several_splits(self) -> Tuple[str, ...]:
        """Images of which copies lie in more than one split."""
        return tuple(d for d, files in self.copies.items() if len(_splits(files)) > 1)

    @cached_property
    def under_two_labels(self) -> Tuple[str, ...]:
        """Images of which copies lie in the folders of more than one class."""
        return tuple(d for d, files in self.copies.items() if len(_labels(files)) > 1)

    @cached_property
    def repeated_within_split(self) -> Tuple[str, ...]:
        """Images of which a split has more than one copy."""
        return tuple(d for d, files in self.copies.items() if len(_splits(files)) < len(files))

    @property
    def has_leakage(self) -> bool:
        """Whether an image is in more than one split or under more than one label."""
        return bool(self.in_several_splits or self.under_two_labels)

    @cached_property
    def near_groups(self) -> Tuple[NearGroup, ...]:
        """Distinct images that look alike."""
        digests = tuple(self.readings.contents)
        return tuple(
            self._near_group(tuple(digests[image] for image in images))
            for images in group_images(self.neighbours)
        )

    @cached_property
    def tiny(self) -> Tuple[ListedFile, ...]:
        """Files of images with a side shorter than 32 pixels."""
        contents = self.readings.contents
        return tuple(
            file
            for file, digest in zip(self.listing.files, self.readings.digests)
            if digest is not None
            and min(contents[digest].width, contents[digest].height) < TINY_SIDE
        )

    def _near_group(self, digests: Tuple[str, ...]) -> NearGroup:
        files = tuple(file for digest in digests for file in self.copies[digest])
        return NearGroup(digests, len(_splits(files)) > 1, len(_labels(files)) > 1)


def _splits(files: Tuple[ListedFile, ...]) -> FrozenSet[str]:
    return frozenset(file.split for file in files)


def _labels(files: Tuple[ListedFile, ...]) -> FrozenSet[str]:
    return frozenset(file.label for file in files)
