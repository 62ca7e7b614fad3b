"""python -m leanet.report wandb: runs made with another logger become what they would have been with W&B's."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.config.command_line import CONF
from leanet.report.__main__ import report
from leanet.report.csv_files import read_curves
from leanet.report.wandb import session


def push(home: Path, *words: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("report", overrides=[f"paths.runs={home}", "wandb=true", "push.offline=true", *words])
    report(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]


def test_what_is_done_is_pushed_and_said_in_two_lines(
    done: Any, tmp_path: Path, read_back: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = done({1: 0.8, 2: 0.7}, "caan=mobilenet")
    finish_line = f"W&B: 2 runs, 1 cell, 2 colorizers: wandb sync {tmp_path}/*/*/wandb/offline-run-*"
    push(tmp_path)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == finish_line
    assert said[1].startswith(f"dashboard: {tmp_path}/report/dashboard.json; ") and len(said) == 2
    told = read_back(tmp_path)
    assert len(told) == 5
    for run in runs:
        found, colorizer = told[run.id], told[run.maps_folder.name[-12:]]
        assert (found.job, found.group, found.name) == ("fold", f"synthetic {run.model} {run.cell}", run.name)
        assert found.config["adn"]["name"] == "resnet18" and found.summary["test/adn_f1"] == (0.8, 0.7)[run.fold - 1]
        assert found.curves == [
            {"epoch": 1, "loss": 2.5, "adn_loss": 1.5, "caan_loss": 1},
            {"epoch": 2, "loss": 1.25, "adn_loss": 0.75, "caan_loss": 0.5},
        ]
        _, counts = found.last("confusion_table")  # of probabilities 0, 0.1, … 0.9 with labels 0, 1, 0, 1 …
        assert {(row[0], row[1]): row[2] for row in counts} == {
            ("normal", "normal"): 3,
            ("normal", "anomalous"): 2,
            ("anomalous", "normal"): 3,
            ("anomalous", "anomalous"): 2,
        }
        sheet = found.files / found.last("sheet")["path"]
        assert sheet.read_bytes() == (run.folder / "sheet.png").read_bytes()
        assert [row["loss"] for row in colorizer.curves] == [0.5, 0.25, 0.125]
        assert colorizer.config["name"] == "unet" and "seconds" not in colorizer.config


def test_pushed_again_and_after_a_push_that_was_killed(done: Any, tmp_path: Path, read_back: Any) -> None:
    run = done({1: 0.8}, "caan=direct")[0]
    push(tmp_path)
    before = {name: (told.facts, told.curves) for name, told in read_back(tmp_path).items()}
    half = session.begin(run.folder, True, run.id, project="leanet")
    session.log_epochs(half, read_curves(run.folder)[:1])
    half.finish()
    assert len(read_back(tmp_path)[run.id].curves) == 1
    push(tmp_path, "datasets=[synthetic]")
    assert {name: (told.facts, told.curves) for name, told in read_back(tmp_path).items()} == before


def test_what_older_runs_lack_is_left_out(finish: Any, tmp_path: Path, read_back: Any) -> None:
    run = finish({1: 0.7}, "caan=none")
    (run.folder / "predictions.csv").unlink()
    push(tmp_path)
    told = read_back(tmp_path)[run.id]
    assert told.history == [] and told.summary["test/adn_f1"] == 0.7


def test_without_an_account_nothing_is_asked(finish: Any, tmp_path: Path) -> None:
    finish({1: 0.7}, "caan=none")
    code = "import sys; from leanet.report.__main__ import main; assert 'wandb' not in sys.modules; main()"
    alone = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    found = subprocess.run(
        [sys.executable, "-c", code, f"paths.runs={tmp_path}", "wandb"],
        env=alone | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("leanet: W&B: no account") and "`wandb login`" in found.stderr
    assert found.stderr.count("\n") == 1
