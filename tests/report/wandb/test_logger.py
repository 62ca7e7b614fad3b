"""logger=wandb: what the files say that it writes offline."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanet.config.effective import settings_of
from leanet.report.results import results
from leanet.report.wandb import session
from leanet.report.wandb.destination import Destination
from leanet.report.wandb.push import push
from leanet.runs.cell import Cells
from leanet.runs.run import Run
from leanet.storage.files import read_json

Configure = Callable[..., dict[str, Any]]
ReadBack = Any  # see conftest.py

# Once in a process that is killed in its third epoch, once to the end; what was there in between is printed.
TWICE = """
import json, os, signal, sys
from pathlib import Path
from leanet.detector.task import DetectorTask
from leanet.train import train
import leanet.experiment.fold
config = json.load(sys.stdin)
step = DetectorTask.training_step
def dying(self, batch, number):
    if self.current_epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, number)
if os.fork() == 0:
    DetectorTask.training_step = dying
    train(config)
    os._exit(0)
_, status = os.wait()
home = Path(config["paths"]["runs"])
told = [str(folder) for folder in home.glob("detectors/*/wandb/offline-run-*")]
sys.stderr.write(json.dumps([status, told, len(list(home.glob("detectors/*/result.json")))]))
train(config)
"""


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def check_curves(told: Any, folder: Path) -> None:
    """Each epoch is there once, with the losses of curves.csv."""
    expected = [{name: float(value) for name, value in row.items()} for row in rows(folder / "curves.csv")]
    assert [row["epoch"] for row in told.curves] == list(range(1, len(expected) + 1))
    assert told.curves == [pytest.approx(row, rel=1e-5) for row in expected]


@pytest.fixture(scope="module")
def config(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    small = ("adn=cnn", "caan=mobilenet", "colorizer=autoencoder", "colorizer.max_epochs=2", "trainer.max_epochs=4")
    return configure(tmp_path_factory.mktemp("trained"), "logger=wandb", *small)


@pytest.fixture(scope="module")
def trained(config: dict[str, Any]) -> Path:
    """A fold that W&B was told of while it trained; it was killed in its third epoch, and went on."""
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # not this process's
    command = [sys.executable, "-c", TWICE]
    found = subprocess.run(command, input=json.dumps(config), env=alone, text=True, capture_output=True, check=True)
    status, told, done = json.loads(found.stderr)
    assert (status, len(told), done) == (signal.SIGKILL, 1, 0)
    assert not Path(told[0]).exists()
    assert [line for line in found.stdout.splitlines() if line.startswith("W&B: ") and "1/2 folds" in line]
    return Path(config["paths"]["runs"])


@pytest.fixture(scope="module")
def runs(config: dict[str, Any]) -> list[Run]:
    return Cells().of(settings_of(config)).runs


def test_a_run_for_each_fold_and_colorizer_and_one_for_the_cell(
    trained: Path, runs: list[Run], read_back: ReadBack
) -> None:
    told = read_back(trained)
    cell = runs[0].cell
    group = f"synthetic {runs[0].model} {cell}"
    expected = {cell: ("cell", group, group)}
    for run in runs:
        identity = run.maps_folder.name[-12:]
        expected[run.id] = ("fold", group, run.name)
        expected[identity] = ("colorizer", "synthetic colorizers", f"synthetic-fold{run.fold}-colorizer")
    assert {run.id: (run.job, run.group, run.name) for run in told.values()} == expected
    assert {run.project for run in told.values()} == {"leanet"}


def test_what_is_told_of_a_fold(trained: Path, runs: list[Run], read_back: ReadBack, losses: tuple[str, ...]) -> None:
    told = read_back(trained)
    for run in runs:
        found, result = told[run.id], read_json(run.folder / "result.json")
        assert found.config["fold"] == run.fold and found.config["adn"]["name"] == "cnn"
        check_curves(found, run.folder)
        assert found.curves[0].keys() == {"epoch", *losses, "attention_sd"}
        for head, figures in (("adn", result), ("caan", result["caan"])):
            assert [found.summary[f"test/{head}_{key}"] for key in ("f1", "auroc", "ap")] == [
                figures[key] for key in ("f1", "auroc", "ap")
            ]
        assert found.summary["test/floor"] == result["floor"]
        sheet = found.files / found.last("sheet")["path"]
        assert sheet.read_bytes() == (run.folder / "sheet.png").read_bytes()

        predictions = rows(run.folder / "predictions.csv")
        columns, data = found.last("predictions")
        assert columns == ["file", "sha256", "label", "adn", "caan"]
        assert [row[0] for row in data] == [row["file"] for row in predictions]
        assert [row[3] for row in data] == [float(row["adn"]) for row in predictions]
        _, counts = found.last("confusion_table")
        names = ["normal", "anomalous"]
        answers = [(names[int(row["label"])], names[float(row["adn"]) > 0.5]) for row in predictions]
        assert {(actual, given): count for actual, given, count in counts} == {
            (actual, given): answers.count((actual, given)) for actual in names for given in names
        }


def test_what_is_told_of_a_colorizer(trained: Path, runs: list[Run], read_back: ReadBack) -> None:
    told = read_back(trained)
    for run in runs:
        found = told[run.maps_folder.name[-12:]]
        check_curves(found, run.maps_folder)
        assert (found.config["name"], found.config["images"]) == ("autoencoder", 12)


def test_a_push_tells_the_same(
    trained: Path, runs: list[Run], read_back: ReadBack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "runs"
    shutil.copytree(trained, home, ignore=shutil.ignore_patterns("wandb"))
    push(home, results(home), Destination("leanet", None, offline=True))
    pushed, told = read_back(home), read_back(trained)
    assert pushed.keys() == told.keys() and len(pushed) == 3
    for name, run in pushed.items():
        assert [row["epoch"] for row in run.curves] == [row["epoch"] for row in told[name].curves]
        for key, value in told[name].facts.items():
            if key == "figures":  # losses are rounded in curves.csv
                assert run.facts[key] == pytest.approx(value, rel=1e-5)
            else:
                assert run.facts[key] == value


class Steps:
    """As much of a W&B run as counts steps: it goes on after `step` epochs, and takes none twice."""

    def __init__(self, step: int) -> None:
        self.step = step + 1
        self.told: list[dict[str, float]] = []

    def log(self, row: dict[str, float], step: int, commit: bool) -> None:
        assert step >= self.step and commit
        self.step = step + 1
        self.told.append(row)


def test_online_only_what_wandb_does_not_have_is_told() -> None:
    epochs = [{"epoch": float(epoch), "loss": 1 / epoch} for epoch in range(1, 6)]
    run: Any = Steps(3)
    session.log_epochs(run, epochs[:4])
    session.log_epochs(run, epochs)
    assert run.told == epochs[3:]


def test_a_folder_is_told_once(trained: Path, runs: list[Run]) -> None:
    for before, told in ((0, 5), (2, 3), (4, 1), (5, 0)):  # four epochs, and the last step
        run: Any = Steps(before)
        session.log_folder(run, runs[0].folder)
        session.log_folder(run, runs[0].folder)
        assert len(run.told) == told
