"""Settings: frozen dataclasses that check their values, and their way to JSON and back."""

import dataclasses
import difflib
import json
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from asr.errors import ConfigError, ModelError
from asr.files import atomic

T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """What a number may be."""

    rule: str
    """Such as "must be positive"."""
    allows: Callable[[float], bool]


POSITIVE = Limit("must be positive", lambda value: value > 0)
NOT_NEGATIVE = Limit("must not be negative", lambda value: value >= 0)
SEED = Limit("must fit into 64 bits with its sign", lambda value: -(2**63) <= value < 2**63)
"""What PyTorch takes."""


def at_least(least: float) -> Limit:
    """Allow numbers from `least` on."""
    return Limit(f"must be at least {least:g}", lambda value: value >= least)


def between(low: float, high: float, *, below: bool = False, unit: str = "") -> Limit:
    """Allow numbers from `low` to `high`, or, with `below`, to just below `high`."""
    rule = f"must lie in [{low:g}, {high:g}{')' if below else ']'} {unit}".rstrip()
    return Limit(rule, lambda value: low <= value < high if below else low <= value <= high)


def check(config: Any, name: str = "", **limits: Limit) -> None:
    """Refuse values that a dataclass's fields cannot have; for its `__post_init__`.

    Every float must be finite, and every `Literal` one of its values, whether named here or not.
    A limit holds for each item of a tuple. A field that may be None may be None.

    Args:
        config: the dataclass.
        name: what the command line calls it, such as "optimiser".
        limits: of numbers, by field.

    Raises:
        ConfigError: names the field, its value and what is allowed.
    """
    for field, hint in _hints(type(config)).items():
        value = getattr(config, field)
        optional, choices = _fits(None, hint), _choices(hint)
        if value is None and optional:
            continue
        rule = None
        numbers = [item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, int | float)]
        if choices and value not in choices:
            rule = f"must be one of {', '.join(map(str, choices))}"
        elif not all(is_finite(number) for number in numbers):
            rule = "must be a finite number"
        elif field in limits and not all(limits[field].allows(number) for number in numbers):
            rule = limits[field].rule
        if rule:
            dotted = f"{name}.{field}" if name else field
            raise ConfigError(f"{dotted} {rule}{', or none' if optional else ''}, got {value}")


def to_dict(config: Any) -> dict[str, Any]:
    """Turn nested dataclasses into what JSON can hold (tuples become lists)."""
    return {
        field.name: to_dict(value)
        if dataclasses.is_dataclass(value)
        else list(value)
        if isinstance(value, tuple)
        else value
        for field in dataclasses.fields(config)
        for value in [getattr(config, field.name)]
    }


def from_dict(kind: type[T], values: Any, *, where: str, prefix: str = "") -> T:
    """Build a dataclass from what JSON held; fields that are absent take their defaults.

    Raises:
        ConfigError: for a field that does not exist or has a value of another type; `where` names
            the file.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {prefix.rstrip('.') or 'the file'} must be an object of fields")
    fields = _hints(kind)
    arguments = {}
    for name, value in values.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise ConfigError(f"{where}: no such field: {prefix}{name}{hint}")
        if dataclasses.is_dataclass(fields[name]):
            value = from_dict(typing.cast(type, fields[name]), value, where=where, prefix=f"{prefix}{name}.")
        elif isinstance(value, list):
            value = tuple(value)
        if not _fits(value, fields[name]):
            raise ConfigError(f"{where}: {prefix}{name} cannot be {value!r}")
        arguments[name] = value
    return kind(**arguments)


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; whatever is wrong with it is a ValueError, also that it is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_settings(path: Path, settings: Any) -> None:
    """Write a dataclass as one of a model folder's JSON files.

    Raises:
        AsrError: if it cannot be written.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(to_dict(settings), indent=2) + "\n", encoding="utf-8")


def read_settings(kind: type[T], path: Path, *, remedy: str) -> T:
    """Read what `write_settings` wrote.

    Raises:
        ModelError: if it is missing or damaged, or holds something else; ends in the remedy.
    """
    try:
        return from_dict(kind, parse_json(path.read_text(encoding="utf-8")), where=str(path))
    except (OSError, ValueError, ConfigError) as error:
        raise ModelError(f"{path}: cannot be used ({error}); {remedy}") from None


def read_settings_or(default: T, path: Path, *, remedy: str) -> T:
    """Read what `write_settings` wrote; where there is no file it is the default.

    Raises:
        ModelError: as `read_settings`.
    """
    return read_settings(type(default), path, remedy=remedy) if path.exists() else default


LIE = 4
"""Settings may ask for so many weights a byte; what is a mere mistake is found with the weights."""


def require_weights(path: Path, least: int) -> None:
    """Refuse a file of weights that is much smaller than the settings beside it ask for.

    So settings that lie cost no memory.

    Args:
        path: the file.
        least: how many weights there must be.

    Raises:
        ValueError: if there cannot be as many.
    """
    if least > LIE * path.stat().st_size:
        raise ValueError("it is too small for what config.json says of it")


def differences(before: Any, after: Any) -> list[str]:
    """Name the fields in which two configs of one kind differ, with both values."""
    found = []
    for field in dataclasses.fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if dataclasses.is_dataclass(old):
            found += [f"{field.name}.{line}" for line in differences(old, new)]
        elif old != new:
            found.append(f"{field.name} was {old}, is {new}")
    return found


def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _choices(hint: Any) -> tuple[Any, ...]:
    """The values of a `Literal`."""
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def is_finite(number: float) -> bool:
    """Whether a float can hold a number; some integers of JSON are too large."""
    return abs(number) <= sys.float_info.max


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, arguments[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
