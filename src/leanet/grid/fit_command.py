"""The command that trains the model of a grid's cell on all images."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from leanet.config.effective import settings_of
from leanet.config.path_options import TEXTS, as_texts
from leanet.grid.plan import Job
from leanet.grid.products import Words


def fit_command(job: Job, configuration: Callable[[Words], dict[str, Any]]) -> str:
    """The command `python -m leanet.fit` with the overrides of a job, quoted for the shell.

    The experiment is left out if it sets no values that change the settings.

    Args:
        job: a run of the cell.
        configuration: returns the resolved configuration of overrides.
    """
    words = tuple(word for word in job.words if _key(word) != "fold")
    short = tuple(word for word in words if _key(word) != "experiment")
    is_same = settings_of(configuration(short)) == replace(job.run.settings, fold=None)
    return shlex.join(["python", "-m", "leanet.fit", *map(_typed, short if is_same else words)])


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
