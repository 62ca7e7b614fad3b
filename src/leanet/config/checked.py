"""Fill dataclasses from a configuration, and check each value by the rule of its field."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from leanet.config.path_options import expanded
from leanet.config.rules import PATH, REST, WEIGHTS, Rule
from leanet.errors import LeanetError


def read_settings(schema: type, config: Mapping[str, Any], prefix: str = "") -> Any:
    """Create an instance of a dataclass from a configuration.

    Args:
        schema: a dataclass whose fields are dataclasses or `Annotated[type, rule]`.
        config: values by name.
        prefix: of names in messages.

    Raises:
        LeanetError: a value that does not fit, a missing one, or a name that is not a field.
    """
    hints = _hints(schema)
    rest = {name: value for name, value in config.items() if name not in hints}
    given = {entry.name: config.get(entry.name, entry.default) for entry in fields(schema)}
    for name, hint in hints.items():
        if REST in get_args(hint):
            given[name], rest = rest or None, {}
    if rest:
        raise LeanetError(f"{prefix}{min(rest)} is no setting; see --help for those there are")
    return schema(**{name: _value(prefix + name, hint, given[name]) for name, hint in hints.items()})


def rule_of(schema: type, key: str) -> Rule | None:
    """The rule of a setting.

    Args:
        schema: a dataclass, as for `read_settings`.
        key: the dotted name of the setting.

    Returns:
        None if the schema has no such field, as for the arguments of a network.
    """
    hint: Any = schema
    for name in key.split("."):
        hint = _hints(hint).get(name) if is_dataclass(hint) else None  # type: ignore[arg-type]  # a class
    return next((part for part in get_args(hint) if isinstance(part, Rule)), None)


@cache
def _hints(schema: type) -> dict[str, Any]:
    return get_type_hints(schema, include_extras=True)


def _value(path: str, hint: Any, value: Any) -> Any:
    """`value`, checked by the field's type: a dataclass, or Annotated[type, rule]."""
    if value is MISSING:
        raise LeanetError(f"{path} is missing from the configuration")
    if is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]  # a class, not an instance
            return value  # a default
        if not isinstance(value, Mapping):
            raise LeanetError(f"{path}={value}: no such choice; see --help for those there are")
        return read_settings(hint, value, path + ".")  # type: ignore[arg-type]  # a class, not an instance
    kind, expected = get_args(hint)
    if not (value is None and types.NoneType in get_args(kind)):
        check(path, value, expected)
    if expected in (PATH, WEIGHTS) and value is not None:
        return expanded(path, value)
    if kind in (float, float | None):
        return None if value is None else float(value)
    return [float(number) for number in value] if kind == list[float] else value


def check(path: str, value: Any, expected: Rule) -> None:
    """Raise LeanetError, which names `path`, unless the value satisfies the rule."""
    if not expected.holds(value):
        raise LeanetError(f"{path}={'' if value is None else value}: must be {expected.words}")
