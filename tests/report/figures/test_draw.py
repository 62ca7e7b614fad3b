"""python -m leanet.report figure=… on real runs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.config.command_line import CONF
from leanet.errors import LeanetError
from leanet.report.__main__ import report
from leanet.report.figures.draw import figures_of, write_figures
from leanet.report.figures.pictured import worst_mistakes
from leanet.report.figures.pictures import Gallery
from leanet.report.results import results
from leanet.report.selection import Selection

Finish = Any  # see ../conftest.py


def run(home: Path, *words: str) -> set[str]:
    """The names of the files that the command writes."""
    before = {file: file.stat().st_mtime_ns for file in home.glob("report/*")}
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("report", overrides=[f"paths.runs={home}", *words])
    report(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    return {file.name for file in home.glob("report/*") if before.get(file) != file.stat().st_mtime_ns}


def both(*names: str) -> set[str]:
    return {f"{name}.{ending}" for name in names for ending in ("pdf", "png")}


def test_examples_of_maps(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "figure=3") == both("figure3")
    assert capsys.readouterr().out == f"written: {home}/report/figure3.{{pdf,png}}\n"


def test_features_say_which_points_are_missing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "figure=5") == both("figure5-leaves-cnn+mobilenet")
    assert "leaves · cnn+mobilenet · fold 1: no run is done at point 2, 4, 5\n" in capsys.readouterr().out


def test_points(home: Path) -> None:
    assert run(home, "figure=points") == both("points")


def test_lifts_of_a_figure_over_a_model_that_is_named(home: Path) -> None:
    assert run(home, "figure=lifts") == both("lifts")
    assert run(home, "figure=lifts", "lift_of=auroc", "against=cnn") == both("lifts-auroc")


def test_mistakes_of_each_cell(home: Path) -> None:
    drawn = {drawing.name for drawing in figures_of(Selection(home, results(home), home), "mistakes")}
    assert drawn == {f"mistakes-leaves-cnn{rest}" for rest in ("", "+mobilenet-point1", "+mobilenet-point3")}
    assert run(home, "figure=mistakes", "models=[cnn]") == both("mistakes-leaves-cnn")


def test_worst_mistakes_over_all_folds(home: Path) -> None:
    folds = results(home)
    runs = folds[folds["model"] == "cnn+mobilenet@3"].itertuples()
    pictures = [(str(run.fold), Gallery(home, home).of(run.folder)) for run in runs]
    every = [
        (abs(chance - label), int(label), name, fold)
        for fold, of_fold in pictures
        for name, label, chance in zip(
            of_fold.predictions.names, of_fold.predictions.labels, of_fold.predictions.probabilities, strict=True
        )
    ]
    for part in worst_mistakes(pictures, most=3):
        ranked = sorted((entry for entry in every if entry[1] == part.label), reverse=True)
        wrong = [entry for entry in ranked if (entry[0] > 0.5)]
        assert part.wrong == len(wrong) and part.images == len(ranked)
        shown = ranked[: min(3, len(wrong) or 3)]
        assert [(panel.name, fold) for panel, fold in zip(part.panels, part.folds, strict=True)] == [
            (name, fold) for _, _, name, fold in shown
        ]
        assert all(panel.attention is not None for panel in part.panels)


@pytest.mark.parametrize(
    ("words", "told"),
    {
        "figure=4": "figure=4: nothing to draw in .*; it needs runs with positive_rate=1,0.5,… of one network",
        "figure=5 models=[cnn]": "figure=5: nothing to draw in .*; it needs a run with attention",
        "figure=3 models=[cnn]": "figure=3: nothing to draw in .*; it needs a run with maps",
        "figure=points models=[cnn+mobilenet@1]": "figure=points: nothing to draw in .*; it needs runs with attention",
    }.items(),
)
def test_nothing_to_draw(home: Path, words: str, told: str) -> None:
    with pytest.raises(LeanetError, match=told):
        run(home, *words.split())


def test_curves_and_what_has_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(home, "figure=curves")
    assert both("curves-leaves-cnn") | both("curves-leaves-cnn+mobilenet-point3") <= found
    kept = [folder / "curves.csv" for folder in home.glob("*/*") if (folder / "curves.csv").exists()]
    for file in kept:
        file.rename(file.with_name("hidden"))
    try:
        with pytest.raises(LeanetError, match=r"figure=curves: nothing to draw in .*; it needs a run that keeps"):
            run(home, "figure=curves")
    finally:
        for file in kept:
            file.with_name("hidden").rename(file)
    told = "leaves, cnn+mobilenet@3: no losses were kept of folds 1, 2, done by an older version\n"
    assert told in capsys.readouterr().out


def test_charts_need_no_images_and_pictures_say_that_they_do(home: Path, leaves: Path) -> None:
    folds = results(home)
    elsewhere = leaves.rename(leaves.with_name("elsewhere"))
    try:
        assert len(list(figures_of(Selection(home, folds, home), "points"))) == 1
        assert len(list(figures_of(Selection(home, folds, home), "curves"))) == 3
        with pytest.raises(LeanetError, match=rf"^leaves: its images are needed .*dataset\.root={leaves}: no such"):
            list(figures_of(Selection(home, folds, home), "mistakes"))
    finally:
        elsewhere.rename(leaves)


@pytest.mark.slow
def test_two_datasets_whose_names_are_one_file_s_name_and_one_that_is_gone(
    home: Path, leaves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are drawn; of the third, whose images are not there, that is said."""
    folds = results(home)
    alone = folds[folds["model"] == "cnn"]
    alike = pd.concat([alone.assign(dataset=f"leaves (root={root})", cell="same") for root in ("x/a", "x-a")])
    write_figures(Selection(tmp_path, alike, home), "mistakes")
    assert len(list((tmp_path / "report").glob("*.png"))) == 2
    copy = Path(shutil.copytree(home, tmp_path / "copy"))
    for file in copy.glob("detectors/leaves-cnn-fold*/config.yaml"):
        file.write_text(file.read_text().replace(str(leaves), "/gone/for/ever"))
    capsys.readouterr()
    assert run(copy, "figure=mistakes") == both(
        "mistakes-leaves-cnn+mobilenet-point1", "mistakes-leaves-cnn+mobilenet-point3"
    )
    told = capsys.readouterr().err
    assert told.startswith("leanet: left out: leaves: its images are needed") and told.count("\n") == 1


def test_the_share_of_positives_takes_all_shares_of_a_named_model(finish: Finish, tmp_path: Path) -> None:
    for rate in (1, 0.5):
        finished = finish({1: 0.6, 2: 0.7}, "caan=none", f"positive_rate={rate}")
        for file in finished.folder.parent.glob("*/result.json"):
            result = json.loads(file.read_text())
            file.write_text(json.dumps({"positives_of_all": rate / 5, **result}))
    folds = results(tmp_path)
    ((name, figure, _),) = figures_of(
        Selection(tmp_path, folds[folds["model"] == "resnet18"], tmp_path, models=["resnet18"]),
        4,
    )
    assert name == "figure4"
    np.testing.assert_allclose(figure.axes[0].containers[0].lines[0].get_xdata(orig=False), [0.1, 0.2])
