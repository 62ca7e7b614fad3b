"""A run in two processes: on a CPU, and with networks without batch norm, whose statistics CPUs do not share."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.data.batches import ShuffledBatches
from leanet.store import read_json

Configure = Callable[..., dict[str, Any]]
WORDS = ("adn=timm", "adn.model=test_convnext", "caan=none")
# 35 images: the 17 that train are a batch that two processes cannot divide evenly.
UNEVEN = ("dataset.positives=11",)


def train(home: Path, tiny: tuple[str, ...], *words: str) -> "subprocess.CompletedProcess[str]":
    given = dict(word.split("=", 1) for word in (*tiny, *UNEVEN, *WORDS, *words)) | {"paths.runs": str(home)}
    command = [sys.executable, "-m", "leanet.train", *(f"{key}={value}" for key, value in given.items())]
    return subprocess.run(command, capture_output=True, text=True)


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
