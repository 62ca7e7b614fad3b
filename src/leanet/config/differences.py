"""Settings by dotted names, and the names in which several sets of settings differ."""

from collections.abc import Iterable, Mapping
from typing import Any

Facts = dict[str, Any]  # settings by their names: {"trainer.max_epochs": 100}


def flat(node: Mapping[str, Any], prefix: str = "") -> Facts:
    """Flatten a tree of settings to one level of dotted names."""
    found: Facts = {}
    for name, value in node.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def differences(all_facts: Iterable[Facts]) -> list[str]:
    """The names whose values are not the same in all sets of settings."""
    every = list(all_facts)
    names = dict.fromkeys(name for facts in every for name in facts)
    return [name for name in names if any(facts.get(name) != every[0].get(name) for facts in every)]


def short(name: str) -> str:
    """A short name of a setting for people: `epochs` for `trainer.max_epochs`."""
    return name.rpartition(".")[2].removeprefix("max_")
