from collections.abc import Callable
from typing import Any

import pytest

from leanet.config.settings import Settings
from leanet.grid import first_estimate as module
from leanet.grid.first_estimate import first_estimate
from leanet.grid.plan import Job
from leanet.runs.work import Rates

MakeJob = Callable[..., Job]
LOCAL = {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}
SLURM = {"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"}
LONG = ("adn=cnn", "caan=none", "dataset.image_size=256", "trainer.max_epochs=100")  # 18 images · ⅔ · 100 · 256²


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The networks that were measured, at a microsecond for an image, an epoch and a pixel."""
    networks: list[Settings] = []

    def measured(these: list[Settings]) -> list[tuple[Settings, Rates]]:
        networks.extend(these)
        return [(settings, Rates(0.0, 1e-6)) for settings in these]

    monkeypatch.setattr(module, "_measured", measured)
    return networks


def test_each_long_network_is_measured_once(job: MakeJob, asked: list[Any]) -> None:
    jobs = [job(*LONG), job(*LONG, "seed=1"), job("adn=cnn", "caan=none"), job("adn=lab_statistics")]
    said = first_estimate(jobs, jobs, LOCAL)
    work = jobs[0].images * 100 * 256**2 * (1 - 1 / jobs[0].run.settings.folds)
    assert [settings.adn.name for settings in asked] == ["cnn"]
    assert said == f"estimated from a few training steps: {round(2 * work * 1e-6 / 60)} min"


def test_hours_say_how_to_make_it_less(job: MakeJob, asked: list[Any]) -> None:
    jobs = [job(*LONG, "trainer.max_epochs=10000")]
    assert str(first_estimate(jobs, jobs, LOCAL)).endswith("; effort=quick takes less")


def test_nothing_is_measured_for_short_runs_or_other_machines(job: MakeJob, asked: list[Any]) -> None:
    short, long = [job("adn=cnn", "caan=none")], [job(*LONG)]
    assert first_estimate(short, short, LOCAL) is first_estimate(long, long, SLURM) is None
    assert not asked


@pytest.mark.slow  # a process that imports torch
def test_steps_are_measured_in_another_process(job: MakeJob) -> None:
    jobs = [job("adn=cnn", "caan=none", "trainer.max_epochs=1000000")]
    assert str(first_estimate(jobs, jobs, LOCAL)).startswith("estimated from a few training steps: ")
