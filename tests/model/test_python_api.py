"""The functions do what the commands do: the same runs, the same models, the same numbers."""

import doctest
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import leanet
from leanet.config.command_line import composed
from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.model import python_api
from leanet.model.decision import DecisionRule
from leanet.model.load import Look, Model, load
from leanet.model.prediction import Prediction, run_prediction
from leanet.model.python_api import crossvalidate, fit
from leanet.model.stream import Source
from leanet.model.view import View
from leanet.report.results import results
from leanet.train import train

SMALL = {"image_size": 32, "folds": 2}


@pytest.fixture(scope="module")
def leaves() -> tuple[list[np.ndarray], np.ndarray]:
    """Images (H, W, 3) uint8 and labels."""
    made = SyntheticLeaves(image_size=32, negatives=12, positives=8, difficulty=0.0).load(Path())
    return list(made.images.transpose(0, 2, 3, 1)), made.labels


@pytest.fixture(scope="module")
def photos(leaves: tuple[list[np.ndarray], np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same as files, in the folder `photos` with a folder for each class."""
    home = tmp_path_factory.mktemp("api") / "photos"
    files = []
    for number, (pixels, label) in enumerate(zip(*leaves, strict=True)):
        files.append(home / ("Positive" if label else "Negative") / f"{number}.png")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(files[-1])
    return files


def test_files_with_labels_are_the_runs_of_the_command(
    photos: list[Path], leaves: tuple[list[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    words = ["dataset=folder", f"dataset.root={photos[0].parents[1]}", "dataset.image_size=32", "folds=2"]
    train(composed("train", [*words, "adn=lab_statistics", f"paths.runs={tmp_path}"]))
    before = results(tmp_path)
    given = {"adn": "lab_statistics", "runs": tmp_path, **SMALL}
    found = crossvalidate(photos, leaves[1], name="photos", **given)
    pd.testing.assert_frame_equal(found, before)  # only read, from the same runs
    pd.testing.assert_frame_equal(crossvalidate(photos[0].parents[1], **given), before)


def test_arrays(leaves: tuple[list[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    given = {"adn": "lab_statistics", "runs": tmp_path, "seed": 3, **SMALL}
    folds = crossvalidate(*leaves, **given)
    assert list(folds["fold"]) == [1, 2] and folds["f1"].between(0, 1).all()
    model = fit(*leaves, **given)
    answers = model.predict(leaves[0]).probabilities
    assert np.array_equal(load("images-lab_statistics", tmp_path).predict(leaves[0]).probabilities, answers)
    card = json.loads((model.found.members[0].folder / "card.json").read_text())
    assert card["crossvalidation"]["f1"]["mean"] == pytest.approx(folds["f1"].mean())


def test_settings_of_groups(leaves: tuple[list[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    given = {"adn": "cnn", "caan": "direct", "map": "folder", "map__root": "maps", "trainer__max_epochs": 1}
    with pytest.raises(LeanetError, match=r"^map\.root=maps: no such folder"):
        crossvalidate(*leaves, runs=tmp_path, **given, **SMALL)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"adn": "resnet19"}, "^adn=resnet19: there is no such choice; choose from cnn, frozen"),
        ({"trainr__max_epochs": 1}, r"^trainr\.max_epochs is no setting, did you mean trainer\.max_epochs"),
        ({"labels": None}, "^give images with their labels, or a folder of images without labels"),
        ({"fold": 1}, "^fold=1: a model is trained on all images"),
        ({"images": [], "labels": []}, "^images: no images"),
        ({"dataset__image_size": 64}, "^dataset__image_size: use the argument image_size"),
        ({"adn": None}, "^adn=null: there is no such choice; choose from cnn"),
        ({"map": "folder", "map__root": "x", "caan": "direct"}, r"^map\.root=x: no such folder"),
    ],
)
def test_mistakes_are_one_line(
    overrides: dict[str, object], message: str, leaves: tuple[list[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    given = {"images": leaves[0], "labels": leaves[1], "runs": tmp_path, **SMALL, **overrides}
    with pytest.raises(LeanetError, match=message):
        fit(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [{"threshold": "foo"}, {"threshold": 2}, {"recall": 2}, {"miss": -1}])
def test_a_rule_out_of_range(given: dict[str, object]) -> None:
    with pytest.raises(LeanetError, match=f"^{next(iter(given))}=.*: must be a number"):
        DecisionRule(**given)  # type: ignore[arg-type]


def test_results_of_no_runs(tmp_path: Path) -> None:
    assert len(python_api.results(tmp_path)["f1"]) == 0
    with pytest.raises(LeanetError, match="nowhere: no such folder"):
        python_api.results(tmp_path / "nowhere")


def test_fit_stays_a_function_after_the_command_is_imported() -> None:
    import_module("leanet.fit")
    assert leanet.fit is fit


def test_threads_may_call_at_the_same_time(leaves: tuple[list[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(composed, "train", [f"paths.runs={tmp_path}", f"seed={seed}"]) for seed in range(4)]
    assert [call.result()["seed"] for call in calls] == [0, 1, 2, 3]


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEANET_RUNS", raising=False)
    found = doctest.testmod(python_api)
    assert found.attempted > 8 and found.failed == 0


def test_sizes_are_those_of_the_effort_unless_one_is_given(photos: list[Path]) -> None:
    for given, size in (({}, 256), ({"effort": "quick"}, 64), ({"effort": "quick", "image_size": 96}, 96)):
        cell = python_api._cell(photos[0].parents[1], None, None, given.pop("image_size", None), None, None, given)
        assert cell.settings.image_size == size


@pytest.mark.parametrize("fit_", ["pad", "crop"])
def test_training_prediction_and_python_see_the_same_pixels(
    fit_: str, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of photographs that are not square."""
    for file in photos:
        there = tmp_path / "wide" / file.relative_to(file.parents[1])
        there.parent.mkdir(parents=True, exist_ok=True)
        Image.open(file).crop((0, 5, 32, 25)).resize((90, 57)).save(there)
    files = sorted((tmp_path / "wide").rglob("*.png"))
    model = fit(tmp_path / "wide", image_size=32, fit=fit_, adn="lab_statistics", runs=tmp_path / "runs")
    seen: list[np.ndarray] = []
    look = Model.look

    def spied(self: Model, views: Sequence[View], details: bool = False) -> Look:
        seen.append(np.stack([view.whole for view in views]))
        return look(self, views, details)

    monkeypatch.setattr(Model, "look", spied)
    again = load(model.found.members[0].folder)
    told = again.predict(files).probabilities
    (kept,) = (tmp_path / "runs" / "images").glob(f"wide-32-*-{fit_}-v*.npy")
    assert again.fit == fit_ and sorted(map(bytes, np.load(kept))) == sorted(map(bytes, seen[0]))
    found = Prediction(model.found, Source.of(tmp_path / "wide"), model.decision, overlays=False, runs=tmp_path)
    run_prediction(found)
    np.testing.assert_array_equal(seen[1], seen[0])  # files are sorted by name
    labels = [int(file.parent.name == "Positive") for file in files]
    pictures = [Image.open(file) for file in files]
    given = fit(pictures, labels, image_size=32, fit=fit_, adn="lab_statistics", runs=tmp_path)
    assert given.fit == fit_ and given.predict(files).probabilities == pytest.approx(told, abs=1e-6)
    np.testing.assert_array_equal(seen[2], seen[0])
