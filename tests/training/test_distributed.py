"""A run in two processes: on a CPU, and with networks without batch norm, whose statistics CPUs do not share."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.storage.files import read_json
from leanet.training.batches import ShuffledBatches

Configure = Callable[..., dict[str, Any]]
WORDS = ("adn=timm", "adn.model=test_convnext", "caan=none")
# 35 images: the 17 that train are a batch that two processes cannot divide evenly.
UNEVEN = ("dataset.positives=11",)


# What launchers set for the last of several processes.
LAUNCHERS = {
    "srun": {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "3", "SLURM_NODEID": "1"},
    "torchrun": {
        **{"TORCHELASTIC_RUN_ID": "7", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1", "WORLD_SIZE": "4"},
        **{"MASTER_ADDR": "192.0.2.1", "MASTER_PORT": "1", "NODE_RANK": "1"},
    },
    "mpirun": {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "PMI_SIZE": "4", "PMI_RANK": "3"},
    "jsrun": {"LSB_JOBID": "7", "LSB_DJOB_RANKFILE": "none", "JSM_NAMESPACE_RANK": "3", "JSM_NAMESPACE_SIZE": "4"},
    "kubeflow": {"KUBERNETES_PORT": "tcp://192.0.2.1:1", "MASTER_ADDR": "a", "MASTER_PORT": "1", "WORLD_SIZE": "4"},
}


def train(
    home: Path, tiny: tuple[str, ...], *words: str, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    given = dict(word.split("=", 1) for word in (*tiny, *UNEVEN, *WORDS, *words)) | {"paths.runs": str(home)}
    command = [sys.executable, "-m", "leanet.train", *(f"{key}={value}" for key, value in given.items())]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})


def probabilities(home: Path) -> list[float]:
    [file] = home.glob("detectors/*/predictions.csv")
    with file.open(newline="") as rows:
        return [float(row["adn"]) for row in csv.DictReader(rows)]


@pytest.mark.slow  # how a batch is divided among them is a quick test
def test_two_processes_come_to_what_one_comes_to(tiny: tuple[str, ...], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert train(one, tiny).returncode == 0
    found = train(two, tiny, "trainer=ddp", "trainer.accelerator=cpu")
    assert found.returncode == 0 and found.stderr == ""
    assert probabilities(two) == pytest.approx(probabilities(one), abs=1e-5)

    [alone], [shared] = (list(home.glob("detectors/*")) for home in (one, two))
    assert alone.name == shared.name  # the same run
    results = [read_json(folder / "result.json") for folder in (alone, shared)]
    assert [len(result["last_epochs"]["f1"]) for result in results] == [5, 5]
    assert {file.name for file in shared.iterdir()} == {file.name for file in alone.iterdir()}
    metrics = (shared / "logs/version_0/metrics.csv").read_text()
    assert len(metrics.splitlines()) == 1 + 6  # an epoch is logged once


@pytest.mark.slow
def test_a_colorizer_and_a_mistake_in_two_processes(tiny: tuple[str, ...], tmp_path: Path) -> None:
    attention = ("caan=direct", "point=3", "colorizer=autoencoder")
    found = train(tmp_path, tiny, "trainer=ddp", "trainer.accelerator=cpu", "adn.lr=1e30", *attention)
    assert len(list(tmp_path.glob("colorizers/*/maps-*.npy"))) == 1
    assert found.returncode == 1
    assert "the loss is not finite in epoch" in found.stderr and found.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_launcher_s_variables_change_nothing(tiny: tuple[str, ...], tmp_path: Path) -> None:
    env = {name: value for variables in LAUNCHERS.values() for name, value in variables.items()}
    found = train(tmp_path, tiny, "trainer.max_epochs=1", env=env)
    assert (found.returncode, found.stderr) == (0, "")
    metrics = next(tmp_path.glob("detectors/*/logs/version_0/metrics.csv")).read_text()
    assert len(metrics.splitlines()) == 1 + 1 + 1  # the header, the epoch, the figures


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("devices", [1, 2])
def test_each_launcher_s_variables_change_nothing(
    launcher: str, devices: int, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    words = ("trainer.max_epochs=1", "trainer.accelerator=cpu", f"trainer.devices={devices}")
    found = train(tmp_path, tiny, *words, env=LAUNCHERS[launcher])
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.slow
def test_four_processes_of_a_launcher_do_the_work_once(tiny: tuple[str, ...], tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        envs = [LAUNCHERS["srun"] | {"SLURM_PROCID": str(rank)} for rank in range(4)]
        done = list(pool.map(lambda env: train(tmp_path, tiny, "trainer.max_epochs=1", env=env), envs))
    assert [each.returncode for each in done] == [0] * 4
    assert sum("waiting for the process that is doing this run" in each.stdout for each in done) == 3
    assert len(list(tmp_path.glob("detectors/*/logs/version_*"))) == 1


@pytest.mark.parametrize("rows", [16, 17, 33, 34, 35])
def test_every_batch_is_divided_without_loss(rows: int) -> None:
    whole, parts = (ShuffledBatches({"row": torch.arange(rows)}, 16, seed=0) for _ in range(2))
    parts.processes = 2
    for number, batch in enumerate(whole):
        found, weight = [], 0.0
        for parts.process in range(2):
            share = list(parts)[number]["row"].tolist()
            found += share
            weight += parts.share(number) / 2
            assert parts.share(number) / 2 == pytest.approx(len(share) / len(batch["row"]))
        assert sorted(found) == sorted(batch["row"].tolist())
        assert weight == pytest.approx(1)
