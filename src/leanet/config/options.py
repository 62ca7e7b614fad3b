"""The options of a command: groups with their choices, and values with their comments in conf/."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from leanet.config.checked import rule_of
from leanet.config.conf_files import OF_GRIDS, ConfFiles, plain_values
from leanet.config.differences import flat
from leanet.config.rules import Rule
from leanet.config.yaml_comments import comments_of, header_of

_OF_SWEEPS = ("hydra/sweeper", "hydra/launcher")  # groups of Hydra's that matter to users of grids
_INTERNAL = ("_target_", "origin")  # what the choice itself is, and the facts that leanet.prepare needs

_OF_HYDRA = {  # its own have no file in conf/
    "hydra/sweeper/basic": "Hydra's own: one cell after the other, until one fails",
    "hydra/launcher/basic": "One run after the other",
    "hydra/launcher/joblib": "Several runs at once on this machine",
    "hydra.launcher.n_jobs": "number of runs at once; -1: as many as the GPUs (jobs_per_gpu) or the cores allow",
}


@dataclass(frozen=True)
class Option:
    """A value that can be set.

    Args:
        key: its dotted name.
        value: as it would be typed.
        words: the comment in conf/, or else what the value must be.
        rule: None for values that are not checked by a rule, such as the arguments of a network.
    """

    key: str
    value: str
    words: str
    rule: Rule | None


@dataclass(frozen=True)
class Group:
    """A group of choices.

    Args:
        name: such as adn, or hydra/launcher.
        choice: the present one; None: nothing is chosen.
        choices: all of them, with the first sentence about each.
    """

    name: str
    choice: str | None
    choices: Mapping[str, str]


def groups_of(conf: ConfFiles, config: DictConfig) -> list[Group]:
    """The groups of a command, with their choices.

    Args:
        conf: the files.
        config: composed from them, with Hydra's part.
    """
    return [
        Group(name, choice, {each: _about(conf, f"{name}/{each}") for each in conf.choices(name)})
        for name, choice in chosen_of(conf, config).items()
    ]


def chosen_of(conf: ConfFiles, config: DictConfig) -> dict[str, str | None]:
    """The choice of each group, in the order of the configuration; of Hydra's groups, those of sweeps for grids."""
    chosen = dict(config.hydra.runtime.choices)
    names = sorted((name for name in config if name in chosen), key=_is_not_first)
    names += [name for name in chosen if "/" not in name and name not in names]
    names += _OF_SWEEPS if conf.name == OF_GRIDS else ()
    return {str(name): chosen[name] for name in names}


def options_of(conf: ConfFiles, config: DictConfig, overrides: Sequence[str], schema: type) -> list[Option]:
    """The values that can be set, in the order of the configuration.

    Args:
        conf: the files.
        config: composed from them with `overrides`.
        overrides: as Hydra parses them.
        schema: dataclass of the settings.
    """
    comments = _comments(conf, overrides)
    chosen = config.hydra.runtime.choices
    found = []
    for key, value in leaves_of(conf, config).items():
        rule = rule_of(schema, key)
        words = comments.get(key) or _OF_HYDRA.get(key) or (rule.words if rule else "")
        is_said = key.endswith(".name") and value == chosen.get(key.removesuffix(".name"))  # by the choice
        if not is_said and (words or not key.startswith("hydra.")):
            found.append(Option(key, as_typed(value), words, rule))
    return found


def leaves_of(conf: ConfFiles, config: DictConfig) -> dict[str, Any]:
    """All values by dotted key; of Hydra's own, those of sweeps for the command whose sweeps are grids."""
    found = flat(plain_values(config))
    for part in ("sweeper", "launcher") if conf.name == OF_GRIDS else ():
        node: Any = OmegaConf.to_container(config.hydra[part], resolve=True)
        found |= flat(node, f"hydra.{part}.")
    shown = [key for key in found if set(_INTERNAL).isdisjoint(key.split("."))]
    return {key: found[key] for key in sorted(shown, key=lambda key: _is_not_first(key.partition(".")[0]))}


def _is_not_first(group: object) -> bool:
    """Sorts the dataset before the networks, although Hydra composes it after them."""
    return group != "dataset"


def as_typed(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(as_typed, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}: {as_typed(part)}' for key, part in value.items())}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _about(conf: ConfFiles, path: str) -> str:
    """The first sentence of a file's header, without a full stop."""
    file = conf.file(path)
    header = header_of(file.read_text(encoding="utf-8")) if file else ""
    return re.split(r"(?<=\.) (?=\D)", header)[0].removesuffix(".") or _OF_HYDRA.get(path, "")


def _comments(conf: ConfFiles, overrides: Sequence[str]) -> dict[str, str]:
    """The comments behind the values that are merged, by dotted key. The last file that has one for a key counts."""
    found: dict[str, str] = {}
    for part in conf.parts(overrides):
        file = conf.file(part.config_path or "")
        if file is not None:
            prefix = f"{part.package}." if part.package else ""
            found |= {f"{prefix}{key}": words for key, words in comments_of(file).of.items()}
    return found
