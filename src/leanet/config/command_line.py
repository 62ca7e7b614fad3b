"""Shared by all commands: the configuration by Hydra, and error messages of one line."""

import difflib
import functools
import io
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leanet.config.path_options import as_texts, expand_variables
from leanet.config.settings import Settings
from leanet.errors import LeanetError, readable_memory_errors

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF = _PACKAGED if _PACKAGED.exists() else Path(__file__).parents[3] / "conf"

_COMPOSING = threading.Lock()  # Hydra keeps the folder of configurations in a global

Task = Callable[[dict[str, Any]], object]

USER_ERRORS = (
    LeanetError,
    HydraException,
    OmegaConfBaseException,
    OSError,
)  # shown in one line; others are bugs


def run_command(task: Task, config_name: str, schema: type = Settings) -> None:
    """Compose the configuration from the command line, and call `task` with it.

    Errors are shown in one line; with HYDRA_FULL_ERROR=1 in the environment, with a traceback.

    Args:
        task: receives the resolved configuration.
        config_name: of the file conf/NAME.yaml.
        schema: dataclass of the settings, whose names are suggested for a misspelt one.
    """
    with_traceback = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise its errors, so that they can be shown here
    _print_any_text()
    try:
        expand_variables()
        sys.argv[1:] = as_texts(sys.argv[1:])
        _main(_job(task, with_traceback, schema), config_name)
    except BrokenPipeError:
        _end_unread()
    except USER_ERRORS as error:
        if with_traceback:
            raise
        sys.exit(f"leanet: {in_one_line(error, schema)}")
    except KeyboardInterrupt:
        print("leanet: stopped; the same command resumes from here", file=sys.stderr)
        sys.exit(130)


def _print_any_text() -> None:
    """Escape what a terminal cannot show: characters outside its encoding, and file names that are not Unicode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def composed(config_name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Compose a configuration as the command line does.

    Args:
        config_name: of the file conf/NAME.yaml.
        overrides: as they are typed, such as `adn=vgg16`.

    Returns:
        the resolved configuration.

    Raises:
        LeanetError: a setting or a choice that does not exist.
    """
    try:
        with _COMPOSING, initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            container: Any = OmegaConf.to_container(compose(config_name, as_texts(overrides)), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise LeanetError(in_one_line(error)) from error
    except ValueError as error:  # a group's choice that is no text
        raise LeanetError(_wrong_choice(list(overrides))) from error
    config: dict[str, Any] = container
    return config


def _main(job: Callable[[DictConfig], object], config_name: str) -> None:
    """Call Hydra's main; raise LeanetError for group=4 or group=true, and for a launcher that is not installed."""
    # conf/hydra/launcher/ray.yaml replaces the plugin's file of the same name, about which Hydra warns.
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/ray' is validated against")
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(job)()
    except ValueError as error:
        if not str(error).startswith("Config group override must be a string"):
            raise
        raise LeanetError(_wrong_choice(sys.argv[1:])) from error
    except RuntimeError as error:
        if "hydra_plugins.hydra_ray_launcher" not in str(error):
            raise
        raise LeanetError(_no_extra("ray")) from error


def _wrong_choice(arguments: list[str]) -> str:
    """The message for the first `group=choice` whose choice does not exist."""
    for argument in arguments:
        group, _, choice = argument.lstrip("+").partition("=")
        choices = sorted(file.stem for file in (CONF / group).glob("*.yaml"))
        if group and choices and choice not in choices:
            return _no_choice(group, choice, choices)
    return "a group's choice must be one of its names; see --help for them"


def _no_extra(name: str) -> str:
    return f"hydra/launcher={name} is not installed here; pip install 'leanet[{name}]' does so"


def _no_choice(group: str, choice: str, choices: list[str]) -> str:
    return f"{group}={choice}: there is no such choice; choose from {', '.join(choices)}"


def _job(task: Task, with_traceback: bool, schema: type) -> Callable[[DictConfig], object]:
    @functools.wraps(task)
    def job(config: DictConfig) -> object:
        try:
            _check_mode(HydraConfig.get())
            with readable_memory_errors():
                return task(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
        except BrokenPipeError:
            _end_unread()
        except USER_ERRORS as error:
            # Hydra would add a line to the error of a single run; in a sweep, SystemExit would end the other jobs.
            if with_traceback or HydraConfig.get().mode != RunMode.RUN:
                raise
            sys.exit(f"leanet: {in_one_line(error, schema)}")

    return job


def _check_mode(hydra: Any) -> None:
    """Raise LeanetError for an experiment that is a grid but was started without -m."""
    if hydra.mode == RunMode.RUN and hydra.sweeper.get("products"):
        experiment = hydra.runtime.choices.get("experiment")
        raise LeanetError(f"experiment={experiment} is a grid of several cells: give -m as well")


def _end_unread() -> NoReturn:
    """Exit silently, since the reader of the output has closed the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def in_one_line(error: Exception, schema: type = Settings) -> str:
    """The message of an error in one line, with advice; also for errors of Hydra, OmegaConf and the system.

    Args:
        error: the error.
        schema: dataclass of the settings, whose names are suggested for a misspelt one.
    """
    if isinstance(error, LeanetError):
        return str(error)
    if isinstance(error.__cause__, LeanetError):  # wrapped by Hydra's instantiate
        return str(error.__cause__)
    text = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        if choice.startswith("submitit_"):
            return _no_extra("slurm")
        return _no_choice(group, choice, list(error.options or []))
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown:
        return f"{unknown[1]} is no setting{_similar(unknown[1], schema)}; see --help for those there are"
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; fix this, then the same command resumes from the last checkpoint"
    return re.sub(r"\s*\n\s*", "; ", re.sub(r":\s*\n\s*", ": ", text.strip()))


def _similar(name: str, schema: type) -> str:
    names = _setting_names(schema)
    if name in names:
        return f" of the chosen {name.partition('.')[0]}"
    close = difflib.get_close_matches(name, names, n=1)
    return f", did you mean {close[0]}?" if close else ""


def _setting_names(schema: type) -> list[str]:
    names = ["dataset.root", "dataset.image_size", "dataset.folds_file"]
    for entry in fields(schema):
        names.append(entry.name)
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            names += [f"{entry.name}.{part.name}" for part in fields(entry.type)]
    return names
