"""One network of the Xception template: a frozen, hashable point.

An ``Architecture`` holds the choices (widths, squeeze ratios, kernels, strides) and nothing that
follows from them; `nas_edge.space.plan` turns it into layers. Here is no search space, no torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple, Type, TypeVar

import yaml

from nas_edge.config.files import load_yaml, parse_yaml
from nas_edge.errors import SpaceError
from nas_edge.space.plan import Plan, build_plan

STYLES = ("xception", "lite")
# The flat choices, as `Architecture.parameters` and the search-space files name them.
CHOICE_NAMES = (
    *(f"stem.{name}" for name in ("width1", "width2")),
    *(
        f"entry.{name}"
        for name in ("width1", "width2", "width3", "squeeze", "kernels", "residual_kernel")
    ),
    *(f"middle.{name}" for name in ("blocks", "squeeze", "kernels")),
    *(f"exit.width{i}" for i in (1, 2, 3, 4)),
    *(f"exit.{name}" for name in ("squeeze", "kernels", "residual_kernel")),
    "strides",
    "style",
)
FlowT = TypeVar("FlowT", "Stem", "Entry", "Middle", "Exit")


@dataclass(frozen=True)
class Stem:
    """Two 3x3 convolutions; ``widths`` are their filters."""

    widths: Tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """Three down-sampling blocks.

    ``squeeze`` below 1 puts a 1x1 squeeze layer of ``squeeze * width`` filters before the two
    convolutions of each block (strategy 2); ``kernels`` are those of the two (strategy 1).
    """

    widths: Tuple[int, int, int]
    squeeze: float
    kernels: Tuple[int, int]
    residual_kernel: int


@dataclass(frozen=True)
class Middle:
    """Identity-residual blocks of three convolutions, the first of ``squeeze * width`` filters.

    The width is that of the last entry block, because the residual is the identity.
    """

    blocks: int
    squeeze: float
    kernels: Tuple[int, int, int]


@dataclass(frozen=True)
class Exit:
    """One down-sampling block (``widths[:2]``) and two last convolutions (``widths[2:]``)."""

    widths: Tuple[int, int, int, int]
    squeeze: float
    kernels: Tuple[int, int]
    residual_kernel: int


@dataclass(frozen=True)
class Architecture:
    """A point of the Xception template.

    ``strides`` are those of the stem, the three entry blocks and the exit block (strategy 3: late
    down-sampling). ``style`` is the set of details that the authors' code changed together: "lite"
    pads the stem ("same"), gives convolutions a bias, starts the first block with a ReLU and leaves
    the batch normalisation of the residuals out.

    Raises:
        SpaceError: If a value is malformed, or eq. 3.2 of the paper (s1x1 < e1x1 + e3x3) is broken.
    """

    stem: Stem
    entry: Entry
    middle: Middle
    exit: Exit
    strides: Tuple[int, int, int, int, int]
    style: str

    def __post_init__(self) -> None:
        _check_ints("stem.widths", self.stem.widths, 2)
        _check_ints("entry.widths", self.entry.widths, 3)
        _check_ints("exit.widths", self.exit.widths, 4)
        _check_ints("entry.kernels", self.entry.kernels, 2, (1, 3))
        _check_ints("middle.kernels", self.middle.kernels, 3, (1, 3))
        _check_ints("exit.kernels", self.exit.kernels, 2, (1, 3))
        _check_ints("strides", self.strides, 5, (1, 2))
        _check_ints("entry.residual_kernel", (self.entry.residual_kernel,), 1, (1, 3))
        _check_ints("exit.residual_kernel", (self.exit.residual_kernel,), 1, (1, 3))
        if not _is_int(self.middle.blocks) or self.middle.blocks < 0:
            raise SpaceError(
                f"middle.blocks must be a whole number from 0, but got {self.middle.blocks!r}"
            )
        for flow in ("entry", "middle", "exit"):
            _check_squeeze(f"{flow}.squeeze", getattr(self, flow).squeeze)
        if self.style not in STYLES:
            raise SpaceError(f"style must be one of {', '.join(STYLES)}, but got {self.style!r}")

    @cached_property
    def plan(self) -> Plan:
        """The layers that this architecture means."""
        return build_plan(self)

    @cached_property
    def key(self) -> str:
        """The canonical key, which two spellings of one network share and two networks do not."""
        return hashlib.sha256(repr(self.plan).encode()).hexdigest()[:12]

    def parameters(self) -> Dict[str, Any]:
        """Return the flat choices, e.g. ``{"entry.width1": 128, "entry.kernels": "1-3", ...}``."""
        flat: Dict[str, Any] = {}
        for flow in ("stem", "entry", "middle", "exit"):
            for name, value in asdict(getattr(self, flow)).items():
                if name == "widths":
                    flat.update({f"{flow}.width{i}": width for i, width in enumerate(value, 1)})
                else:
                    flat[f"{flow}.{name}"] = _join(value) if name == "kernels" else value
        flat["strides"] = _join(self.strides)
        flat["style"] = self.style
        return flat

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Architecture:
        """Return the architecture of flat choices; the inverse of `parameters`.

        Raises:
            SpaceError: If a choice is missing, unknown or malformed.
        """
        _check_choices(parameters)
        nested: Dict[str, Any] = {"stem": {}, "entry": {}, "middle": {}, "exit": {}}
        for name in CHOICE_NAMES:
            value = parameters[name]
            flow, _, part = name.partition(".")
            if part.startswith("width"):
                nested[flow].setdefault("widths", []).append(value)
            elif part:
                nested[flow][part] = _split(name, value) if part == "kernels" else value
            else:
                nested[name] = _split(name, value) if name == "strides" else value
        return cls.from_dict(nested)

    def to_dict(self) -> Dict[str, Any]:
        """Return nested plain data (lists, numbers, texts)."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """Return the architecture of nested plain data; the inverse of `to_dict`.

        Raises:
            SpaceError: If a key is missing or unknown, or a value malformed.
        """
        _check_keys("architecture", data, [f.name for f in fields(cls)])
        return cls(
            stem=_flow(Stem, "stem", data["stem"]),
            entry=_flow(Entry, "entry", data["entry"]),
            middle=_flow(Middle, "middle", data["middle"]),
            exit=_flow(Exit, "exit", data["exit"]),
            strides=_tuple("strides", data["strides"]),  # type: ignore[arg-type]
            style=data["style"],
        )

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Return the architecture of a JSON text."""
        try:
            data = json.loads(text)
        except ValueError as err:
            raise SpaceError(f"architecture must be JSON: {err}") from err
        return cls.from_dict(data)

    def to_yaml(self) -> str:
        """Return the YAML text that `nas-edge show` and `nas-edge estimate` read."""
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None))

    @classmethod
    def from_yaml(cls, text: str) -> Architecture:
        """Return the architecture of a YAML text."""
        return cls.from_dict(parse_yaml(text, "architecture"))

    @classmethod
    def load(cls, path: Path) -> Architecture:
        """Return the architecture of a YAML or JSON file."""
        try:
            return cls.from_dict(load_yaml(path))
        except SpaceError as err:
            raise SpaceError(f"{path}: {err}") from err


def _flow(kind: Type[FlowT], name: str, data: Any) -> FlowT:
    if not isinstance(data, Mapping):
        raise SpaceError(f"{name} must be a group of keys, but got {data!r}")
    _check_keys(name, data, [f.name for f in fields(kind)])
    values: Dict[str, Any] = {
        key: _tuple(f"{name}.{key}", v) if key in ("widths", "kernels") else v
        for key, v in data.items()
    }
    if _is_int(values.get("squeeze")) and values["squeeze"] == 1:
        values["squeeze"] = 1.0  # the only whole number in range; 1 and 1.0 are one spelling
    return kind(**values)


def _tuple(name: str, value: Any) -> Tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise SpaceError(f"{name} must be a list of whole numbers, but got {value!r}")
    return tuple(value)


def _join(values: Tuple[int, ...]) -> str:
    return "-".join(str(value) for value in values)


def _split(name: str, text: Any) -> Tuple[int, ...]:
    parts = text.split("-") if isinstance(text, str) else []
    if not parts or not all(part.isdecimal() for part in parts):
        raise SpaceError(f"{name} must be numbers joined by '-', e.g. '1-3', but got {text!r}")
    return tuple(int(part) for part in parts)


def _check_choices(parameters: Mapping[str, Any]) -> None:
    for name in parameters:
        if name not in CHOICE_NAMES:
            raise SpaceError(f"{name} is not a known choice; known are {', '.join(CHOICE_NAMES)}")
    for name in CHOICE_NAMES:
        if name not in parameters:
            raise SpaceError(f"{name} is missing")


def _check_keys(name: str, data: Mapping[str, Any], expected: list[str]) -> None:
    if not isinstance(data, Mapping):
        raise SpaceError(f"{name} must be a group of keys, but got {data!r}")
    for key in expected:
        if key not in data:
            raise SpaceError(f"{name}.{key} is missing")
    for key in data:
        if key not in expected:
            raise SpaceError(f"{name}.{key} is not a known key; known are {', '.join(expected)}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_ints(
    name: str, values: Tuple[int, ...], count: int, allowed: Tuple[int, ...] = ()
) -> None:
    if not isinstance(values, tuple) or len(values) != count:
        raise SpaceError(f"{name} must have {count} entries, but got {values!r}")
    for value in values:
        if not _is_int(value) or value < 1 or (allowed and value not in allowed):
            rule = f"one of {', '.join(map(str, allowed))}" if allowed else "a whole number from 1"
            raise SpaceError(f"{name} must be {rule}, but got {value!r}")


def _check_squeeze(name: str, ratio: Any) -> None:
    """Eq. 3.2, s1x1 < e1x1 + e3x3: both expand layers have the block's width, so s/w < 2."""
    if not isinstance(ratio, (int, float)) or isinstance(ratio, bool) or not 0 < ratio < 2:
        raise SpaceError(
            f"{name} must be greater than 0 and less than 2 (eq. 3.2: s1x1 < e1x1 + e3x3), "
            f"but got {ratio!r}"
        )
