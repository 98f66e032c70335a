"""An audit's findings as a pandas DataFrame, for notebooks; `audit_to_dict` holds all of it."""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence, Tuple

from nas_edge.data.audit.findings import TINY_SIDE, Audit
from nas_edge.data.audit.summary import audit_to_dict


def audit_frame(audit: Audit) -> Any:
    """Return a row for everything that was looked for: how often it was found, one example."""
    import pandas as pd

    found = audit_to_dict(audit)
    near = found["near_duplicates"]["groups"]
    damaged = [f"{one['file']}: {one['reason']}" for one in found["damaged"]]
    rows: List[Tuple[str, int, str]] = [
        ("same image in several splits", *_copies(found["in_several_splits"])),
        ("same image under two labels", *_copies(found["under_two_labels"])),
        ("same image twice in a split", *_copies(found["repeated_within_split"])),
        ("groups of near duplicates", len(near), _near(near)),
        ("damaged files", *_listed(damaged)),
        (f"images with a side under {TINY_SIDE} px", *_listed(found["tiny"]["files"])),
        ("reasons why a study would not take the folder", *_listed(found["gaps"])),
    ]
    return pd.DataFrame(rows, columns=["what", "found", "example"])


def _copies(images: Sequence[Mapping[str, Any]]) -> Tuple[int, str]:
    return len(images), " = ".join(images[0]["files"]) if images else ""


def _near(groups: Sequence[Mapping[str, Any]]) -> str:
    return " ~ ".join(image["files"][0] for image in groups[0]["images"]) if groups else ""


def _listed(lines: Sequence[str]) -> Tuple[int, str]:
    return len(lines), lines[0] if lines else ""
