"""The messages of errors, in one line and with advice."""

import re
from collections.abc import Callable

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from leanet.config.conf_files import CONF
from leanet.config.suggestions import Suggestions
from leanet.errors import LeanetError

USER_ERRORS = (
    LeanetError,
    HydraException,
    OmegaConfBaseException,
    OSError,
)  # shown in one line; others are bugs


def in_one_line(error: Exception, suggestions: Callable[[], Suggestions] | None = None) -> str:
    """The message of an error in one line, with advice; also for errors of Hydra, OmegaConf and the system.

    Args:
        error: the error.
        suggestions: returns what the command has, for the names of settings that are suggested for a misspelt one.
    """
    if isinstance(error, LeanetError):
        return str(error)
    if isinstance(error.__cause__, LeanetError):  # wrapped by Hydra's instantiate
        return str(error.__cause__)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return (
            no_extra("slurm")
            if choice.startswith("submitit_")
            else _no_choice(group, choice, list(error.options or []))
        )
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; fix this, then the same command resumes from the last checkpoint"
    text = re.sub(r"\s*\n\s*", "; ", re.sub(r":\s*\n\s*", ": ", str(error).strip()))
    return (suggestions and _advice(text, suggestions)) or text


def _advice(text: str, suggestions: Callable[[], Suggestions]) -> str | None:
    """What to do about one of Hydra's messages on the command line; None for others."""
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown:
        return suggestions().advice(unknown[1])
    of_sweeper = re.search(r"full_key: (hydra\.sweeper\.\w+)", text)  # a grid by name, with a sweeper that is no grid's
    if of_sweeper:
        return suggestions().advice(of_sweeper[1])
    word = re.search(r"Error parsing override '([^'=]+)'; missing EQUAL", text)
    if word:
        return suggestions().of_word(word[1])
    several = re.search(r"Ambiguous value for argument '([^'=]+)=([^']*)'", text)
    if several:
        return f"{several[1]}={several[2]}: give -m to run each of these values; a list is {several[1]}=[{several[2]}]"
    return None


def wrong_choice(arguments: list[str]) -> str:
    """The message for the first `group=choice` whose choice does not exist."""
    for argument in arguments:
        group, _, choice = argument.lstrip("+").partition("=")
        choices = sorted(file.stem for file in (CONF / group).glob("*.yaml"))
        if group and choices and choice not in choices:
            return _no_choice(group, choice, choices)
    return "a group's choice must be one of its names; see --help for them"


def no_extra(name: str, option: str | None = None) -> str:
    """The message for an extra that is not installed: by default a launcher's, or else of another `option`."""
    return f"{option or f'hydra/launcher={name}'} is not installed here; pip install 'leanet[{name}]' does so"


def _no_choice(group: str, choice: str, choices: list[str]) -> str:
    return f"{group}={choice}: there is no such choice; choose from {', '.join(choices)}"
