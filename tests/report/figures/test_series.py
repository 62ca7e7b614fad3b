import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leanet.report.cell import FinishedCell
from leanet.report.figures.series import losses_of, scores_by_point, scores_by_share, whole_model
from leanet.report.finished import finished_cells
from leanet.storage.run_files import RESULT

Finish = Any  # see ../conftest.py


def cells(home: Path) -> list[FinishedCell]:
    """The finished cells, with positives_of_all as if a fifth of all images were positive."""
    for file in home.glob(f"detectors/*/{RESULT}"):
        result = json.loads(file.read_text())
        rate = float(result["model"].rpartition("-pos")[2]) if "-pos" in result["model"] else 1.0
        file.write_text(json.dumps({**result, "positives_of_all": 0.2 * rate}))
    return finished_cells(home)


def test_figure_4_shows_the_best_point_among_those_done_at_every_share(finish: Finish, tmp_path: Path) -> None:
    for rate, at2, at3, plain in ((1, 0.8, 0.7, 0.6), (0.5, 0.5, 0.6, 0.4)):
        for words, f1 in (("caan=direct point=2", at2), ("caan=direct point=3", at3), ("caan=none", plain)):
            finish({1: f1, 2: f1 - 0.1}, *words.split(), f"positive_rate={rate}")
    finish({1: 0.99, 2: 0.99}, "caan=direct", "point=1")  # of one share alone: it must not stand in for the others
    finish({1: 0.9}, "caan=none", "input=map")
    (scores,) = scores_by_share(cells(tmp_path))
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
    (scores,) = scores_by_point(cells(tmp_path))
    (line,) = scores.lines
    assert (line.method, line.x) == ("resnet18+mobilenet", (1, 3, 5))
    assert line.folds == ((0.9, 0.45), (0.7, 0.35), (0.5, 0.25))
    assert scores.plain == {"resnet18": (0.6, 0.62)} and scores.floor == pytest.approx(0.4)


def test_whole_model() -> None:
    assert whole_model("resnet18+direct@4-ab-pos0.5", 0.5) == "resnet18+direct@4-ab"
    assert whole_model("resnet18-pos0.125 (adn.lr=0.1)", 0.125) == "resnet18 (adn.lr=0.1)"
    assert whole_model("resnet18", 1.0) == "resnet18"


def test_losses_as_they_were_written_down(home: Path) -> None:
    """The colorizer's too; and a fold whose curves are gone, as those of older runs, is named."""
    (cell,) = [cell for cell in finished_cells(home) if cell.model == "cnn+mobilenet@3"]
    losses = losses_of(home, cell)
    assert losses.without == () and {*losses.curves} == {"adn_loss", "caan_loss", "colorizer"}
    (folder,) = home.glob("detectors/leaves-cnn+mobilenet-point3-fold2-*")
    (colorizer,) = home.glob("colorizers/leaves-fold2-*")
    written = {"adn_loss": folder, "caan_loss": folder, "colorizer": colorizer}
    for name, place in written.items():
        rows = [line.split(",") for line in (place / "curves.csv").read_text().splitlines()]
        column = rows[0].index("loss" if name == "colorizer" else name)
        (curve,) = [curve for curve in losses.curves[name] if curve.fold == 2]
        assert curve.values == tuple(float(row[column]) for row in rows[1:])
    (folder / "curves.csv").rename(folder / "hidden")
    try:
        assert losses_of(home, cell).without == (2,)
    finally:
        (folder / "hidden").rename(folder / "curves.csv")


def test_of_several_colorizers_no_curve_is_shown(tmp_path: Path) -> None:
    (tmp_path / "curves.csv").write_text("epoch,adn_loss\n1,0.5\n")
    result = {"folder": str(tmp_path), "fold": 1, "colorizer": ["one", "two"]}
    cell: Any = SimpleNamespace(results=[result])
    assert {*losses_of(tmp_path, cell).curves} == {"adn_loss"}
