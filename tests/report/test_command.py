"""python -m leanet.report as people call it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.config.command_line import CONF
from leanet.errors import LeanetError
from leanet.report.__main__ import report

Finish = Any  # see conftest.py
POTATO = ("dataset.name=potato",)  # no more than its name is read
FOLDS = {1: 0.58, 2: 0.59, 3: 0.6, 4: 0.61, 5: 0.62}


def run(home: Path, *words: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("report", overrides=[f"paths.runs={home}", *words])
    report(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]


def test_the_command_writes_what_it_prints(finish: Finish, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(FOLDS, *POTATO, "caan=none")
    finish(FOLDS, *POTATO, "caan=none", "seed=1")
    run(tmp_path, "table=3", "columns=[f1,auroc,collapsed]")
    written = {file.name for file in (tmp_path / "report").iterdir()}
    assert written == {f"table3-seed{seed}.{ending}" for seed in (0, 1) for ending in ("md", "csv", "tex")}
    assert "Table 3: image_size 32" in capsys.readouterr().out
    run(tmp_path)
    assert "| potato    | resnet18 | 11.2             | 5/5     | 0.600 ± 0.016 |" in capsys.readouterr().out
    written = {file.name for file in (tmp_path / "report").glob("cells*")}
    assert written == {f"cells-seed{seed}.{ending}" for seed in (0, 1) for ending in ("md", "csv", "tex")}
    run(tmp_path, "columns=[auroc]")  # and no others
    head, row = (tmp_path / "report" / "cells-seed0.csv").read_text().splitlines()
    assert (head, row) == ("dataset,model,parameters (M),folds,auroc", "potato,resnet18,11.2,5/5,0.900 ± 0.000")
    with pytest.raises(LeanetError, match=r"columns=\[nested\]: it chooses among points, and table=cells has"):
        run(tmp_path, "columns=[nested]")
    with pytest.raises(LeanetError, match="table=7: none of its runs is done"):
        run(tmp_path, "table=7")
    run(tmp_path, "columns=[lift]", "lift_of=ap", "against=resnet18")
    assert "lift: average precision less resnet18's, fold by fold" not in capsys.readouterr().out  # of one cell alone
    finish(FOLDS, *POTATO, "caan=direct")
    run(tmp_path, "columns=[lift]", "lift_of=ap", "against=resnet18")
    assert "lift: average precision less resnet18's, fold by fold" in capsys.readouterr().out
    with pytest.raises(LeanetError, match=r"against=vgg16: no run of it is among them; there are resnet18, resnet"):
        run(tmp_path, "against=vgg16")
    with pytest.raises(LeanetError, match=r"datasets=\[wood\]: no run of it is done in .*; there are potato"):
        run(tmp_path, "datasets=[potato,wood]")


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "table=4": "table=4: must be 3, 5, 6, 7, 8, cells or kinds",
        "columns=[f2]": "columns=['f2']: must be a list of some of f1, left_out, nested, thresholded, at_prior,",
        "tabel=3": "tabel is no setting, did you mean table?",
        "paths.runs=nowhere": "paths.runs=nowhere: no run is done there",
    }.items(),
)
def test_mistakes_are_told_in_one_line(words: str, told: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "leanet.report", words]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 1 and found.stdout == ""
    assert found.stderr.startswith(f"leanet: {told}") and found.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_mistake(finish: Finish, tmp_path: Path) -> None:
    finish(FOLDS, *POTATO, "caan=none")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-u", "-m", "leanet.report", f"paths.runs={tmp_path}"]
    found = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (found.returncode, found.stderr) == (1, "")
