"""The command that trains the model of a grid's cell on all images."""

import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from leanet.config.differences import differences, flat
from leanet.config.effective import settings_of
from leanet.config.options import as_typed
from leanet.config.path_options import TEXTS, as_texts
from leanet.errors import LeanetError
from leanet.grid.plan import Job
from leanet.grid.products import Words


def fit_command(job: Job, configuration: Callable[[Words], dict[str, Any]]) -> str:
    """The command `python -m leanet.fit` with the overrides of a job, quoted for the shell.

    An experiment that is a grid cannot be fitted, so the values that it sets are given in its place.

    Args:
        job: a run of the cell.
        configuration: returns the resolved configuration of overrides.
    """
    words = tuple(word for word in job.words if _key(word) != "fold")
    short = tuple(word for word in words if _key(word) != "experiment")
    wanted, config = replace(job.run.settings, fold=None), configuration(short)
    if settings_of(config) == wanted:
        return _command(short)
    with_values = (*_changes(config, configuration(words)), *short)
    with suppress(HydraException, LeanetError):  # of another choice, whose settings cannot be set one by one
        if settings_of(configuration(with_values)) == wanted:
            return _command(with_values)
    return _command(words)


def _command(words: Words) -> str:
    return shlex.join(["python", "-m", "leanet.fit", *map(_typed, words)])


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The overrides that make of one configuration another one with the same settings."""
    facts = flat(after)
    return [f"{name}={as_typed(facts.get(name))}" for name in differences([facts, flat(before)])]


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _typed(word: str) -> str:
    """An override as people type it, without Hydra's quotes around a path if `as_texts` adds them again."""
    if _key(word) not in TEXTS:
        return word
    parser = OverridesParser.create()
    value = parser.parse_override(word).value()
    plain = f"{word.partition('=')[0]}={value}"
    try:
        is_same = parser.parse_override(*as_texts([plain])).value() == value
    except HydraException:
        is_same = False
    return plain if is_same else word
