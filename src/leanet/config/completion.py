"""Tab completion in bash, zsh and fish: names of groups and settings, and the values to choose from."""

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from leanet.config.checked import rule_of
from leanet.config.commands import COMMANDS
from leanet.config.conf_files import ConfFiles, conf_files
from leanet.config.flags import FLAGS, Flags, read_flags
from leanet.config.options import as_typed, chosen_of, leaves_of
from leanet.config.path_options import as_texts
from leanet.config.rules import PATH
from leanet.errors import LeanetError

# Each shell passes the line up to the cursor and offers the words that are printed. If there are none, it offers files.
# Bash completes only what is behind the last =, which is one of its word breaks.
_BASH = r"""
_leanet() {
    local IFS=$'\n' line="${COMP_LINE:0:$COMP_POINT}"
    local typed="${line##* }"
    COMPREPLY=($(COMP_LINE="$line" "$1" -sc query=bash 2>/dev/null))
    if [[ "$COMP_WORDBREAKS" == *=* && "$typed" == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${typed%"${typed##*=}"}"}")
    fi
}
complete -o nospace -o default -F _leanet NAMES
"""
_ZSH = """
(( $+functions[compdef] )) || { autoload -U +X compinit && compinit; }
_leanet() {
    local -a offers
    offers=(${(f)"$(COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" $words[1] -sc query=zsh 2>/dev/null)"})
    if (( $#offers )); then compadd -Q -S '' -- $offers; else compset -P '*='; _files; fi
}
compdef _leanet NAMES
"""
_FISH = "complete -c NAME -a '(COMP_LINE=(commandline -cp | string collect) NAME -sc query=fish 2>/dev/null)'"


def complete(words: Sequence[str], name: str, schema: type) -> str:
    """What to print for -sc: a shell's script, or the words to offer for the line in COMP_LINE.

    Args:
        words: install=SHELL or query=SHELL.
        name: of the command's file in conf/.
        schema: dataclass of the settings.

    Raises:
        LeanetError: neither, or a shell that is not supported.
    """
    task, _, shell = " ".join(words).partition("=")
    if shell not in ("bash", "zsh", "fish") or task not in ("install", "query"):
        raise LeanetError("-sc prints the script for tab completion: give install=bash, install=zsh or install=fish")
    if task == "install":
        return _script(shell)
    return "\n".join(offers(os.environ.get("COMP_LINE", ""), name, schema))


def offers(line: str, name: str, schema: type) -> list[str]:
    """The words that may stand in place of the last one of a command line.

    Args:
        line: up to the cursor, with the name of the command.
        name: of the command's file in conf/.
        schema: dataclass of the settings.
    """
    _, *before = _split(line) or [""]
    word = before.pop() if before and not line[-1].isspace() else ""
    if word.startswith("-"):
        return [flag for flag in FLAGS if flag.startswith(word)]
    try:
        flags = read_flags(before)
        overrides = as_texts(flags.overrides)
    except LeanetError:
        return []
    with conf_files(name, flags.config_dir) as conf:
        return _Offers(conf, flags, overrides, schema).of(word)


class _Offers:
    def __init__(self, conf: ConfFiles, flags: Flags, overrides: Sequence[str], schema: type) -> None:
        self._conf = conf
        self._schema = schema
        config = conf.composed([])
        with suppress(HydraException, OmegaConfBaseException, ValueError):
            config = conf.composed(overrides, sweep=flags.multirun)
        self._config: DictConfig = config
        self._values = leaves_of(conf, config)

    def of(self, word: str) -> list[str]:
        key, equals, value = word.partition("=")
        if equals:
            head = value[: max(value.rfind(","), value.rfind("[")) + 1]  # several values, or a list
            return [f"{key}={head}{choice}" for choice in self._choices(key) if choice.startswith(value[len(head) :])]
        depth = word.count(".") + 1  # trainer. stands for all settings of the group
        names = [*chosen_of(self._conf, self._config), *self._values]
        found = [name.split(".") for name in names if name.startswith(word)]
        return sorted({".".join(parts[:depth]) + ("." if parts[depth:] else "=") for parts in found})

    def _choices(self, key: str) -> list[str]:
        if choices := self._conf.choices(key):
            return choices
        value: Any = self._values.get(key)
        rule = rule_of(self._schema, key)
        if rule is not None and rule.choices:
            return [as_typed(choice) for choice in rule.choices]
        if isinstance(value, bool):
            return ["true", "false"]
        return [] if value is None or rule == PATH else [as_typed(value)]


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an open quote
        return line.split()


def _script(shell: str) -> str:
    names = ["leanet", *(f"leanet-{command}" for command in COMMANDS)]
    if shell == "fish":
        return "\n".join(_FISH.replace("NAME", name) for name in names)
    return {"bash": _BASH, "zsh": _ZSH}[shell].strip().replace("NAMES", " ".join(names))
