"""No training step copies tensors from the host or waits for the device, on a GPU that is played.

torch's fake tensors have the device `cuda` on any machine, and no values. A step that makes a tensor from Python
numbers copies it from the host, which is seen here; one that reads a value cannot go on.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import kornia
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from leanet.colorizer.build import colorizer_of
from leanet.colorizer.task import ColorizerTask
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.detector.averaging import WeightAverage
from leanet.detector.build import detector_of
from leanet.detector.loss import balance_of
from leanet.detector.task import DetectorTask
from leanet.training.batches import ShuffledBatches, Tensors

SIZE, ROWS = 64, 6


class HostTraffic(TorchDispatchMode):
    """Notes operations between the host and a device, with the line of leanet that asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, results)) if isinstance(leaf, torch.Tensor)]
        if {tensor.device.type for tensor in tensors} == {"cpu", "cuda"}:
            lines = [frame for frame in traceback.extract_stack() if "/leanet/" in frame.filename]
            self.found.append(f"{function} in {lines[-1].filename}:{lines[-1].lineno}" if lines else str(function))
        return results


@contextmanager
def played_gpu() -> Iterator[None]:
    """A context in which new tensors are on a GPU that is played."""
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cuda"):
        yield


def batch() -> Tensors:
    return {
        "images": torch.empty(ROWS, 3, SIZE, SIZE, dtype=torch.uint8),
        "maps": torch.empty(ROWS, 1, SIZE, SIZE, dtype=torch.float16),
        "scales": torch.empty(ROWS),
        "labels": torch.empty(ROWS, dtype=torch.int64),
    }


def traffic(call: Callable[[], object]) -> list[str]:
    with HostTraffic() as seen:
        call()
    return seen.found


@pytest.fixture
def settings(configure: Any, tmp_path: Path) -> Callable[..., Settings]:
    return lambda *words: settings_of(configure(tmp_path, *words, f"dataset.image_size={SIZE}"))


def test_what_it_would_find() -> None:
    with played_gpu():
        images = torch.empty(ROWS, 3, SIZE, SIZE)
        assert len(traffic(lambda: kornia.color.rgb_to_lab(images))) > 1  # makes its matrix from numbers at each call
        with pytest.raises(Exception, match="local_scalar"):
            traffic(lambda: float(images.sum()))


@pytest.mark.parametrize(
    "words",
    [
        ["adn=resnet18", "caan=none"],
        ["adn=cnn", "caan=none", "input=rgb_map"],
        ["adn=vgg16", "caan=resnet", "trainer.balance=weights"],
        ["adn=resnet50", "caan=mobilenet", "trainer.balance=prior"],
        ["adn=resnet18", "caan=direct", "input=attentioned"],
        ["adn=resnet18", "caan=mobilenet", "attention.points=[2,3,4]"],
        ["adn=timm", "caan=mobilenet", "point=2", "adn.bn_momentum=keras"],
        ["adn=resnet18", "caan=mobilenet", "attention=centred"],
    ],
)
def test_a_step_of_a_detector(words: list[str], settings: Callable[..., Settings]) -> None:
    given = settings(*words)
    balance = balance_of(given.trainer.balance, torch.arange(ROWS) % 2)
    with played_gpu():
        task = DetectorTask(detector_of(given, 1), 1e-4, None if balance is None else balance.to("cuda"))
        assert traffic(lambda: task.training_step(batch(), 0)) == []


@pytest.mark.parametrize("loss", ["bce", "mse", "ciede2000"])
@pytest.mark.parametrize("colorizer", ["unet", "autoencoder"])
def test_a_step_of_a_colorizer(colorizer: str, loss: str, settings: Callable[..., Settings]) -> None:
    given = replace(settings(f"colorizer={colorizer}").colorizer, loss=loss)
    images = torch.zeros(ROWS, 3, SIZE, SIZE, dtype=torch.uint8)
    with played_gpu():
        network = colorizer_of(given, SIZE)
    task = ColorizerTask(network, given, images)
    with played_gpu():
        task.principal = torch.empty(3, 3)
        assert traffic(lambda: task.training_step(batch(), 0)) == []


def test_batches_on_a_device_and_averages_of_weights() -> None:
    with played_gpu():
        order = iter(ShuffledBatches({"images": torch.empty(9, 3, SIZE, SIZE)}, 4, seed=0))
        next(order)  # the order of an epoch is copied at its start
        assert traffic(lambda: next(order)) == []
        network, average = torch.nn.BatchNorm2d(3), WeightAverage("ema")
        assert traffic(lambda: [average._add(network) for _ in range(3)]) == []
