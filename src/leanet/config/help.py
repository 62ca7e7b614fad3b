"""What --help prints: groups with their choices, and all settings with their values and a few words about each."""

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence

from leanet.config.conf_files import conf_files
from leanet.config.flags import Flags
from leanet.config.options import Group, Option, as_typed, groups_of, options_of
from leanet.config.settings import Settings

_WIDEST = 120  # characters in a line; longer ones are hard to read
_MARGIN = 2
_FLAGS = {
    "-m": "settings may have several values, separated by commas: runs all combinations",
    "--cfg job": "print the settings as YAML",
    "--config-dir DIR": "more choices, from your own YAML files",
    "--version": "print the version of leanet",
    "-sc install=bash": 'print the script for tab completion, as in eval "$(leanet -sc install=bash)"; or zsh, or fish',
    "--hydra-help": "all flags, which are those of Hydra",
}


def help_text(name: str, flags: Flags, schema: type) -> str:
    """The help of a command, with the settings of the choices on the command line.

    Args:
        name: of the command's file in conf/.
        flags: the command's arguments.
        schema: dataclass of the settings.

    Raises:
        LeanetError, HydraException: overrides that do not exist.
    """
    with conf_files(name, flags.config_dir) as conf:
        config = conf.composed(flags.overrides)
        groups = [group for group in groups_of(conf, config) if group.choice or issubclass(schema, Settings)]
        options = options_of(conf, config, flags.overrides, schema)
    page = _Page(min(shutil.get_terminal_size().columns, _WIDEST))
    paragraphs = [config.hydra.help.header.strip()]
    if groups:
        paragraphs += ["Groups and their choices. --help GROUP=CHOICE shows the settings of another choice."]
        paragraphs += [page.group(group) for group in groups]
    paragraphs += ["Settings, with their present values:", *page.options(options), page.flags()]
    return "\n\n".join(paragraphs)


class _Page:
    """Lays out columns of names and words.

    Args:
        width: of the terminal.
    """

    def __init__(self, width: int) -> None:
        self._width = width

    def group(self, group: Group) -> str:
        """The choices, a line for each; only the present one is explained in more."""
        words = {
            name: about if name == group.choice else self._shortened(about) for name, about in group.choices.items()
        }
        return "\n".join([f"{group.name}={as_typed(group.choice)}", *self._columns(list(words.items()), 18)])

    def _shortened(self, words: str) -> str:
        return textwrap.shorten(words, max(self._width - 20, 20), placeholder=" …")

    def options(self, options: Sequence[Option]) -> Iterator[str]:
        """A paragraph for each group, first for the settings of no group."""
        by_group: dict[str, list[Option]] = {"": []}
        for option in options:
            by_group.setdefault(option.key.rpartition(".")[0], []).append(option)
        for members in filter(None, by_group.values()):
            yield "\n".join(line for option in members for line in self._option(option))

    def flags(self) -> str:
        return "\n".join(["Flags:", *self._columns(list(_FLAGS.items()), 18)])

    def _option(self, option: Option) -> Iterator[str]:
        yield from self._columns([(f"{option.key}={option.value}", _words_of(option))], 34)
        if option.rule and any(option.rule.choices.values()):
            choices = [(as_typed(choice), words) for choice, words in option.rule.choices.items()]
            yield from self._columns(choices, 32, 2 * _MARGIN)

    def _columns(self, rows: Sequence[tuple[str, str]], column: int, margin: int = _MARGIN) -> Iterator[str]:
        """Names at the margin and words from a column on; if a name is too long, the words are below it."""
        for name, words in rows:
            left = " " * margin + name
            indent = " " * (margin + column)
            wrapped = textwrap.wrap(words, max(self._width - len(indent), 20), break_on_hyphens=False)
            if wrapped and len(left) < len(indent) - 1:
                left, wrapped = left.ljust(len(indent)) + wrapped[0], wrapped[1:]
            yield from [left, *(indent + line for line in wrapped)]


def _words_of(option: Option) -> str:
    """The comment, with the choices in front if it does not name them all."""
    rule = option.rule
    if rule is None or any(rule.choices.values()):
        return option.words
    named = {*re.findall(r"[\w.-]+", option.words), option.value}
    return option.words if {as_typed(choice) for choice in rule.choices} <= named else f"{rule.words}; {option.words}"
