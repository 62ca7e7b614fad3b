"""Suggestions for a mistyped setting: the settings that were probably meant."""

import difflib
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from leanet.config.conf_files import ConfFiles, conf_files
from leanet.config.options import chosen_of, leaves_of
from leanet.config.rules import either

_MOST = 3  # suggestions
_CLOSE = 0.65  # of difflib: num_epochs is close to max_epochs, and point is not to positive
_SHORTEST = 3  # letters of a part of a name that says which one is meant


class Suggestions:
    """What a command has: its groups, the settings of the present choices, and those of other choices.

    Args:
        name: of the command's file in conf/.
        arguments: of the command line; those that choose from a group count.
        added: a further folder of configurations.
    """

    def __init__(self, name: str, arguments: Sequence[str] = (), added: str | None = None) -> None:
        with conf_files(name, added) as conf:
            try:
                config = conf.composed([word for word in arguments if _is_choice(conf, word)])
            except (HydraException, OmegaConfBaseException):  # choices that do not go together
                config = conf.composed([])
            self.groups = {group: conf.choices(group) for group in (*chosen_of(conf, config), "hydra/sweeper")}
            self.settings = [*self.groups, *leaves_of(conf, config)]
            self.others = _of_others(conf, self.groups)

    def advice(self, name: str) -> str:
        """What to say about a setting that does not exist, in one line."""
        if name in self.others and name not in self.settings:
            group = name.rpartition(".")[0].replace(".", "/")
            return f"{name} is no setting of the chosen {group}; it is one of {group}={self._having(name)}"
        found = self._meant(name)
        if not found:
            return f"{name} is no setting; see --help for those there are"
        return f"{name} is no setting, did you mean {either(found)}? --help lists all"

    def _meant(self, name: str) -> list[str]:
        """Settings of the present choices, or else of others, which are named."""
        for ways in ([str.__eq__], [_contains, _has_initials]):
            if found := similar(name, self.settings, ways):
                return found
            if found := similar(name, list(self.others), ways):
                return [f"{key} (with {key.rpartition('.')[0]}={self._having(key)})" for key in found]
        return misspelt(name, self.settings)

    def _having(self, key: str) -> str:
        """The choices that have a setting."""
        having = self.others[key]
        return either(having) if len(having) <= _MOST else f"{having[0]} and others"

    def of_word(self, word: str) -> str:
        """What to say about a word without an equals sign."""
        found = [f"{group}={word}" for group, choices in self.groups.items() if word in choices]
        found = found or [f"{key}=…" for key in similar(word, self.settings, [str.__eq__])]
        return f"{word}: write name=value{f', as in {either(found)}' if found else ''}; --help lists all settings"


def similar(name: str, known: Sequence[str], ways: Sequence[Callable[[str, str], bool]]) -> list[str]:
    """The settings whose last part is like that of a name; up to three, those of the name's group first.

    Args:
        name: as it was typed, with a group or without.
        known: dotted names.
        ways: in which two last parts may be alike; the first one that finds any counts.
    """
    group, _, last = name.lower().replace("-", "_").rpartition(".")
    inside = [key for key in known if group and key.startswith(f"{group}.")]
    for is_alike, keys in itertools.product(ways, (inside, known)):
        found = [key for key in keys if is_alike(last, key.rpartition(".")[2])]
        if found:  # the detector's before those of the colorizer, which are changed less often
            return sorted(found, key=lambda key: key.startswith("colorizer."))[:_MOST]
    return []


def misspelt(name: str, known: Sequence[str]) -> list[str]:
    """The settings that differ from a name in few letters: in the last part if the group exists, or else as a whole."""
    group, _, last = name.rpartition(".")
    inside = [key for key in known if group and key.startswith(f"{group}.")]
    if not inside and (close := difflib.get_close_matches(name, known, n=1)):
        return close
    keys = inside or known
    close = difflib.get_close_matches(last, [key.rpartition(".")[2] for key in keys], n=1, cutoff=_CLOSE)
    return [key for key in keys if key.rpartition(".")[2] in close][:_MOST]


def _is_choice(conf: ConfFiles, word: str) -> bool:
    group, _, choice = word.partition("=")
    return choice in conf.choices(group)


def _contains(given: str, last: str) -> bool:
    short, long = sorted((given, last), key=len)
    return len(short) >= _SHORTEST and short in long


def _has_initials(given: str, last: str) -> bool:
    return _initials(given) == last or _initials(last) == given


def _initials(name: str) -> str:
    return "".join(part[0] for part in name.split("_") if part)


def _of_others(conf: ConfFiles, groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """The settings in the files of all choices, each with the choices that have it, the plainest first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for group, choices in groups.items():
        texts = {choice: _text(conf, f"{group}/{choice}") for choice in choices}
        for choice in sorted(texts, key=lambda choice: len(_names(texts[choice]))):
            for name in _inherited(conf, texts, group, choice):
                found[f"{group.replace('/', '.')}.{name}"].append(choice)
    return found


def _inherited(conf: ConfFiles, texts: dict[str, str], group: str, choice: str) -> set[str]:
    """The settings in a choice's file and in the files that its defaults name."""
    text = texts[choice]
    shared = re.findall(rf"^  - /(\w+)@(?:_here_|{group})$", text, re.MULTILINE)
    parents = [parent for parent in re.findall(r"^  - (\w+)$", text, re.MULTILINE) if parent in texts]
    found = _names(text).union(*(_names(_text(conf, name)) for name in shared))
    return found.union(*(_inherited(conf, texts, group, parent) for parent in parents))


def _text(conf: ConfFiles, path: str) -> str:
    file = conf.file(path)
    return file.read_text(encoding="utf-8") if file else ""


def _names(text: str) -> set[str]:
    """The settings of its group in a file, without those that do not differ from choice to choice."""
    if "@package _global_" in text:  # those of other groups
        return set()
    return set(re.findall(r"^([a-z]\w*):", text, re.MULTILINE)) - {"defaults", "name", "origin"}
