"""The means of an epoch's losses."""

import csv
from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor

from leanet import progress
from leanet.config.settings import TrainerSettings
from leanet.training.batches import DeviceData
from leanet.training.fit import FitPlan, fit


class Slope(lightning.LightningModule):
    """One number, and the losses that a step gave for each of its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.zeros(()))
        self.rows: list[Tensor] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        losses = (batch["x"] - self.number).square()
        self.rows.append(losses.detach())
        return {"loss": losses.mean(), "twice_loss": 2 * losses.mean()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_every_image_counts_the_same_in_the_mean_of_an_epoch(tmp_path: Path) -> None:
    task, x = Slope(), torch.arange(11.0)
    plan = FitPlan(tmp_path, "test", 2, 0, TrainerSettings(2, 4, "cpu", 1, "32-true", 60.0))
    fit(task, DeviceData({"x": x}, batch_size=4, seed=0), plan)  # batches of 4, 4 and 3
    by_epoch = torch.cat(task.rows).reshape(2, 11).mean(1)
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [float(row["loss"]) for row in rows] == pytest.approx(by_epoch.tolist(), rel=1e-4)
    assert [float(row["twice_loss"]) for row in rows] == pytest.approx((2 * by_epoch).tolist(), rel=1e-4)


def test_lines_say_epoch_loss_and_the_time_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)  # a line for each batch
    plan = FitPlan(tmp_path, "fold 2/5", 2, 0, TrainerSettings(2, 4, "cpu", 1, "32-true", 60.0))
    task = Slope()
    fit(task, DeviceData({"x": torch.arange(11.0)}, batch_size=4, seed=0), plan)
    lines = capsys.readouterr().err.splitlines()
    first, second, *_ = [line for line in lines if line.startswith("fold 2/5: epoch") and "loss" in line]
    assert first.startswith("fold 2/5: epoch 0.3 of 2, ") and second.startswith("fold 2/5: epoch 0.7 of 2, ")
    assert float(first.rpartition("loss ")[2]) == pytest.approx(float(task.rows[0].mean()), rel=1e-3)
