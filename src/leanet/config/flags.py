"""The flags of a command, which are Hydra's, and the order of its arguments."""

from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from leanet.errors import LeanetError

FLAGS = ("--help", "--version", "--multirun", "--cfg", "--config-dir", "--hydra-help", "--shell-completion")


class Flags(Namespace):
    """As Hydra's parser of arguments fills it; these are those that leanet uses."""

    overrides: list[str]
    help: bool
    multirun: bool
    shell_completion: bool
    config_dir: str | None


def read_flags(arguments: Sequence[str]) -> Flags:
    """Read the arguments of a command.

    Args:
        arguments: without the command's name. Flags and overrides may be mixed.

    Raises:
        LeanetError: a flag that does not exist, or without its value.
    """

    def refuse(message: str) -> NoReturn:
        raise LeanetError(f"{message}; --help lists options and flags")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    flags, unknown = parser.parse_known_intermixed_args(list(arguments), Flags())
    if unknown:
        raise LeanetError(
            f"{unknown[0]}: no such flag; settings are written without dashes, name=value; --help lists both"
        )
    return flags


def flags_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the overrides at the end, because Hydra does not find those between flags."""
    overrides = read_flags(arguments).overrides
    flags = list(arguments)
    for override in overrides:
        flags.remove(override)
    return [*flags, *overrides]
