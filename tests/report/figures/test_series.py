import json
from pathlib import Path
from typing import Any

import pytest

from leanet.config.allowed_targets import read_config
from leanet.report.figures.series import Level, losses_of, scores_by_point, scores_by_share
from leanet.report.figures.style import style_of
from leanet.report.results import results
from leanet.storage.run_files import RESULT

Finish = Any  # see ../conftest.py


def folds(home: Path) -> Any:
    """The finished folds, with positives_of_all as if a fifth of all images were positive."""
    for file in home.glob(f"detectors/*/{RESULT}"):
        result = json.loads(file.read_text())
        rate = float(read_config(file.parent)["positive_rate"])
        file.write_text(json.dumps({**result, "positives_of_all": 0.2 * rate}))
    return results(home)


def test_figure_4_shows_the_best_point_among_those_done_at_every_share(finish: Finish, tmp_path: Path) -> None:
    for rate, at2, at3, plain in ((1, 0.8, 0.7, 0.6), (0.5, 0.5, 0.6, 0.4)):
        for words, f1 in (("caan=direct point=2", at2), ("caan=direct point=3", at3), ("caan=none", plain)):
            finish({1: f1, 2: f1 - 0.1}, *words.split(), f"positive_rate={rate}")
    finish({1: 0.99, 2: 0.99}, "caan=direct", "point=1")  # of one share alone: it must not stand in for the others
    finish({1: 0.9}, "caan=none", "input=map")
    (scores,) = scores_by_share(folds(tmp_path))
    lines = {line.method: line for line in scores.lines}
    assert set(lines) == {"resnet18", "resnet18+direct"}
    assert lines["resnet18"].x == (0.1, 0.2) and lines["resnet18"].folds == ((0.4, 0.4 - 0.1), (0.6, 0.6 - 0.1))
    assert lines["resnet18+direct"].folds == ((0.6, 0.6 - 0.1), (0.8, 0.8 - 0.1))


def test_points_of_a_row_with_the_plain_network_and_the_floor(finish: Finish, tmp_path: Path) -> None:
    for point, f1 in ((5, 0.5), (1, 0.9), (3, 0.7)):
        finish({1: f1, 2: f1 / 2}, "caan=mobilenet", f"point={point}")
    finish({1: 0.6, 2: 0.62}, "caan=none")
    finish({1: 0.1}, "caan=none", "adn=vgg16")  # of no line's network
    finish({1: 0.3}, "caan=direct", "point=2")  # one point makes no line
    (scores,) = scores_by_point(folds(tmp_path))
    (line,) = scores.lines
    assert (line.method, line.x) == ("resnet18+mobilenet", (1, 3, 5))
    assert line.folds == ((0.9, 0.45), (0.7, 0.35), (0.5, 0.25))
    assert scores.plain == (
        Level("resnet18", style_of("resnet18", ""), (0.6, 0.62)),
    ) and scores.floor == pytest.approx(0.4)


def test_losses_as_they_were_written_down(home: Path) -> None:
    """The colorizer's too; and a fold whose curves are gone, as those of older runs, is named."""
    runs = results(home)
    runs = runs[runs["model"] == "cnn+mobilenet@3"]
    losses = losses_of(home, runs)
    assert losses.without == () and {*losses.curves} == {"adn_loss", "caan_loss", "colorizer"}
    (folder,) = home.glob("detectors/leaves-cnn+mobilenet-point3-fold2-*")
    (colorizer,) = home.glob("colorizers/leaves-fold2-*")
    written = {"adn_loss": folder, "caan_loss": folder, "colorizer": colorizer}
    for name, place in written.items():
        rows = [line.split(",") for line in (place / "curves.csv").read_text().splitlines()]
        column = rows[0].index("loss" if name == "colorizer" else name)
        assert losses.curves[name][1] == tuple(float(row[column]) for row in rows[1:])
    (folder / "curves.csv").rename(folder / "hidden")
    try:
        assert losses_of(home, runs).without == (2,)
    finally:
        (folder / "hidden").rename(folder / "curves.csv")


def test_of_several_colorizers_no_curve_is_shown(finish: Finish, tmp_path: Path) -> None:
    run = finish({1: 0.5}, "caan=direct", "map.cross_fit=2")
    (run.folder / "curves.csv").write_text("epoch,adn_loss\n1,0.5\n")
    file = run.folder / RESULT
    file.write_text(json.dumps({**json.loads(file.read_text()), "colorizer": ["one", "two"]}))
    assert {*losses_of(tmp_path, results(tmp_path)).curves} == {"adn_loss"}
