"""The command that a comparison prints, composed as a shell and Hydra would."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.config.path_options import as_texts
from leanet.grid.fit_command import fit_command
from leanet.grid.plan import Job
from leanet.grid.products import expand
from leanet.runs.run import Run

ROOTS = ["photos", "my photos/2025 [a]=b", "it's", "a,b", "null", "123456789012", "$HOME/x;rm"]


def composed(words: list[str], name: str = "train", hydra: bool = False) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, overrides=words, return_hydra_config=hydra)


def configuration(words: tuple[str, ...], name: str = "train") -> dict[str, Any]:
    container: Any = OmegaConf.to_container(composed(list(words), name), resolve=True)
    return {key: value for key, value in container.items() if key != "crossvalidate"}


def jobs(experiment: str, *typed: str) -> Iterator[Job]:
    """The jobs of fold 2 of an experiment and of words as Hydra gets them."""
    given = [f"experiment={experiment}", *typed]
    sweeper = composed(given, hydra=True).hydra.sweeper
    products = [{**sweeper.everywhere, **product} for product in sweeper.products or [{}]]
    cells = [tuple(word for word in words if not word.startswith("fold=")) for words in expand(products, given)]
    for words in cells:
        yield Job((*words, "fold=2"), Run(settings_of(configuration((*words, "fold=2"))), "0" * 64, 2), 9, 6)


def cell(command: str) -> str:
    """The cell of a command as it is typed into a shell."""
    python, flag, module, *words = shlex.split(command)
    assert (python, flag, module) == ("python", "-m", "leanet.fit")
    return Run(settings_of(configuration(tuple(as_texts(words)), "fit")), "0" * 64, 0).cell


@pytest.mark.parametrize("root", ROOTS)
def test_a_folder_of_any_name_gives_the_same_cell(root: str) -> None:
    typed = as_texts(["dataset=folder", f"dataset.root={root}", "dataset.image_size=64"])
    job = next(jobs("compare", *typed))
    command = fit_command(job, configuration)
    assert cell(command) == job.run.cell
    given = dict(word.split("=", 1) for word in as_texts(shlex.split(command)[3:]))
    assert given["dataset.root"] == typed[1].partition("=")[2]


def test_a_plain_name_is_printed_plainly() -> None:
    typed = as_texts(["dataset=folder", "dataset.root=photos"])
    command = fit_command(next(jobs("compare", *typed)), configuration)
    assert command == "python -m leanet.fit dataset=folder dataset.root=photos adn=lab_statistics"


def test_every_model_of_the_comparison_gives_its_own_cell() -> None:
    found = [*jobs("compare", "dataset.image_size=64")]
    commands = [fit_command(job, configuration) for job in found]
    assert [cell(command) for command in commands] == [job.run.cell for job in found]
    assert len(set(commands)) == len(found) and not any("experiment" in each or "fold" in each for each in commands)


def test_the_values_of_an_experiment_that_cannot_be_fitted_are_given() -> None:
    job = next(jobs("quick", "dataset=synthetic"))
    command = fit_command(job, configuration)
    assert "experiment" not in command and cell(command) == job.run.cell
    assert "trainer.max_epochs=4" in command


def test_an_experiment_that_chooses_from_groups_stays() -> None:
    job = next(jobs("few_positives", "dataset=synthetic"))
    command = fit_command(job, configuration)
    assert "experiment=few_positives" in command and cell(command) == job.run.cell
