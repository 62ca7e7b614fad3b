import os
import sys
from pathlib import Path

import pytest

from leanet.errors import LeanetError
from leanet.grid.share import checked_jobs_per_gpu, cores, jobs_at_once, jobs_that_fit

DEFAULT = 16 * 256**2  # pixels of a batch


def test_cores_are_those_of_this_process_or_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cores() == jobs_at_once(1) == 3
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == jobs_at_once(1) == 8


@pytest.mark.parametrize(
    ("visible", "memory", "machine", "pixels", "jobs"),
    [
        ("0", "81559", 64, DEFAULT, 13),
        ("0", "81559", 64, DEFAULT // 16, 16),  # more would only wait for each other
        ("0", "81559", 64, 8 * DEFAULT, 1),
        ("0", "8188", 64, DEFAULT, 1),
        ("0", "81559", 6, DEFAULT, 6),
        ("0,GPU-5ad1", "81559\n24564", 64, DEFAULT, 3),  # by the smallest
        ("0,1", "81559\n81559", 8, DEFAULT, 4),
        ("0,1", "81559\n81559", 1, DEFAULT, 1),
        ("0", "[N/A]", 64, DEFAULT, 1),
        ("", "81559", 64, DEFAULT, 1),
    ],
)
def test_as_many_runs_share_a_gpu_as_its_memory_and_the_cores_are_enough_for(
    visible: str, memory: str, machine: int, pixels: int, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nvidia-smi is played; it tells only of the GPUs that it is asked for."""
    fake = f'#!/bin/sh\n[ "$3" = "--id={visible}" ] && echo "{memory}"\n'
    (tmp_path / "nvidia-smi").write_text(fake)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(machine)), raising=False)
    assert jobs_that_fit(pixels) == jobs


def test_one_run_has_a_gpu_of_unknown_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jobs_that_fit(DEFAULT) == 1


def test_jobs_per_gpu_is_auto_or_a_number() -> None:
    assert checked_jobs_per_gpu("auto") is None and checked_jobs_per_gpu(3) == 3
    for wrong in ("two", 0, 1.5, True, None):
        with pytest.raises(LeanetError, match=rf"jobs_per_gpu={wrong}: must be auto or a whole number from 1"):
            checked_jobs_per_gpu(wrong)
