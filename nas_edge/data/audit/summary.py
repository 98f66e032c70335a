"""An audit in, plain values out: what ``--json`` prints, and the figures of the tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any, Dict, List, Optional, Sequence

from nas_edge.data.audit.findings import TINY_SIDE, Audit
from nas_edge.data.audit.listing import count_files
from nas_edge.data.audit.reading import HASH_SIZE


@dataclass(frozen=True)
class Spread:
    """Least, middle and greatest of some figures."""

    least: float
    median: float
    greatest: float


@dataclass(frozen=True)
class Sizes:
    """What a folder's images are like, every file counted that can be decoded."""

    width_px: Spread
    height_px: Spread
    file_bytes: Spread
    modes: Dict[str, int]
    formats: Dict[str, int]


def sizes_of(audit: Audit) -> Optional[Sizes]:
    """Return sizes, modes and formats, or None where every file is damaged."""
    contents = [audit.readings.contents[d] for d in audit.readings.digests if d is not None]
    if not contents:
        return None
    return Sizes(
        width_px=_spread([one.width for one in contents]),
        height_px=_spread([one.height for one in contents]),
        file_bytes=_spread([one.num_bytes for one in contents]),
        modes=_counted([one.mode for one in contents]),
        formats=_counted([one.format for one in contents]),
    )


def audit_to_dict(audit: Audit) -> Dict[str, Any]:
    """Return everything that was found, files by their places below the folder."""
    listing, readings = audit.listing, audit.readings
    sizes = sizes_of(audit)
    return {
        "folder": str(listing.root),
        "layout": "splits" if listing.has_splits else "classes",
        "leakage": audit.has_leakage,
        "num_files": len(listing.files),
        "num_distinct": len(readings.contents),
        "num_in_several_splits": len(audit.in_several_splits),
        "num_under_two_labels": len(audit.under_two_labels),
        "num_repeated_within_split": len(audit.repeated_within_split),
        "num_near_groups": len(audit.near_groups),
        "num_damaged": len(readings.damaged),
        "num_tiny": len(audit.tiny),
        "counts": count_files(listing),
        "gaps": list(listing.gaps),
        "sizes": None if sizes is None else _sizes_to_dict(sizes),
        "in_several_splits": _images(audit, audit.in_several_splits),
        "under_two_labels": _images(audit, audit.under_two_labels),
        "repeated_within_split": _images(audit, audit.repeated_within_split),
        "near_duplicates": {
            "hash": f"imagehash phash, {HASH_SIZE}x{HASH_SIZE} bits",
            "distance_bits": audit.distance,
            "num_across_splits": sum(group.across_splits for group in audit.near_groups),
            "num_across_labels": sum(group.across_labels for group in audit.near_groups),
            "groups": [
                {
                    "across_splits": group.across_splits,
                    "across_labels": group.across_labels,
                    "images": _images(audit, group.digests),
                }
                for group in audit.near_groups
            ],
        },
        "damaged": [
            {"file": one.path.relative_to(listing.root).as_posix(), "reason": one.reason}
            for one in readings.damaged
        ],
        "tiny": {
            "shorter_than_px": TINY_SIDE,
            "files": [listing.name(file) for file in audit.tiny],
        },
    }


def _images(audit: Audit, digests: Sequence[str]) -> List[Dict[str, Any]]:
    return [
        {
            "sha256": digest,
            "files": [audit.listing.name(file) for file in audit.copies[digest]],
        }
        for digest in digests
    ]


def _sizes_to_dict(sizes: Sizes) -> Dict[str, Any]:
    def spread(one: Spread) -> Dict[str, float]:
        return {"min": one.least, "median": one.median, "max": one.greatest}

    return {
        "width_px": spread(sizes.width_px),
        "height_px": spread(sizes.height_px),
        "file_bytes": spread(sizes.file_bytes),
        "modes": sizes.modes,
        "formats": sizes.formats,
    }


def _spread(figures: Sequence[int]) -> Spread:
    return Spread(min(figures), median(figures), max(figures))


def _counted(names: Sequence[str]) -> Dict[str, int]:
    """Return how often each name stands there, the commonest first."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
