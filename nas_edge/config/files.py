"""YAML files in, plain data out, with errors that name the file and the key.

Study and search-space files are read through a safe loader that also refuses duplicate keys (YAML
would silently keep the last one) and reads ``1e-3`` as a number (YAML 1.1 reads it as a word).
Shipped files are found by name; a path always wins over a name.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Type, TypeVar, Union

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from nas_edge.errors import ConfigError, EnvironmentProblem

PathLike = Union[str, Path]
MAX_VALUES = 100_000  # a few aliases of aliases would fill any memory
ModelT = TypeVar("ModelT", bound="FrozenModel")


class FrozenModel(BaseModel):
    """A part of a file: unknown keys are refused, and nothing changes after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without its surprises: duplicate keys, ``1e-3`` as text, dates."""


class _Dumper(yaml.SafeDumper):
    """Its counterpart: quotes every text that `_Loader` would read as something else."""


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Dict[Any, Any]:
    seen: List[Any] = []
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise ConfigError(f"key {key!r} must be given once, but stands again in line {line}")
        seen.append(key)
    return dict(loader.construct_mapping(node, deep=True))


def _construct_number(loader: _Loader, node: yaml.ScalarNode) -> Any:
    if ":" in node.value:
        raise ConfigError(
            f"{node.value} in line {node.start_mark.line + 1} is a number to base 60 in YAML; "
            "write a plain number, or quote it"
        )
    is_int = node.tag.endswith(":int")
    return loader.construct_yaml_int(node) if is_int else loader.construct_yaml_float(node)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_number)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )


def read_text(path: Path) -> str:
    """Return a text file's contents, or say in one line why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: must be a file, but is a folder") from None
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: must be UTF-8 text, but byte {err.start} is not") from err
    except OSError as err:
        raise EnvironmentProblem(f"{path}: cannot be read ({err.strerror or err})") from err


def load_yaml(path: Path) -> Dict[str, Any]:
    """Return the mapping that a YAML (or JSON) file holds.

    Raises:
        ConfigError: If the file is missing, is not YAML, or is not a mapping at its top.
    """
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, where: str) -> Dict[str, Any]:
    """Return the mapping that a YAML text holds; ``where`` names it in errors."""
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except ConfigError as err:
        raise ConfigError(f"{where}: {err}") from err
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as err:
        mark = getattr(err, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(err, "problem", None) or str(err).splitlines()[0]
        raise ConfigError(f"{where}: is not valid YAML{line}: {problem}") from err
    if data is None:
        raise ConfigError(f"{where}: must hold keys and values, but is empty")
    if _num_values(data, MAX_VALUES) > MAX_VALUES:
        raise ConfigError(f"{where}: must hold at most {MAX_VALUES:,} values, aliases included")
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: must hold keys and values, but holds {_show(data)}")
    return data


def _num_values(data: Any, enough: int) -> int:
    """Count the values of nested data, an alias each time it stands there, up to ``enough``."""
    waiting, count = [data], 0
    while waiting and count <= enough:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, (list, tuple, set)):
            waiting.extend(one)
    return count


def dump_yaml(data: Mapping[str, Any]) -> str:
    """Return plain data as a YAML text that `parse_yaml` reads back as it was."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None))


def validated(
    model: Type[ModelT],
    data: Mapping[str, Any],
    where: str,
    options: Optional[Mapping[str, str]] = None,
) -> ModelT:
    """Return ``data`` as a frozen, strictly typed object.

    Args:
        model: What it has to be.
        data: Plain data.
        where: Names its file in errors.
        options: By dotted key the option that a value is from, which errors name instead.
    Raises:
        ConfigError: With file, key, rule and value of the first broken rule.
    """
    try:
        text = json.dumps(data, allow_nan=True, default=os.fspath)  # a path is a text
    except (TypeError, ValueError) as err:
        raise ConfigError(f"{where}: must hold numbers, texts and lists only ({err})") from err
    try:
        # JSON mode: strict about types, yet arrays may become tuples.
        return model.model_validate_json(text, strict=True)
    except ValidationError as err:
        problems = err.errors(include_url=False)
        sentence, keys = _sentence(model, problems[0]), [_key(problem) for problem in problems]
        if options and keys[0] in options:
            raise ConfigError(options[keys[0]] + sentence[len(keys[0]) :]) from err
        others = list(dict.fromkeys(filter(None, keys[1:])))
        more = f" (also wrong: {', '.join(others)})" if others else ""
        raise ConfigError(f"{where}: {sentence}{more}") from err


_RULES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "model_type": "must be a group of keys",
    "model_attributes_type": "must be a group of keys",
    "dict_type": "must be a group of keys",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}


def _sentence(model: Type[BaseModel], problem: Mapping[str, Any]) -> str:
    """Return ``key rule, but got value`` for one of pydantic's errors."""
    key = _key(problem)
    kind = problem["type"]
    if kind == "missing":
        return f"{key} is missing"
    if kind == "extra_forbidden":
        return _unknown_key(model, problem["loc"])
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        if not key:
            return message
        # A rule of one value says what it "must"; a rule of a group begins with the key in it.
        return f"{key} {message}" if message.startswith("must") else f"{key}.{message}"
    rule = _RULES.get(kind, "")
    if not rule:
        return f"{key}: {problem['msg']}, but got {_show(problem['input'])}"
    return f"{key} {rule.format(**problem.get('ctx', {}))}, but got {_show(problem['input'])}"


def _key(problem: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _unknown_key(model: Type[BaseModel], loc: Any) -> str:
    known = _known_keys(model, loc[:-1])
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"{'.'.join(str(part) for part in loc)} is not a known key; {hint}"


def _known_keys(model: Type[BaseModel], parents: Any) -> List[str]:
    current: Any = model
    for parent in parents:
        if isinstance(parent, int):  # an entry of a list, whose model was found by the list's name
            continue
        fields = getattr(current, "model_fields", {})
        current = _model_in(fields[parent].annotation) if parent in fields else None
    return sorted(getattr(current, "model_fields", {}))


def _model_in(annotation: Any) -> Any:
    """Return the model that an annotation holds, e.g. of the entries of an optional list."""
    if hasattr(annotation, "model_fields"):
        return annotation
    found = map(_model_in, getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)


def _show(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def shipped_folder(kind: str) -> Path:
    """Return the folder of the shipped ``search_spaces`` or ``studies``.

    In a wheel it lies inside the package; in a checkout beside it.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package / kind
    return inside if inside.is_dir() else package.parent / kind


def shipped_files(kind: str) -> Dict[str, Path]:
    """Return the shipped files of a kind by name, sorted."""
    return {path.stem: path for path in sorted(shipped_folder(kind).glob("*.yaml"))}


def find_file(
    kind: str, name: str, beside: Optional[Path] = None, where: Optional[str] = None
) -> Path:
    """Return the file that ``name`` means: a path (beside another file first) or a shipped name.

    Args:
        kind: "search_spaces" or "studies".
        name: A path or a name.
        beside: The folder in which a relative path is looked for first.
        where: File and key that hold the name, for errors; on the command line the name says it.
    Raises:
        ConfigError: If there is none; it names the nearest, or all that are shipped.
    """
    candidates = ([beside / name] if beside else []) + [Path(name)]
    for path in candidates:
        if os.path.isfile(path):  # unlike Path.is_file, never raises
            return path
    shipped = shipped_files(kind)
    stem = name[:-5] if name.endswith(".yaml") else name
    if stem in shipped:
        return shipped[stem]
    what = kind.replace("_", " ")
    close = difflib.get_close_matches(stem, list(shipped), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f": {', '.join(shipped)}"
    begins = f"{name}:" if where is None else f"{where} {name!r}"
    raise ConfigError(f"{begins} is neither a file nor one of the shipped {what}{hint}")
