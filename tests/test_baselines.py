"""Whole runs of what stands in an ADN's place without a network, against scikit-learn on the same folds."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torchmetrics.functional.classification import binary_auroc

import leanet
from leanet.color import rgb_to_lab
from leanet.config.effective import settings_of
from leanet.report.cells import cells_of, pooled, tables_of
from leanet.report.results import results
from leanet.runs.cell import Cells, load
from leanet.storage.files import read_json
from leanet.train import train

Configure = Callable[..., dict[str, Any]]

WORDS = ("fold=null", "validation=0.25", "trainer.max_epochs=1", "colorizer.max_epochs=1")
LAB, SCORE, CNN = ("adn=lab_statistics",), ("adn=map_score", "adn.statistic=max"), ("adn=cnn", "caan=none")


@pytest.fixture(scope="module")
def home(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both are done, and a network beside them."""
    home = tmp_path_factory.mktemp("baselines")
    for words in (LAB, SCORE, CNN):
        train(configure(home, *WORDS, *words))
    return home


def folders(home: Path, name: str) -> list[Path]:
    return sorted(home.glob(f"detectors/synthetic-{name}-fold*"))


def found_in(folder: Path, file: str = "predictions.csv") -> tuple[np.ndarray, np.ndarray, list[str]]:
    """P(anomalous), labels and names."""
    rows = list(csv.DictReader((folder / file).read_text().splitlines()))
    return (
        np.array([float(row["adn"]) for row in rows]),
        np.array([int(row["label"]) for row in rows]),
        [row["file"] for row in rows],
    )


def test_probabilities_are_scikit_learns_of_the_fold_s_training_images(home: Path, configure: Configure) -> None:
    images, _ = load(Cells().of(settings_of(configure(home, *WORDS, *LAB))))
    lab = rgb_to_lab(torch.from_numpy(images.images) / 255).double().numpy()
    figures = dict(zip(images.index.names, np.concatenate([lab.mean((2, 3)), lab.std((2, 3))], axis=1), strict=True))
    label_of = dict(zip(images.index.names, images.labels, strict=True))
    for folder in folders(home, "lab_statistics"):
        (found, labels, names), (_, _, held) = found_in(folder), found_in(folder, "validation.csv")
        train_on = [name for name in figures if name not in {*names, *held}]
        known, known_labels = [figures[name] for name in train_on], [label_of[name] for name in train_on]
        theirs = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8)).fit(known, known_labels)
        expected = theirs.predict_proba([figures[name] for name in names])[:, 1]
        np.testing.assert_allclose(found, expected, atol=1e-3)
        result = read_json(folder / "result.json") or {}
        assert result["f1"] == pytest.approx(f1_score(labels, found > 0.5)) == result["last_epochs"]["mean"]
        assert (result["parameters"], result["epochs"], result["caan"], result["map_divisor"]) == (7, 0, None, None)


def test_the_ranking_is_the_map_s_own(home: Path, configure: Configure) -> None:
    cell = Cells().of(settings_of(configure(home, *WORDS, *SCORE)))
    images, _ = load(cell)
    rows = {name: row for row, name in enumerate(images.index.names)}
    for run in cell.runs:
        score = np.load(run.maps_file).astype(np.float32).max(axis=(1, 2, 3))
        found, labels, names = found_in(run.folder)
        own = torch.tensor([score[rows[name]] for name in names])
        expected = float(binary_auroc(own / own.max(), torch.tensor(labels)))  # of 0…1, or it would take the sigmoid
        assert run.result is not None and run.result["auroc"] == pytest.approx(expected, abs=1e-6)
        assert (np.diff(found[own.argsort()]) >= 0).all() and found.std() > 0


@pytest.mark.parametrize("name", ["lab_statistics", "map_score-max"])
def test_a_run_is_done_again_to_the_bit_and_asked_as_any_other(
    home: Path, configure: Configure, name: str, tmp_path: Path
) -> None:
    folder = folders(home, name)[0]
    kept = {file: (folder / file).read_bytes() for file in ("predictions.csv", "validation.csv", "last.ckpt")}
    assert (folder / "sheet.png").exists() and not (folder / "curves.csv").exists()
    (folder / "result.json").unlink()  # as if it had been killed
    train(configure(home, *WORDS, *(LAB if name == "lab_statistics" else SCORE), "seed=7", "colorizer.seed=0"))
    assert kept == {file: (folder / file).read_bytes() for file in kept}

    images, _ = load(Cells().of(settings_of(configure(home, *WORDS, *LAB))))
    found, _, names = found_in(folder)
    files = [tmp_path / f"{number}.png" for number in range(len(names))]
    for file, image in zip(files, names, strict=True):
        pixels = images.images[images.index.names.index(image)]
        Image.fromarray(np.moveaxis(pixels, 0, -1)).save(file)
    answers = leanet.load(folder).predict(files, details=True)
    np.testing.assert_allclose(answers.probabilities, found, atol=1e-5)
    assert (answers.maps is None) == (name == "lab_statistics")


def test_they_stand_in_every_table_that_they_fit(home: Path, configure: Configure) -> None:
    train(configure(home, *WORDS, *CNN, "trainer.max_epochs=2", "seed=3"))
    rows = ["cnn", "lab_statistics", "map_score-max"]
    tables = {shared["trainer.max_epochs"]: names(folds) for shared, folds in tables_of(pooled(results(home)))}
    assert tables == {1: rows, 2: rows}
    folds = results(home)
    assert [names(members) for _, members in tables_of(folds[folds["model"] != "cnn"])] == [
        ["lab_statistics", "map_score-max"]
    ]


def names(folds: Any) -> list[str]:
    return list(cells_of(folds)["row"])
