"""What makes a study this study, and a refusal to go on with another that names each difference."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from nas_edge.errors import StudyError

FORMAT = 1
FORMAT_ATTR = "nas_edge:format"
IDENTITY_ATTR = "nas_edge:identity"
OPTUNA_ATTR = "nas_edge:optuna"
# In words, where the values say nothing to a person.
_CHANGED = {"data.identity": "the images, their labels or their split have changed"}


def check_same(
    stored: Mapping[str, Any], identity: Mapping[str, Any], where: str, anew: str
) -> None:
    """Refuse to go on if anything that decides the figures has changed.

    Raises:
        StudyError: Naming each difference, old and new.
    """
    differences = differences_of(stored, identity)
    if differences:
        shown = "; ".join(differences[:6]) + ("; ..." if len(differences) > 6 else "")
        raise StudyError(f"{where}: cannot go on, because {shown}; change it back, or {anew}")


def differences_of(stored: Mapping[str, Any], current: Mapping[str, Any]) -> List[str]:
    """Return one phrase a difference, by dotted key."""
    old, new = _flat("", stored), _flat("", current)
    phrases = []
    for key in sorted({*old, *new}):
        if key in _CHANGED and old.get(key) != new.get(key):
            phrases.append(_CHANGED[key])
        elif key not in new:
            phrases.append(f"{key} was {old[key]!r} and is gone")
        elif key not in old:
            phrases.append(f"{key} is new ({new[key]!r})")
        elif old[key] != new[key]:
            phrases.append(f"{key} was {old[key]!r} and is now {new[key]!r}")
    return phrases


def check_versions(attrs: Mapping[str, Any], optuna_version: str, where: str) -> None:
    """Refuse a study of another format or another major version of Optuna.

    Raises:
        StudyError: Saying which versions differ and what to do.
    """
    stored = attrs.get(FORMAT_ATTR)
    if stored is None:
        raise StudyError(
            f"{where}: is not a study of nas-edge; give this one another name or storage"
        )
    if stored != FORMAT:
        raise StudyError(
            f"{where}: was made by another version of nas-edge (format {stored}, this one writes "
            f"{FORMAT}); use that version, or start anew with --out"
        )
    made_with = str(attrs.get(OPTUNA_ATTR, optuna_version))
    if made_with.partition(".")[0] != optuna_version.partition(".")[0]:
        raise StudyError(
            f"{where}: was made with Optuna {made_with}, but this is Optuna {optuna_version}; its "
            "major version must stay the same within a study"
        )


def _flat(prefix: str, data: Mapping[str, Any]) -> Dict[str, Any]:
    flat: Dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(_flat(f"{name}.", value))
        else:
            flat[name] = list(value) if isinstance(value, tuple) else value
    return flat
