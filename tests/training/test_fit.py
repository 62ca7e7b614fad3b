import shutil
from dataclasses import replace
from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn

from leanet.config.settings import TrainerSettings
from leanet.errors import LeanetError
from leanet.storage.locks import lock
from leanet.training.batches import DeviceData
from leanet.training.fit import CHECKPOINT, Curves, FitPlan, fit

TRAINER = TrainerSettings(6, 4, "cpu", 1, "32-true", checkpoint_seconds=0)


class Line(lightning.LightningModule):
    """A small network with dropout, so that the random state matters; records its batches."""

    def __init__(self, die_in: tuple[int, int] | None = None, die_with: Exception | None = None) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.die_in, self.die_with = die_in, die_with
        self.seen: list[tuple[int, list[float]]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        self.seen.append((self.current_epoch, batch["y"].flatten().tolist()))
        loss = (self.layers(batch["x"]) - batch["y"]).square().mean()
        if self.die_in == (self.current_epoch, batch_idx):
            if self.die_with is not None:
                raise self.die_with
            loss = loss * float("nan")
        return {"loss": loss}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def run(
    task: Line, folder: Path, epochs: int = 6, patience: int | None = None, trainer: TrainerSettings = TRAINER
) -> Line:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(18, 3, generator=generator)
    data = DeviceData({"x": x, "y": x.sum(1, keepdim=True)}, batch_size=4, seed=1)
    stopping = [EarlyStopping("loss", patience=patience, check_on_train_epoch_end=True)] if patience else []
    fit(task, data, FitPlan(folder, "test", epochs, 1, trainer), callbacks=[*stopping])
    return task


def weights(task: Line) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in task.layers.parameters()])


@pytest.mark.parametrize("place", [(0, 0), (1, 0), (3, 2), (5, 4)])
def test_goes_on_bit_for_bit_where_it_died(tmp_path: Path, place: tuple[int, int]) -> None:
    whole = run(Line(), tmp_path / "whole")
    with pytest.raises(ZeroDivisionError):
        run(Line(place, ZeroDivisionError()), tmp_path / "parts")
    rest = run(Line(), tmp_path / "parts")
    assert torch.equal(weights(rest), weights(whole))
    assert rest.seen == [seen for seen in whole.seen if seen[0] >= place[0]]
    assert not list((tmp_path / "parts").glob(".*.part"))


def test_a_fit_that_lost_its_folder_to_another_host_ends_with_the_epoch(tmp_path: Path) -> None:
    class Robbed(Line):
        def on_train_epoch_start(self) -> None:
            if self.current_epoch == 2:
                shutil.rmtree(tmp_path / ".lease")

    task, rarely = Robbed(), replace(TRAINER, checkpoint_seconds=1000)
    with lock(tmp_path), pytest.raises(LeanetError, match="another host has taken this over"):
        run(task, tmp_path, trainer=rarely)
    assert task.seen[-1][0] == 2 and not list(tmp_path.iterdir())


def test_a_finished_fit_does_not_train_again(tmp_path: Path) -> None:
    first = run(Line(), tmp_path)
    again = run(Line(), tmp_path)
    assert again.seen == [] and torch.equal(weights(again), weights(first))
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert "optimizer_states" not in kept  # what is kept is what is of use
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in kept["state_dict"].items())


def test_a_fit_that_was_stopped_early_does_not_train_again(tmp_path: Path) -> None:
    first = run(Line(), tmp_path, epochs=1000, patience=2)
    assert len({epoch for epoch, _ in first.seen}) < 1000
    again = run(Line(), tmp_path, epochs=1000, patience=2)
    assert again.seen == [] and torch.equal(weights(again), weights(first))


def test_a_loss_that_is_not_finite_names_epoch_and_batch_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=r"not finite in epoch 3, batch 2; .*last\.ckpt"):
        run(Line((2, 1)), tmp_path)
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert kept["epoch"] == 1
    assert all(value.isfinite().all() for value in kept["state_dict"].values())


def test_checkpoints_are_read_without_pickles_powers(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"state_dict": Evil()}, tmp_path / CHECKPOINT)
    with pytest.raises(Exception, match="nothing in it was executed"):
        run(Line(), tmp_path)
    assert not (tmp_path / "owned").exists()


def test_curves_that_an_older_version_began_go_on(tmp_path: Path) -> None:
    curves = Curves()
    curves.load_state_dict({"rows": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "attention_sd": 0.5}]})
    curves.write(tmp_path / "curves.csv")
    assert (tmp_path / "curves.csv").read_text() == "epoch,loss,attention_sd\n1,2,nan\n2,1,0.5\n"


def test_nothing_is_printed_but_what_is_ours(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    run(Line(), tmp_path)
    assert capfd.readouterr() == ("", "")
