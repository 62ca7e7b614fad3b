"""The command that fits a grid's cell on all images."""

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
    """`python -m leanet.fit` with the job's words, quoted for the shell.

    An experiment that only lists products is left out; one that sets values as well stays.

    Args:
        configuration: the resolved configuration of words.
    """
    words = tuple(word for word in job.words if _key(word) != "fold")
    short = tuple(word for word in words if _key(word) != "experiment")
    is_same = settings_of(configuration(short)) == replace(job.run.settings, fold=None)
    return shlex.join(["python", "-m", "leanet.fit", *map(_typed, short if is_same else words)])


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _typed(word: str) -> str:
    """A word as people type it: Hydra's quotes around a path are left out where `as_texts` puts them back."""
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
