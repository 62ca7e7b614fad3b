"""What was set, by dotted names, and what of it tells several apart."""

from collections.abc import Iterable, Mapping
from typing import Any

Facts = dict[str, Any]  # settings by their names: {"trainer.max_epochs": 100}


def flat(node: Mapping[str, Any], prefix: str = "") -> Facts:
    """A tree of settings as one level of dotted names."""
    found: Facts = {}
    for name, value in node.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def differences(all_facts: Iterable[Facts]) -> list[str]:
    """The names of the facts that are not the same in all."""
    every = list(all_facts)
    names = dict.fromkeys(name for facts in every for name in facts)
    return [name for name in names if any(facts.get(name) != every[0].get(name) for facts in every)]


def short(name: str) -> str:
    """A setting's name without its group: epochs of trainer.max_epochs."""
    return name.rpartition(".")[2].removeprefix("max_")
