"""What a fit does for its device; a GPU is played, since few machines that test have one."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from leanet.training.device import UseDevice, name_of, precision_on


@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_a_gpu_gets_channels_last_and_its_searches_and_a_cpu_does_not(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    before = torch.get_float32_matmul_precision()
    network = nn.Conv2d(8, 8, 3)
    task = SimpleNamespace(device=torch.device(kind), to=network.to)
    try:
        UseDevice().on_fit_start(cast(Any, None), cast(Any, task))
        assert torch.backends.cudnn.benchmark == (kind == "cuda")
        assert torch.get_float32_matmul_precision() == ("high" if kind == "cuda" else before)
        assert network.weight.is_contiguous(memory_format=torch.channels_last) == (kind == "cuda")
    finally:
        torch.set_float32_matmul_precision(before)


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
