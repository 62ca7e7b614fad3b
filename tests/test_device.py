"""What a fit does for its device; a GPU is played, since few machines that test have one."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from leanet.device import UseDevice


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
