"""What a GPU computes: the same as a CPU, the same with and without graphs, and without waiting for the host."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from leanet.color import ciede2000, rgb_to_lab
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.data.synthetic import SyntheticLeaves
from leanet.detector.build import detector_of
from leanet.detector.task import DetectorTask, probabilities
from leanet.maps.color_maps import ColorMaps, color_maps, train_colorizer
from leanet.storage.run_files import CURVES
from leanet.training.batches import DeviceData, SelectedRows, Tensors
from leanet.training.fit import FitPlan, fit
from leanet.training.graphs import WARM_UP

Configure = Callable[..., dict[str, Any]]
EPOCHS = 2 * WARM_UP  # half of the steps of the smaller last batch, one in an epoch, are a graph's
SIZE = 64


@pytest.fixture(scope="module")
def settings(configure: Configure, tmp_path_factory: pytest.TempPathFactory, accelerator: str) -> Settings:
    given = ("adn=resnet18", "caan=mobilenet", "point=4", f"trainer.accelerator={accelerator}", "adn.lr=1e-3")
    return settings_of(configure(tmp_path_factory.mktemp("runs"), *given, f"dataset.image_size={SIZE}"))


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """36 images: two batches of 16 and one of 4."""
    leaves = SyntheticLeaves(image_size=SIZE, negatives=24, positives=12).load(Path())
    maps = torch.rand(36, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).half()
    labels = torch.from_numpy(leaves.labels)
    return {"images": torch.from_numpy(leaves.images), "labels": labels, "maps": maps, "scales": torch.ones(36)}


def fitted(settings: Settings, tensors: Tensors, folder: Path, *callbacks: Callback, **trainer: Any) -> DetectorTask:
    torch.manual_seed(0)
    task = DetectorTask(detector_of(settings, 1), settings.adn.lr)
    plan = FitPlan(folder, "test", EPOCHS, 0, replace(settings.trainer, **trainer))
    fit(task, DeviceData(tensors, 16, 0), plan, callbacks=[*callbacks])
    return task


def losses(folder: Path) -> list[float]:
    rows = [line.split(",") for line in (folder / CURVES).read_text().splitlines()]
    return [float(row[rows[0].index("loss")]) for row in rows[1:]]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_graphs_give_the_losses_of_ordinary_steps(
    precision: str, settings: Settings, tensors: Tensors, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted(settings, tensors, tmp_path / "graphs", precision=precision)
    fitted(settings, tensors, tmp_path / "ordinary", precision=precision, compile=False)
    assert losses(tmp_path / "graphs") == pytest.approx(losses(tmp_path / "ordinary"), rel=0.05)
    assert "without CUDA graphs" not in capsys.readouterr().err


class NoWaiting(Callback):
    """Makes torch raise an error for each step that waits for the device, from the second epoch on."""

    def on_train_batch_start(self, trainer: lightning.Trainer, *given: Any) -> None:
        if trainer.current_epoch > 0 and torch.cuda.is_available():
            # Recording a graph waits, once; a shape is recorded in the epoch after its ordinary steps.
            recording = trainer.current_epoch in (1, WARM_UP)
            torch.cuda.set_sync_debug_mode("default" if recording else "error")

    def on_train_batch_end(self, *given: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("compile", ["auto", False])
def test_no_step_waits(compile: str | bool, settings: Settings, tensors: Tensors, tmp_path: Path) -> None:
    fitted(settings, tensors, tmp_path, NoWaiting(), compile=compile)


@contextmanager
def full_float32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def test_probabilities_are_those_of_a_cpu(settings: Settings, tensors: Tensors, tmp_path: Path, device: str) -> None:
    task = fitted(settings, tensors, tmp_path)
    expected = probabilities(task, tensors)
    in_tf32 = probabilities(task.to(device), tensors)
    with full_float32():
        exact = probabilities(task, tensors)
    for head in ("adn", "caan"):
        torch.testing.assert_close(in_tf32[head], expected[head], atol=1e-3, rtol=0)
        torch.testing.assert_close(exact[head], expected[head], atol=1e-4, rtol=0)


def test_maps_are_those_of_a_cpu(settings: Settings, tensors: Tensors, tmp_path: Path, device: str) -> None:
    plan = FitPlan(tmp_path, "test", EPOCHS, 0, settings.trainer)
    normals = SelectedRows(tensors["images"], torch.arange(24))
    maker = ColorMaps(train_colorizer(normals, settings.colorizer, plan)).eval()
    expected, found = (
        torch.cat([*color_maps(maker.to(where), tensors["images"])]).float() for where in ("cpu", device)
    )
    assert (found - expected).abs().flatten().quantile(0.999) < 0.02


@pytest.mark.parametrize("autocast", [False, True])
def test_the_colour_difference_is_exact_and_has_finite_gradients(autocast: bool, device: str) -> None:
    random = torch.Generator().manual_seed(0)
    first = torch.rand(1, 3, 64, 64, generator=random)
    second = torch.where(torch.rand(1, 1, 64, 64, generator=random) > 0.5, first, first.flip(-1))  # half are equal
    first[..., :8, :] = second[..., :8, :] = 0.5  # and some are grey

    def difference(where: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        labs = [rgb_to_lab(rgb.to(where, dtype)).detach().requires_grad_() for rgb in (first, second)]
        found = ciede2000(*labs)
        return found.detach().double().cpu(), torch.cat(torch.autograd.grad(found.sum(), labs)).cpu()

    expected, _ = difference("cpu", torch.float64)
    with torch.autocast(device, torch.bfloat16, enabled=autocast):
        found, gradients = difference(device, torch.float32)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)
    assert gradients.isfinite().all()
