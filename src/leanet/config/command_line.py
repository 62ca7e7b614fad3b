"""Shared by all commands: the configuration by Hydra, help, tab completion, and error messages of one line."""

import functools
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leanet.config.conf_files import CONF, conf_files, plain_values
from leanet.config.flags import Flags, flags_first, read_flags
from leanet.config.messages import USER_ERRORS, in_one_line, no_extra, wrong_choice
from leanet.config.path_options import as_texts, expand_variables
from leanet.config.settings import Settings
from leanet.config.suggestions import Suggestions
from leanet.errors import LeanetError, readable_memory_errors
from leanet.version import __version__

Task = Callable[[dict[str, Any]], object]


def run_command(task: Task, config_name: str, schema: type = Settings) -> None:
    """Compose the configuration from the command line, and call `task` with it; or print help, version or completions.

    Errors are shown in one line; with HYDRA_FULL_ERROR=1 in the environment, with a traceback.

    Args:
        task: receives the resolved configuration.
        config_name: of the file conf/NAME.yaml.
        schema: dataclass of the settings.
    """
    if "--version" in sys.argv[1:]:
        return print(f"leanet {__version__}")
    with_traceback = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise its errors, so that they can be shown here
    _print_any_text()
    try:
        _find_modules_here()
        expand_variables()
        sys.argv[1:] = flags_first(as_texts(sys.argv[1:]))
        flags = read_flags(sys.argv[1:])
        answer = _answer(flags, config_name, schema)
        if answer is not None:
            return print(answer)
        _main(_job(task, with_traceback), config_name)
    except BrokenPipeError:
        _end_unread()
    except USER_ERRORS as error:
        if with_traceback:
            raise
        sys.exit(f"leanet: {in_one_line(error, lambda: Suggestions(config_name, flags.overrides, flags.config_dir))}")
    except KeyboardInterrupt:
        print("leanet: stopped; the same command resumes from here", file=sys.stderr)
        sys.exit(130)


def _answer(flags: Flags, config_name: str, schema: type) -> str | None:
    """What to print for a flag that asks for nothing else; None without such a flag."""
    # Here, since most commands need neither.
    if flags.help:
        from leanet.config.help import help_text

        return help_text(config_name, flags, schema)
    if flags.shell_completion:
        from leanet.config.completion import complete

        return complete(flags.overrides, config_name, schema)
    return None


def _find_modules_here() -> None:
    """Let `leanet train` and `leanet-train` find modules in the current folder, as `python -m leanet.train` does.

    They are found last, so that no file there hides a module that leanet needs.
    """
    here = str(Path.cwd())
    if here not in sys.path and not sys.flags.safe_path:
        sys.path.append(here)


def _print_any_text() -> None:
    """Escape what a terminal cannot show: characters outside its encoding, and file names that are not Unicode.

    Lines are written at once, also into a pipe or a file.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


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
        with conf_files(config_name) as conf:
            return plain_values(conf.composed(as_texts(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise LeanetError(in_one_line(error, lambda: Suggestions(config_name, overrides))) from error
    except ValueError as error:  # a group's choice that is no text
        raise LeanetError(wrong_choice(list(overrides))) from error


def _main(job: Callable[[DictConfig], object], config_name: str) -> None:
    """Call Hydra's main; raise LeanetError for group=4 or group=true, and for a launcher that is not installed."""
    # conf/hydra/launcher/ray.yaml replaces the plugin's file of the same name, about which Hydra warns.
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/ray' is validated against")
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(job)()
    except ValueError as error:
        if not str(error).startswith("Config group override must be a string"):
            raise
        raise LeanetError(wrong_choice(sys.argv[1:])) from error
    except RuntimeError as error:
        if "hydra_plugins.hydra_ray_launcher" not in str(error):
            raise
        raise LeanetError(no_extra("ray")) from error


def _job(task: Task, with_traceback: bool) -> Callable[[DictConfig], object]:
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
            sys.exit(f"leanet: {in_one_line(error)}")

    return job


def _check_mode(hydra: Any) -> None:
    """Raise LeanetError for an experiment that is a grid or a search but was started without -m."""
    for part, what in {"products": "grid", "params": "search"}.items():
        if hydra.mode == RunMode.RUN and hydra.sweeper.get(part):
            experiment = hydra.runtime.choices.get("experiment")
            raise LeanetError(f"experiment={experiment} is a {what} of several cells: give -m as well")


def _end_unread() -> NoReturn:
    """Exit silently, since the reader of the output has closed the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
