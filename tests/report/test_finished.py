"""Damaged files of one run: named, with what to remove, and no reason to withhold the others."""

import json
from pathlib import Path
from typing import Any

import pytest

from leanet.errors import LeanetError
from leanet.report.figures.selection import Chosen
from leanet.report.finished import finished_cells
from leanet.report.page.facts import page_facts
from leanet.report.page.write import write_page
from leanet.report.predictions import Predictions

Finish = Any  # see conftest.py
FOLDS = {1: 0.5, 2: 0.6}
HEAD = "file,sha256,label,adn\n"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"f1": 0.5', b"\xff\xfe", b'{"f1": 0.5}'])
def test_a_damaged_result_is_named_and_left_out(
    finish: Finish, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = finish(FOLDS, "caan=none")
    finish(FOLDS, "caan=direct")
    for file in tmp_path.glob("detectors/*direct*fold1*/result.json"):
        file.write_bytes(content)
        told = f"leanet: left out: {file}: damaged; remove it, and give the command that made it once more\n"
    assert [(cell.model, cell.done) for cell in finished_cells(tmp_path)] == [("resnet18", 2), ("resnet18+direct@4", 1)]
    assert capsys.readouterr().err == told and kept.is_done


@pytest.mark.parametrize("content", [b"", b"[]", b"adn: 1", b"\x00", b"\xff", b"a: [", b"seed: 0\nsplit_seed: 0\n"])
def test_a_damaged_configuration_is_named_and_its_cell_left_out(
    finish: Finish, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(FOLDS, "caan=none")
    finish(FOLDS, "caan=direct")
    for file in tmp_path.glob("detectors/*direct*/config.yaml"):
        file.write_bytes(content)
    assert [cell.model for cell in finished_cells(tmp_path)] == ["resnet18"]
    told = capsys.readouterr().err
    assert told.startswith(f"leanet: left out: {tmp_path}/detectors/") and "config.yaml: not as leanet writes" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "content", ["", "file,sha256,label,adn\na.png,1,1,0.5\n", "file,sha256,label,adn\na.png,1,x,0.5\n", None]
)
def test_damaged_predictions_cost_the_page_one_run(finish: Finish, tmp_path: Path, content: str | None) -> None:
    run = finish({1: 0.5}, "caan=none")
    file = run.folder.with_name(next(tmp_path.glob("detectors/*")).name) / "predictions.csv"
    file.unlink() if content is None else file.write_text(content)
    [result] = finished_cells(tmp_path)[0].results
    with pytest.raises(LeanetError, match=rf"^{file}: gone or damaged; remove result.json beside it, and"):
        Predictions.of(result)
    [told] = page_facts(finished_cells(tmp_path)).data["cells"]
    assert str(file) in told["missing"] and told["runs"][0]["rows"] == []
    assert write_page(Chosen(tmp_path, finished_cells(tmp_path), tmp_path)).exists()


def test_results_are_read_whatever_else_they_say(finish: Finish, tmp_path: Path) -> None:
    """Newer versions may add to them."""
    finish({1: 0.5}, "caan=none")
    (file,) = tmp_path.glob("detectors/*/result.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "new": 1}))
    assert len(finished_cells(tmp_path)) == 1
