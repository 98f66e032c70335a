"""What a classifier must know beside its weights, held against what a study allows."""

from __future__ import annotations

from typing import Any, Mapping, Tuple

from pydantic import Field
from typing_extensions import Annotated

from nas_edge.config.files import FrozenModel, validated
from nas_edge.config.study import ImageSize
from nas_edge.errors import ConfigError, StudyError


class ClassifierFacts(FrozenModel):
    """The classes in the order of the outputs, and the side in pixels that was trained with."""

    class_names: Annotated[Tuple[str, ...], Field(min_length=2)]
    image_size: ImageSize


def facts_in(said: Mapping[str, Any], where: str) -> ClassifierFacts:
    """Return what a file or a study says of its classifier.

    Raises:
        StudyError: If something else has changed it.
    """
    known = {name: said[name] for name in ("class_names", "image_size") if name in said}
    try:
        return validated(ClassifierFacts, known, where)
    except ConfigError as err:
        raise StudyError(str(err)) from err
