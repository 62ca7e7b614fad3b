"""The table of finished folds; and damaged files of one run: named, and no reason to withhold the others."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leanet.errors import LeanetError
from leanet.report.page.data import page_data
from leanet.report.page.write import write_page
from leanet.report.predictions import Predictions
from leanet.report.results import results
from leanet.report.selection import Selection

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
    assert list(results(tmp_path).groupby("model").size().items()) == [("resnet18", 2), ("resnet18+direct@4", 1)]
    assert capsys.readouterr().err == told and kept.is_done


@pytest.mark.parametrize("content", [b"", b"[]", b"adn: 1", b"\x00", b"\xff", b"a: [", b"seed: 0\nsplit_seed: 0\n"])
def test_a_damaged_configuration_is_named_and_its_cell_left_out(
    finish: Finish, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(FOLDS, "caan=none")
    finish(FOLDS, "caan=direct")
    for file in tmp_path.glob("detectors/*direct*/config.yaml"):
        file.write_bytes(content)
    assert set(results(tmp_path)["model"]) == {"resnet18"}
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
    with pytest.raises(LeanetError, match=rf"^{file}: gone or damaged; remove result.json beside it, and"):
        Predictions.of(file.parent)
    [told] = page_data(results(tmp_path)).data["cells"]
    assert str(file) in told["missing"] and told["runs"][0]["rows"] == []
    assert write_page(Selection(tmp_path, results(tmp_path), tmp_path)).exists()


def test_results_are_read_whatever_else_they_say(finish: Finish, tmp_path: Path) -> None:
    """Newer versions may add to them."""
    finish({1: 0.5}, "caan=none")
    (file,) = tmp_path.glob("detectors/*/result.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "new": 1}))
    assert len(results(tmp_path)) == 1


def test_a_row_for_each_fold_says_what_was_run(finish: Finish, tmp_path: Path) -> None:
    finish(FOLDS, "caan=direct", "point=2", "positive_rate=0.5", "trainer.balance=weights", validated={1: 0.3, 2: 0.4})
    finish({1: 0.7}, "adn=lab_statistics")
    table = results(tmp_path)
    assert list(table["f1"]) == [0.7, 0.5, 0.6] and list(table["fold"]) == [1, 1, 2]
    alone, first, _ = table.to_dict("records")
    names = ("model", "unthinned", "row", "method", "paper_row", "plain", "variant")
    assert [first[name] for name in names] == [
        "resnet18+direct@2-balanced-pos0.5",
        "resnet18+direct@2-balanced",
        "resnet18+direct-balanced-pos0.5",
        "resnet18+direct-balanced",
        "resnet18+direct-pos0.5",
        "resnet18-balanced-pos0.5",
        "+direct",
    ]
    settings = ("adn", "caan", "input", "point", "map", "colorizer", "balance", "positive_rate", "epochs")
    assert [first[name] for name in settings] == [
        "resnet18",
        "direct",
        "rgb",
        2,
        "ciede2000",
        "unet",
        "weights",
        0.5,
        6,
    ]
    assert (first["adn.lr"], first["trainer.batch_size"], first["validated"], first["test_share"]) == (
        1e-3,
        16,
        0.3,
        0.2,
    )
    assert [alone[name] for name in ("point", "attention", "map", "colorizer", "map.name")] == [None] * 5
    assert alone["epochs"] == 0 and alone["validated"] != alone["validated"]  # not a number


def test_the_table_needs_no_torch_and_pandas_only_when_it_is_read(finish: Finish, tmp_path: Path) -> None:
    finish(FOLDS, "caan=none")
    code = (
        "import sys, leanet.report.__main__ as command, leanet.grid.comparison, leanet.report.page.data\n"
        "assert 'pandas' not in sys.modules\n"
        f"assert len(command.results({str(tmp_path)!r})) == 2 and 'torch' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
