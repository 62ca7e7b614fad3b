"""Tests for machines with a GPU. LEANET_GPU_TESTS=cpu runs them without one, to test the tests themselves."""

import os
from pathlib import Path

import pytest

ON_CPU = os.environ.get("LEANET_GPU_TESTS") == "cpu"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in ours:
        item.add_marker(pytest.mark.gpu)
    if ours and not ON_CPU and not _has_gpu():
        if ours == items:
            pytest.exit(f"{len(ours)} tests skipped, since this machine has no GPU", returncode=0)
        for item in ours:
            item.add_marker(pytest.mark.skip(reason="this machine has no GPU"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def accelerator() -> str:
    return "cpu" if ON_CPU else "gpu"


@pytest.fixture(scope="session")
def device() -> str:
    return "cpu" if ON_CPU else "cuda"
