"""The time that is announced, with the measured rates replaced by whole seconds, and the measuring itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.config.effective import settings_of
from leanet.experiment import estimate
from leanet.experiment.estimate import Rates, rates_of, say_estimate
from leanet.model.fit_model import model_of
from leanet.runs.cell import Cell, Cells

Configure = Callable[..., dict[str, Any]]
SIZES = (
    "dataset.negatives=40",
    "dataset.positives=10",
    "dataset.image_size=64",
    "folds=5",
    "fold=null",
    "map=ciede2000",
)
LONG = (*SIZES, "colorizer.max_epochs=100", "trainer.max_epochs=50")
RATES = Rates(colorizer=1e-3 / 64**2, detector=2e-3 / 64**2)


@pytest.fixture(autouse=True)
def rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "rates_of", lambda settings: RATES)
    monkeypatch.setattr(estimate, "_SECONDS", 0.0)


def cell(configure: Configure, home: Path, *overrides: str) -> Cell:
    return Cells().of(settings_of(configure(home, *LONG, *overrides)))


def said(cell: Cell, *, with_model: bool = False) -> list[str]:
    lines: list[str] = []
    say_estimate(cell, [*cell.runs, *([model_of(cell)] if with_model else [])], lines.append)
    return lines


def test_the_time_of_five_folds_and_of_the_model(configure: Configure, tmp_path: Path) -> None:
    found = cell(configure, tmp_path)
    # 40 · .8 · 100 · 5 = 16,000 normals at 1 ms, and 50 · .8 · 50 · 5 = 10,000 images at 2 ms
    assert said(found)[0].startswith("5 runs take about 1 min on this machine (CPU, ")
    assert said(cell(configure, tmp_path, "colorizer.max_epochs=500"))[0].endswith(
        ": colorizers 1 min, fits under a minute"
    )
    assert said(found, with_model=True)[0].startswith("6 runs take about 1 min ")


@pytest.mark.parametrize(
    "overrides, times",
    [([], 1.0), (["map.cross_fit=3"], 2.0), (["colorizer.held_out=0.25"], 0.75), (["caan=none"], 0.0)],
)
def test_what_colorizers_are_trained_on(
    configure: Configure, tmp_path: Path, overrides: list[str], times: float
) -> None:
    found = cell(configure, tmp_path, *overrides)
    assert estimate.estimate(found, found.settings, found.runs, RATES).colorizers == pytest.approx(16 * times)


def test_maps_that_are_there_take_no_time(configure: Configure, tmp_path: Path) -> None:
    found = cell(configure, tmp_path)
    for run in found.runs[:2]:
        run.maps_file.parent.mkdir(parents=True, exist_ok=True)
        run.maps_file.touch()
    assert estimate.estimate(found, found.settings, found.runs, RATES).colorizers == pytest.approx(16 * 3 / 5)


def test_more_than_ten_minutes_says_how_to_make_it_less(configure: Configure, tmp_path: Path) -> None:
    _, less = said(
        cell(configure, tmp_path, "dataset.image_size=256", "colorizer.max_epochs=500", "trainer.max_epochs=100")
    )
    assert less.startswith("less time: effort=quick under a minute, effort=usual ") and "effort=paper" not in less


def test_short_runs_are_not_measured(configure: Configure, tmp_path: Path) -> None:
    assert said(cell(configure, tmp_path, "colorizer.max_epochs=2", "trainer.max_epochs=2")) == []
    assert said(cell(configure, tmp_path, "adn=lab_statistics")) == []


def test_steps_are_measured_and_change_no_random_state(configure: Configure, tmp_path: Path) -> None:
    settings = settings_of(
        configure(tmp_path, "dataset.image_size=32", "adn=cnn", "caan=none", "input=map", "map=ciede2000")
    )
    before = torch.get_rng_state()
    both, detector = rates_of(settings), rates_of(settings_of(configure(tmp_path, "adn=cnn", "caan=none")))
    assert torch.equal(before, torch.get_rng_state())
    assert both.colorizer > 0 and both.detector > 0
    assert detector.colorizer == 0 and detector.detector > 0
