"""The best settings of a search as a configuration that `experiment=best` reads, and the command that tests them."""

import shlex
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, open_dict

from leanet.config.conf_files import plain_values
from leanet.config.differences import differences, flat
from leanet.grid.products import Words
from leanet.search.outcome import Judged
from leanet.storage.files import write_text

BEST = "best"
_LEFT_OUT = ("fold", "validation")  # the chosen settings are tested on all folds, trained with all other images


def write_best(folder: Path, loader: ConfigLoader, config: DictConfig, words: Words, best: Judged) -> None:
    """Write `folder`/experiment/best.yaml: all that differs from the defaults of leanet.train.

    Args:
        folder: of the search.
        loader: Hydra's.
        config: of the sweep, as its sweeper receives it.
        words: all overrides of the best trial.
        best: the best trial.
    """
    found, default = loader.load_sweep_config(config, list(words)), _without_search(config)
    paths = list(_paths(words))
    chosen = dict(sorted(_choices(found).items() - _choices(loader.load_sweep_config(default, paths)).items()))
    plain = loader.load_sweep_config(default, [*paths, *(f"{group}={choice}" for group, choice in chosen.items())])
    facts, before = flat(plain_values(found)), flat(plain_values(plain))
    values = OmegaConf.create()
    for name in differences([facts, before]):
        if name not in _LEFT_OUT:
            OmegaConf.update(values, name, facts.get(name))
    header = f"# @package _global_\n# Trial {best.number} of {folder.name}: validation score {best.score:.4f}.\n"
    overrides = "".join(f"  - override /{group}: {choice}\n" for group, choice in chosen.items())
    rest = OmegaConf.to_yaml(values) if values else ""
    write_text(folder / "experiment" / f"{BEST}.yaml", header + (f"defaults:\n{overrides}" if chosen else "") + rest)


def command_of(folder: Path, fixed: Words) -> str:
    """The command that tests the best settings on the test folds.

    Args:
        folder: of the search.
        fixed: the overrides that are the same in all trials.
    """
    given = ["--config-dir", str(folder), f"experiment={BEST}", *_paths(fixed)]
    return shlex.join(["python", "-m", "leanet.train", *given])


def _paths(words: Words) -> Words:
    """The overrides of folders, which are of this machine."""
    return tuple(word for word in words if word.startswith("paths."))


def _without_search(config: DictConfig) -> DictConfig:
    """The configuration without overrides of Hydra's own values, which exist in the search's sweeper alone."""
    copy = config.copy()
    with open_dict(copy):
        given = copy.hydra.overrides.hydra
        copy.hydra.overrides.hydra = [word for word in given if word.startswith("hydra.searchpath=")]
    return copy


def _choices(config: DictConfig) -> dict[str, Any]:
    """The choice of each of leanet's own groups."""
    chosen = config.hydra.runtime.choices
    return {str(group): chosen[group] for group in chosen if "/" not in group and group != "experiment"}
