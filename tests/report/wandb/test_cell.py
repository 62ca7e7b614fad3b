import statistics
from pathlib import Path
from typing import Any

import pytest

from leanet.report.lifts import lifts
from leanet.report.results import results
from leanet.report.wandb.cell import figures_of, log_cell_of, log_cells
from leanet.report.wandb.destination import Destination

FOLDS = {1: 0.58, 2: 0.59, 3: 0.6, 4: 0.61, 5: 0.65}


def test_the_summary_is_that_of_the_folds(done: Any, tmp_path: Path, read_back: Any) -> None:
    [*_, last] = done(FOLDS, "caan=direct")
    log_cells(tmp_path, results(tmp_path), Destination("leanet", None, offline=True))
    found = read_back(tmp_path)[last.cell]
    values = list(FOLDS.values())
    assert found.summary["f1/mean"] == pytest.approx(statistics.mean(values))
    assert found.summary["f1/sd"] == pytest.approx(statistics.stdev(values))
    assert (found.summary["auroc/mean"], found.summary["auroc/sd"]) == (0.9, 0)
    assert (found.summary["floor/mean"], found.summary["collapsed"]) == (0.4, 0)
    assert (found.summary["folds_done"], found.summary["folds_all"]) == (5, 5)
    columns, rows = found.last("folds")
    assert [dict(zip(columns, row, strict=True))["f1"] for row in rows] == values
    assert [row[0] for row in rows] == list(FOLDS)
    assert [found.config[key] for key in ("model", "row", "point")] == ["resnet18+direct@4", "resnet18+direct", 4]
    assert found.job == "cell" and found.name == found.group == f"synthetic resnet18+direct@4 {last.cell}"


def test_a_fold_more_takes_the_place_of_what_was_there(
    done: Any, tmp_path: Path, read_back: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    to = Destination("leanet", None, offline=True)
    for folds in ({1: 0.5}, {1: 0.5, 2: 0.7}):
        [*_, last] = done(folds, "caan=none")
        log_cell_of(last, to)
        assert f"resnet18 {last.cell}, {len(folds)}/5 folds: wandb sync " in capsys.readouterr().out
        [told] = read_back(tmp_path).values()
        assert (told.id, told.summary["folds_done"]) == (last.cell, len(folds))
        assert "point" not in told.config
    assert told.summary["f1/mean"] == pytest.approx(0.6)


def test_a_single_fold_has_no_sd(finish: Any, tmp_path: Path) -> None:
    finish({1: 0.7})
    figures = figures_of(results(tmp_path))
    assert figures["f1/mean"] == 0.7 and "f1/sd" not in figures
    assert (figures["folds_done"], figures["folds_all"]) == (1, 5)


def test_the_lift_over_the_plain_adn(finish: Any, tmp_path: Path) -> None:
    finish(FOLDS, "caan=none")
    finish({fold: value + 0.1 for fold, value in FOLDS.items()}, "caan=direct")
    folds = results(tmp_path)
    [lift] = lifts(folds).values()
    figures = figures_of(folds[folds["point"].notna()], lift.comparison)
    assert figures["lift/mean"] == pytest.approx(0.1)
    assert figures["lift/low"] <= figures["lift/mean"] <= figures["lift/high"]
