"""Paths on the command line: any path is taken as it is typed, whatever Hydra would make of its characters."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from leanet.errors import LeanetError

NAMES = frozenset(
    {
        *("dataset.root", "dataset.negative", "dataset.positive", "dataset.folds_file", "map.root"),
        *("paths.data", "paths.runs", "source", "labels", "out", "run"),
    }
)
TEXTS = NAMES | {"dataset.name"}
VARIABLES = ("LEANET_DATA", "LEANET_RUNS")
_SWEEPS = ("-m", "--multirun")
_FUNCTION = re.compile(r"(choice|shuffle|sort|glob)\(.*\)")  # of Hydra's, in sweeps


def as_texts(arguments: Sequence[str], names: frozenset[str] = TEXTS) -> list[str]:
    """The arguments of a command with the values of `names` quoted for Hydra, and with ~ replaced by the home folder.

    Without quotes, Hydra would take hashes of twelve digits for numbers and refuse =, [, ] and many other characters.
    In a sweep (-m) a comma separates paths; a path that has one is quoted by the user: "dataset.root='a,b',c".

    Raises:
        LeanetError: a path begins with ~ and the name of a user that does not exist.
    """
    split = _parts if set(_SWEEPS).intersection(arguments) else lambda value: [value]
    return [_as_text(argument, names, split(argument.partition("=")[2])) for argument in arguments]


def list_as_texts(argument: str, names: frozenset[str]) -> str:
    """A list of names, as in datasets=[a (root=b),c], with each quoted for Hydra."""
    name, _, value = argument.partition("=")
    if name not in names or not re.fullmatch(r"\[.*\]", value):
        return argument
    return f"{name}=[{','.join(_quoted('', part.strip()) for part in _parts(value[1:-1]))}]"


def expand_variables() -> None:
    """Replace ~ in the environment variables that hold paths, for Hydra's folders as for ours."""
    for name in VARIABLES:
        if name in os.environ:
            os.environ[name] = expanded(name, os.environ[name])


def expanded(name: str, path: str) -> str:
    """`path` with ~ or ~user in front replaced by the home folder; LeanetError, naming the option, if there is none."""
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        user = Path(path).parts[0]
        raise LeanetError(f"{name}={path}: {user} has no home folder here; a folder of that name is ./{user}") from None


def name_of(root: str | None) -> str:
    """The last part of a dataset's root, with _ for whatever would be trouble in the name of a folder."""
    name = Path(root).expanduser().resolve().name if root else ""
    return re.sub(r"[^\w.+-]+", "_", name).lstrip(".")[:50] or "folder"


def _as_text(argument: str, names: frozenset[str], parts: Sequence[str]) -> str:
    name, equals, value = argument.partition("=")
    if not equals or name.lstrip("+") not in names or (len(parts) != 1 and _FUNCTION.fullmatch(value)):
        return argument
    return f"{name}={','.join(_quoted(name, part) for part in parts)}"


def _parts(value: str) -> list[str]:
    """The values that commas separate, except where a value is in quotes."""
    return re.findall(r"""(?:^|(?<=,))(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]*)(?=,|$)""", value)


def _quoted(name: str, value: str) -> str:
    if not value or value[0] in "'\"" or value == "null" or _FUNCTION.fullmatch(value):
        return value
    # Hydra takes backslashes for themselves but before a quote, and OmegaConf ${…} unless it has one.
    path = expanded(name, value) if name.lstrip("+") in NAMES else value
    text = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + (found[2] and "\\'"), path)
    return f"'{text}'".replace("${", "\\${")
