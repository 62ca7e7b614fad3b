"""Paths on the command line: they are used as typed, although Hydra gives some characters a meaning."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from leanet.errors import LeanetError

NAMES = frozenset(
    {
        *("dataset.root", "dataset.negative", "dataset.positive", "dataset.folds_file", "map.root"),
        *("dataset.file", "dataset.groups", "dataset.kinds"),
        *("paths.data", "paths.runs", "source", "labels", "out", "run"),
    }
)
TEXTS = NAMES | {"dataset.name"}
VARIABLES = ("LEANET_DATA", "LEANET_RUNS")
_SWEEPS = ("-m", "--multirun")
_FUNCTION = re.compile(r"(choice|shuffle|sort|glob)\(.*\)")  # Hydra's functions for sweeps


def as_texts(arguments: Sequence[str], names: frozenset[str] = TEXTS) -> list[str]:
    """Quote the paths in a command's arguments for Hydra, and replace ~ by the home folder.

    Without quotes, Hydra would parse hashes of twelve digits as numbers, and reject =, [, ] and many other characters.
    In a sweep (-m), commas separate paths; users quote a path that contains one: "dataset.root='a,b',c".

    Args:
        arguments: as they are typed.
        names: the settings whose values are quoted.

    Raises:
        LeanetError: a path begins with ~ and the name of a user that does not exist.
    """
    split = _parts if set(_SWEEPS).intersection(arguments) else lambda value: [value]
    return [_as_text(argument, names, split(argument.partition("=")[2])) for argument in arguments]


def list_as_texts(argument: str, names: frozenset[str]) -> str:
    """Quote each name of a list for Hydra, as in datasets=[a (root=b),c]."""
    name, _, value = argument.partition("=")
    if name not in names or not re.fullmatch(r"\[.*\]", value):
        return argument
    return f"{name}=[{','.join(_quoted('', part.strip()) for part in _parts(value[1:-1]))}]"


def expand_variables() -> None:
    """Replace ~ in LEANET_DATA and LEANET_RUNS by the home folder."""
    for name in VARIABLES:
        if name in os.environ:
            os.environ[name] = expanded(name, os.environ[name])


def expanded(name: str, path: str) -> str:
    """Replace ~ or ~user at the beginning of a path by the home folder; LeanetError if there is no such user.

    Args:
        name: of the setting, for the message.
        path: the path.
    """
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        user = Path(path).parts[0]
        raise LeanetError(f"{name}={path}: {user} has no home folder here; a folder of that name is ./{user}") from None


def name_of(root: str | None) -> str:
    """The name of a dataset from the last part of its root, with _ for characters that folder names should not have."""
    name = Path(root).expanduser().resolve().name if root else ""
    return re.sub(r"[^\w.+-]+", "_", name).lstrip(".")[:50] or "folder"


def _as_text(argument: str, names: frozenset[str], parts: Sequence[str]) -> str:
    name, equals, value = argument.partition("=")
    if not equals or name.lstrip("+") not in names or (len(parts) != 1 and _FUNCTION.fullmatch(value)):
        return argument
    return f"{name}={','.join(_quoted(name, part) for part in parts)}"


def _parts(value: str) -> list[str]:
    """Split at commas outside of quotes."""
    return re.findall(r"""(?:^|(?<=,))(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]*)(?=,|$)""", value)


def _quoted(name: str, value: str) -> str:
    if not value or value[0] in "'\"" or value == "null" or _FUNCTION.fullmatch(value):
        return value
    # Hydra unescapes backslashes only before a quote; OmegaConf interpolates ${…} unless a backslash precedes it.
    path = expanded(name, value) if name.lstrip("+") in NAMES else value
    text = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + (found[2] and "\\'"), path)
    return f"'{text}'".replace("${", "\\${")
