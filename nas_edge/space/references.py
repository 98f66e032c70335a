"""The handcrafted networks that every study is compared with.

Source:
    "xception": Chollet 2017. "xception-lite": the paper's configuration as the authors' code has
    it (15.8M parameters with 101 classes). "xception-lite-text": as the paper's section 3.3 says
    it, with fire modules (a squeeze) in the entry flow too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Tuple

from nas_edge.errors import SpaceError
from nas_edge.space.architecture import Architecture, Entry, Exit, Middle, Stem

_XCEPTION = Architecture(
    stem=Stem(widths=(32, 64)),
    entry=Entry(widths=(128, 256, 728), squeeze=1.0, kernels=(3, 3), residual_kernel=1),
    middle=Middle(blocks=8, squeeze=1.0, kernels=(3, 3, 3)),
    exit=Exit(widths=(728, 1024, 1536, 2048), squeeze=1.0, kernels=(3, 3), residual_kernel=1),
    strides=(2, 2, 2, 2, 2),
    style="xception",
)
_LITE = Architecture(
    stem=Stem(widths=(32, 64)),
    entry=Entry(widths=(128, 256, 512), squeeze=1.0, kernels=(1, 3), residual_kernel=1),
    middle=Middle(blocks=8, squeeze=0.5, kernels=(1, 1, 3)),
    exit=Exit(widths=(728, 1024, 1536, 2048), squeeze=1.0, kernels=(1, 3), residual_kernel=3),
    strides=(2, 2, 2, 2, 2),
    style="lite",
)
_REFERENCES: Dict[str, Architecture] = {
    "xception": _XCEPTION,
    "xception-lite": _LITE,
    "xception-lite-text": replace(_LITE, entry=replace(_LITE.entry, squeeze=0.5)),
}
REFERENCE_NAMES: Tuple[str, ...] = tuple(_REFERENCES)
PAPER_REFERENCE = "xception-lite"


def reference_architecture(name: str, multiplier: float = 1.0) -> Architecture:
    """Return a handcrafted network, its widths multiplied and rounded.

    Raises:
        SpaceError: If there is no such network.
    """
    if name not in _REFERENCES:
        raise SpaceError(f"reference must be one of {', '.join(REFERENCE_NAMES)}, but got {name!r}")
    base = _REFERENCES[name]
    if multiplier == 1.0:
        return base
    return replace(
        base,
        stem=Stem(_scaled(base.stem.widths, multiplier)),
        entry=replace(base.entry, widths=_scaled(base.entry.widths, multiplier)),
        exit=replace(base.exit, widths=_scaled(base.exit.widths, multiplier)),
    )


def reference_name(name: str, multiplier: float = 1.0) -> str:
    """Return the name that says the multiplier, e.g. ``xception-lite x0.25``."""
    return name if multiplier == 1.0 else f"{name} x{multiplier:g}"


def parse_reference(text: str) -> Architecture:
    """Return the network that a name such as ``xception-lite x0.25`` means.

    Raises:
        SpaceError: If the text is not such a name.
    """
    name, separator, factor = text.partition(" x")
    try:
        multiplier = float(factor) if separator else 1.0
    except ValueError:
        multiplier = 0.0
    if not 0 < multiplier <= 16:
        raise SpaceError(
            f"the width multiplier must be a number above 0, up to 16, but got {text!r}"
        )
    return reference_architecture(name, multiplier)


def _scaled(widths: Tuple[int, ...], multiplier: float) -> Any:  # as many as came in
    return tuple(max(1, round(width * multiplier)) for width in widths)
