"""A search space over the Xception template: flat choices, membership, keys, named references.

A space is used by suggesting (`suggest`), asking (`contains`, `why_not`) and naming (`key`). It
does not know Optuna: ``trial`` is anything with ``suggest_categorical``.
"""

from __future__ import annotations

import random
from math import prod
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from nas_edge.config.space import SpaceConfig, load_space_config
from nas_edge.errors import ConfigError, SpaceError
from nas_edge.space.architecture import CHOICE_NAMES, Architecture
from nas_edge.space.references import reference_architecture, reference_name


class SearchSpace:
    """Every combination of the choices' values.

    Args:
        name: The space's.
        choices: Values by flat name, e.g. ``entry.width1``; those of `CHOICE_NAMES`, every one.
        references: Handcrafted points by name, which a study trains first.
        where: Names the space in errors.
    Raises:
        ConfigError: If a choice is missing, unknown or empty, or a named reference is not a point.
    """

    def __init__(
        self,
        name: str,
        choices: Mapping[str, Sequence[Any]],
        references: Optional[Mapping[str, Architecture]] = None,
        where: str = "search space",
    ) -> None:
        self.name = name
        self.choices: Dict[str, Tuple[Any, ...]] = {
            key: tuple(values) for key, values in choices.items()
        }
        self.references: Dict[str, Architecture] = dict(references or {})
        _check_choices(self.choices, where)
        for reference, architecture in self.references.items():
            reason = self.why_not(architecture)
            if reason:
                raise ConfigError(
                    f"{where}: references: {reference} is not in the space: {reason}; "
                    "add the value to the choice, or remove the reference"
                )

    @classmethod
    def from_config(cls, config: SpaceConfig, where: str = "search space") -> SearchSpace:
        """Return the space that a validated file describes."""
        factor = config.reference_multiplier
        references = {
            reference_name(name, factor): reference_architecture(name, factor)
            for name in config.references
        }
        return cls(config.name, config.choices(), references, where)

    @classmethod
    def load(cls, name: str, beside: Optional[Path] = None) -> SearchSpace:
        """Return the space of a path or of a shipped name.

        Raises:
            ConfigError: If there is no such file or it breaks a rule.
        """
        config, path = load_space_config(name, beside)
        return cls.from_config(config, str(path))

    @property
    def searched(self) -> Dict[str, Tuple[Any, ...]]:
        """The choices with more than one value."""
        return {name: values for name, values in self.choices.items() if len(values) > 1}

    @property
    def num_points(self) -> int:
        """Combinations of values; there are fewer networks where two spellings are one network."""
        return prod(len(values) for values in self.choices.values())

    def suggest(self, trial: Any) -> Architecture:
        """Return the architecture that a trial's sampler chooses."""
        chosen = {
            name: trial.suggest_categorical(name, values) for name, values in self.searched.items()
        }
        return self.architecture(chosen)

    def sample(self, rng: random.Random) -> Architecture:
        """Return a uniformly random point."""
        return self.architecture(
            {name: rng.choice(values) for name, values in self.searched.items()}
        )

    def architecture(self, chosen: Mapping[str, Any]) -> Architecture:
        """Return the point of some chosen values; fixed choices need not be named."""
        fixed = {name: values[0] for name, values in self.choices.items() if len(values) == 1}
        return Architecture.from_parameters({**fixed, **chosen})

    def parameters(self, architecture: Architecture) -> Dict[str, Any]:
        """Return the searched values of a point; the inverse of `architecture`.

        Raises:
            SpaceError: If the architecture is not a point of the space.
        """
        reason = self.why_not(architecture)
        if reason:
            raise SpaceError(f"the architecture is not in space {self.name!r}: {reason}")
        values = architecture.parameters()
        return {name: values[name] for name in self.searched}

    def why_not(self, architecture: Architecture) -> Optional[str]:
        """Return why an architecture is not a point of the space, or None if it is one."""
        for name, value in architecture.parameters().items():
            if value not in self.choices[name]:
                allowed = ", ".join(str(v) for v in self.choices[name])
                return f"{name} must be one of {allowed}, but is {value}"
        return None

    def contains(self, architecture: Architecture) -> bool:
        """Return whether an architecture is a point of the space."""
        return self.why_not(architecture) is None

    def key(self, architecture: Architecture) -> str:
        """Return the canonical key: equal for two spellings of one network."""
        return architecture.key

    def to_json(self, architecture: Architecture) -> Any:
        """Return plain data of a point, for storage."""
        return architecture.to_dict()

    def from_json(self, data: Any) -> Architecture:
        """Return the point of plain data; the inverse of `to_json`."""
        return Architecture.from_dict(data)

    def fingerprint(self) -> Dict[str, Any]:
        """Return what makes this space this space, as plain data."""
        return {name: list(values) for name, values in self.choices.items()}


def _check_choices(choices: Mapping[str, Sequence[Any]], where: str) -> None:
    for name in choices:
        if name not in CHOICE_NAMES:
            known = ", ".join(CHOICE_NAMES)
            raise ConfigError(f"{where}: {name} is not a known choice; known are {known}")
    for name in CHOICE_NAMES:
        if not choices.get(name):
            raise ConfigError(f"{where}: {name} must have at least one value, but has none")
