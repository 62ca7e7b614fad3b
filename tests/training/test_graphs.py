"""Recorded steps on a CPU: the recorder is played, by one that runs the same Python again on the same tensors."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import lightning
import pytest
import torch
from torch import Tensor, nn

from leanet.config.effective import settings_of
from leanet.config.settings import TrainerSettings
from leanet.detector.build import detector_of
from leanet.detector.task import DetectorTask
from leanet.storage.run_files import CURVES
from leanet.training import graphs
from leanet.training.batches import DeviceData, Tensors
from leanet.training.fit import FitPlan, fit
from leanet.training.graphs import WARM_UP, GraphedSteps, Step, recorder_of

EPOCHS = 8
TRAINER = TrainerSettings(EPOCHS, 4, "cpu", 1, "32-true", checkpoint_seconds=0)


class Played:
    """Keeps the order of calls of CUDA graphs: recording runs nothing, and repeating overwrites the same results.

    Attributes:
        calls: in order, `run`, `record` and `repeat`.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []

    def run(self, step: Step) -> Tensors:
        self.calls.append("run")
        return step()

    def record(self, step: Step) -> tuple[Callable[[], None], Tensors]:
        self.calls.append("record")
        results: Tensors = {}

        def repeat() -> None:
            self.calls.append("repeat")
            for name, value in step().items():
                results.setdefault(name, torch.empty_like(value)).copy_(value)

        return repeat, results


class Net(lightning.LightningModule):
    """A small network with dropout and batch norm, so that random state and running statistics matter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))

    def training_step(self, batch: Tensors, batch_idx: int) -> Tensors:
        error = self.layers(batch["x"]) - batch["y"]
        return {"loss": error.square().mean(), "largest": error.abs().max()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2, fused=True)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    recorder = Played()
    monkeypatch.setattr(graphs, "recorder_of", lambda device, settings: recorder)
    return recorder


def trained(folder: Path, epochs: int = EPOCHS) -> tuple[Net, str]:
    """A network after a fit to batches of 4, 4, 4, 4 and 2 rows, and the curves of the fit."""
    x = torch.rand(18, 3, generator=torch.Generator().manual_seed(0))
    task = Net()
    data = DeviceData({"x": x, "y": x.sum(1, keepdim=True)}, batch_size=4, seed=1)
    fit(task, data, FitPlan(folder, "test", epochs, 1, TRAINER))
    return task, (folder / CURVES).read_text()


def state(task: Net) -> Tensor:
    return torch.cat([value.flatten().double() for value in task.state_dict().values()])


def test_recorded_steps_give_the_numbers_of_ordinary_ones(tmp_path: Path, played: Played) -> None:
    recorded, curves = trained(tmp_path / "recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "recorder_of", lambda device, settings: None)
        ordinary, expected = trained(tmp_path / "ordinary")
    assert torch.equal(state(recorded), state(ordinary)) and curves == expected
    # Each of the two shapes of batch begins with ordinary steps, is recorded once, and then repeated.
    steps = 5 * EPOCHS
    assert Counter(played.calls) == {"run": 2 * WARM_UP, "record": 2, "repeat": steps - 2 * WARM_UP}
    assert played.calls[: WARM_UP + 2] == ["run"] * WARM_UP + ["record", "repeat"]
    assert recorded.automatic_optimization and "training_step" not in vars(recorded)


def test_a_fit_with_recorded_steps_goes_on_bit_for_bit(tmp_path: Path, played: Played) -> None:
    whole, expected = trained(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(Net, "on_train_epoch_start", lambda task: 1 / (task.current_epoch - 5))
        trained(tmp_path / "parts")
    rest, curves = trained(tmp_path / "parts")
    assert torch.equal(state(rest), state(whole)) and curves == expected


def test_a_step_that_cannot_be_recorded_is_done_as_usual(
    tmp_path: Path, played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refused(step: Step) -> NoReturn:
        raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    monkeypatch.setattr(played, "record", refused)
    found, curves = trained(tmp_path / "refused")
    monkeypatch.setattr(graphs, "recorder_of", lambda device, settings: None)
    ordinary, expected = trained(tmp_path / "ordinary")
    assert torch.equal(state(found), state(ordinary)) and curves == expected
    assert capsys.readouterr().err == (
        "training without CUDA graphs, since a step cannot be recorded: "
        "operation not permitted when stream is capturing\n"
    )


@pytest.mark.slow
def test_a_compiled_step_of_lea_net_is_recorded_too(
    configure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled by tracing alone, without the generation of kernels, which takes minutes on a CPU."""
    settings = settings_of(configure(tmp_path, "adn=cnn", "caan=mobilenet", "point=2"))
    batch = {
        "images": torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8),
        "maps": torch.rand(4, 1, 32, 32).half(),
        "scales": torch.ones(4),
        "labels": torch.tensor([0, 1, 0, 1]),
    }
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        task = DetectorTask(detector_of(settings, 1), 1e-3)
        step = torch.compile(task.training_step, dynamic=False, backend="eager") if compiled else task.training_step
        steps = GraphedSteps(step, task.configure_optimizers(), Played())
        torch.manual_seed(1)
        found.append([steps.step(batch, place) for place in range(WARM_UP + 3)])
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize(
    ("device", "change", "records"),
    [
        ("cuda", {}, True),
        ("cuda", {"compile": True}, True),
        ("cuda", {"precision": "bf16-mixed"}, True),
        ("cuda", {"precision": "16-mixed"}, False),
        ("cuda", {"devices": 2}, False),
        ("cuda", {"compile": False}, False),
        ("cpu", {}, False),
        ("mps", {}, False),
    ],
)
def test_what_is_recorded(device: str, change: dict[str, Any], records: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "CudaRecorder", lambda device: Played())
    assert (recorder_of(torch.device(device), replace(TRAINER, **change)) is not None) == records
