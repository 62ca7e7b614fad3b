"""What a fit does for its device; a GPU is played, since few machines that test have one."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from leanet.training.device import SEARCH_FROM_STEPS, UseDevice, name_of, precision_on


@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_a_gpu_gets_channels_last_and_tf32_and_a_cpu_does_not(kind: str) -> None:
    before = torch.get_float32_matmul_precision()
    network = nn.Conv2d(8, 8, 3)
    task = SimpleNamespace(device=torch.device(kind), to=network.to)
    try:
        UseDevice(steps=1).on_fit_start(cast(Any, None), cast(Any, task))
        assert torch.get_float32_matmul_precision() == ("high" if kind == "cuda" else before)
        assert network.weight.is_contiguous(memory_format=torch.channels_last) == (kind == "cuda")
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("kind", "steps", "searches"),
    [("cuda", SEARCH_FROM_STEPS, True), ("cuda", SEARCH_FROM_STEPS - 1, False), ("cpu", SEARCH_FROM_STEPS, False)],
)
def test_only_long_fits_search_and_only_while_they_train(
    kind: str, steps: int, searches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    given = cast(Any, None), cast(Any, SimpleNamespace(device=torch.device(kind)))
    use = UseDevice(steps)
    use.on_train_epoch_start(*given)
    assert torch.backends.cudnn.benchmark == searches
    use.on_train_epoch_end(*given)
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "tf32"), ((7, 5), "float32")])
def test_a_gpu_has_a_name_and_perhaps_tf32(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert (name_of(gpu), name_of(cpu)) == ("cuda (NVIDIA H200)", "cpu")
    assert (precision_on(gpu, "32-true"), precision_on(cpu, "32-true")) == (precision, "float32")
    assert precision_on(gpu, "bf16-mixed") == "bfloat16 mixed"
