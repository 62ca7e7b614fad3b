"""Groups, kinds and tables through the commands, from files to the report."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from leanet.config.command_line import CONF  # after the environment is set
from leanet.report.__main__ import report
from leanet.train import train


def configure(command: str, *overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        container: Any = OmegaConf.to_container(compose(command, overrides=list(overrides)), resolve=True)
    return container


def leaf_table(root: Path) -> Path:
    """24 images of 12 plants, half of them spotted in red or blue, in a table as a spreadsheet saves it."""
    rng, lines = np.random.default_rng(0), ["file;label;group;kind"]
    for number in range(24):
        plant, anomalous = number // 2, number % 4 >= 2
        pixels = rng.integers(60, 90, (40, 40, 3), dtype=np.uint8)
        kind = ("red", "blue")[number // 4 % 2] if anomalous else ""
        if anomalous:
            pixels[10:30, 10:30, 0 if kind == "red" else 2] = 220
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(f"{number}.png;{'sick' if anomalous else 'ok'};plant{plant};{kind}")
    (root / "labels.csv").write_text("\n".join(lines), encoding="utf-16")
    return root / "labels.csv"


@pytest.mark.usefixtures("no_sheets")
def test_a_table_with_groups_and_kinds_is_trained_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dataset=table", f"dataset.file={leaf_table(tmp_path)}", "dataset.image_size=32", "adn=lab_statistics"]
    words = [*words, f"paths.runs={tmp_path / 'runs'}", "folds=3"]
    for more in ([], ["leave_kind_out=true"]):
        train(configure("train", *words, *more))
    told = capsys.readouterr().out
    assert "fold 1: 4 normal, 4 anomalous images; 4 groups; kinds: " in told
    assert "fold 1: 6 normal, 6 anomalous images; 6 groups; kinds: blue 6" in told
    results = [json.loads(file.read_text()) for file in (tmp_path / "runs").rglob("result.json")]
    assert sorted((result["folds"], result["fold"]) for result in results) == [(2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
    for folds in (tmp_path / "runs" / "folds").glob("*.csv"):
        with folds.open() as file:
            of_plant = {(int(Path(row["file"]).stem) // 2, row["fold"]) for row in csv.DictReader(file)}
        assert len(of_plant) == 12  # no plant is in two folds
    report(configure("report", "table=kinds", f"paths.runs={tmp_path / 'runs'}"))
    told = capsys.readouterr().out
    assert told.count("| blue   |") == told.count("| red    |") == 2
