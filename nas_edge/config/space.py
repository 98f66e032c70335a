"""A search-space file as a validated, frozen object.

Each choice is a fixed value or a list of values. What a choice means is
`nas_edge.space.architecture`'s to say; here are only types, ranges and spelling.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt, StrictStr, field_validator
from typing_extensions import Annotated, Literal

from nas_edge.config.files import FrozenModel, find_file, load_yaml, validated


def _as_tuple(value: Any) -> Any:
    """A fixed value is a choice of one; values of a choice stand once each."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError("must have at least one value, but the list is empty")
    for i, one in enumerate(values):
        if one in values[:i]:
            raise ValueError(f"must name each value once, but {one!r} stands twice")
    return tuple(values)


def _in(*allowed: Any) -> Any:
    def check(values: Tuple[Any, ...]) -> Tuple[Any, ...]:
        for value in values:
            if value not in allowed:
                raise ValueError(
                    f"must be one of {', '.join(map(str, allowed))}, but got {value!r}"
                )
        return values

    return check


def _between(low: float, high: float, rule: str) -> Any:
    def check(values: Tuple[Any, ...]) -> Tuple[Any, ...]:
        for value in values:
            if not low <= value <= high:
                raise ValueError(f"must be {rule}, but got {value!r}")
        return values

    return check


def _digits(count: int, allowed: str) -> Any:
    def check(values: Tuple[str, ...]) -> Tuple[str, ...]:
        for value in values:
            parts = value.split("-")
            if len(parts) != count or any(part not in allowed.split() for part in parts):
                shape = "-".join(["k"] * count)
                digits = allowed.replace(" ", " or ")
                raise ValueError(
                    f"must be written {shape} with each one of {digits}, but got {value!r}"
                )
        return values

    return check


_width = _between(1, 65536, "a whole number from 1 to 65536")


def _squeeze(values: Tuple[Any, ...]) -> Tuple[float, ...]:
    for value in values:
        if not 0 < value < 2:
            raise ValueError(
                "must be greater than 0 and less than 2 (eq. 3.2: s1x1 < e1x1 + e3x3), "
                f"but got {value!r}"
            )
    return tuple(float(value) for value in values)


_Ints = Annotated[Tuple[StrictInt, ...], BeforeValidator(_as_tuple)]
_Floats = Annotated[
    Tuple[StrictFloat, ...], BeforeValidator(lambda v: tuple(map(_number, _as_tuple(v))))
]
_Texts = Annotated[Tuple[StrictStr, ...], BeforeValidator(_as_tuple)]


def _number(value: Any) -> Any:
    # 1 and 1.0 are one spelling. No more than the small numbers: a huge one overflows a float.
    return float(value) if type(value) is int and abs(value) < 2**53 else value


class StemChoices(FrozenModel):
    """Filters of the two stem convolutions."""

    width1: _Ints
    width2: _Ints

    _widths = field_validator("*")(_width)


class EntryChoices(FrozenModel):
    """Filters of the three blocks, squeeze ratio (1.0 = none), kernels, residual kernel."""

    width1: _Ints
    width2: _Ints
    width3: _Ints
    squeeze: _Floats = (1.0,)
    kernels: _Texts = ("3-3",)
    residual_kernel: _Ints = (1,)

    _widths = field_validator("width1", "width2", "width3")(_width)
    _ratio = field_validator("squeeze")(_squeeze)
    _kernels = field_validator("kernels")(_digits(2, "1 3"))
    _residual = field_validator("residual_kernel")(_in(1, 3))


class MiddleChoices(FrozenModel):
    """Number of blocks (8 in a horizontal study), squeeze ratio, kernels."""

    blocks: _Ints = (8,)
    squeeze: _Floats = (1.0,)
    kernels: _Texts = ("3-3-3",)

    _blocks = field_validator("blocks")(_between(0, 64, "a whole number from 0 to 64"))
    _ratio = field_validator("squeeze")(_squeeze)
    _kernels = field_validator("kernels")(_digits(3, "1 3"))


class ExitChoices(FrozenModel):
    """Filters of the four exit convolutions, squeeze ratio, kernels, residual kernel."""

    width1: _Ints
    width2: _Ints
    width3: _Ints
    width4: _Ints
    squeeze: _Floats = (1.0,)
    kernels: _Texts = ("3-3",)
    residual_kernel: _Ints = (1,)

    _widths = field_validator("width1", "width2", "width3", "width4")(_width)
    _ratio = field_validator("squeeze")(_squeeze)
    _kernels = field_validator("kernels")(_digits(2, "1 3"))
    _residual = field_validator("residual_kernel")(_in(1, 3))


class SpaceConfig(FrozenModel):
    """A search-space file.

    ``references`` are the handcrafted networks of `nas_edge.space.references` that the space
    contains, their widths multiplied by ``reference_multiplier``.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    template: Literal["xception"] = "xception"
    description: str = ""
    references: Tuple[Literal["xception", "xception-lite", "xception-lite-text"], ...] = ()
    reference_multiplier: Annotated[float, Field(gt=0, le=16)] = 1.0
    stem: StemChoices
    entry: EntryChoices
    middle: MiddleChoices
    exit: ExitChoices
    strides: _Texts = ("2-2-2-2-2",)
    style: _Texts = ("xception",)

    _strides = field_validator("strides")(_digits(5, "1 2"))
    _style = field_validator("style")(_in("xception", "lite"))

    def choices(self) -> Dict[str, Tuple[Any, ...]]:
        """Return the values of every choice by its flat name, e.g. ``entry.width1``."""
        flat: Dict[str, Tuple[Any, ...]] = {}
        for flow in ("stem", "entry", "middle", "exit"):
            part = getattr(self, flow)
            flat.update({f"{flow}.{name}": getattr(part, name) for name in type(part).model_fields})
        flat["strides"] = self.strides
        flat["style"] = self.style
        return flat


def load_space_config(
    name: str, beside: Optional[Path] = None, where: Optional[str] = None
) -> Tuple[SpaceConfig, Path]:
    """Return the search space that a path or a shipped name means, and its file.

    Args:
        name: A path or a shipped name.
        beside: The folder in which a relative path is looked for first.
        where: File and key that hold the name, for errors.

    Raises:
        ConfigError: If there is no such file or it breaks a rule.
    """
    path = find_file("search_spaces", name, beside, where)
    return validated(SpaceConfig, load_yaml(path), str(path)), path
