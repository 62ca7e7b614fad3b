"""Which runs a word means, among folders that look as finished runs do."""

from pathlib import Path
from typing import Any

import pytest

from leanet.errors import LeanetError
from leanet.model.find import find
from leanet.storage.files import write_json, write_text

CELL, OTHER = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def run(home: Path, name: str, cell: str = CELL, fold: int = 1, done: bool = True, **more: Any) -> Path:
    folder = home / ("detectors" if fold else "models") / name
    write_text(folder / "config.yaml", "")
    facts = {"run": name[-12:], "cell": cell, "dataset": "leaves", "model": "cnn", "fold": fold, "folds": 3}
    if done:
        write_json(folder / "result.json", {**facts, "image_size": 32, "colorizer": None, **more})
    if not fold and done:
        write_json(folder / "card.json", {})
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for fold in (1, 3):
        run(tmp_path, f"leaves-cnn-fold{fold}-{fold:012x}", fold=fold, colorizer="leaves-fold1-00")
    run(tmp_path, "leaves-cnn-fold2-000000000002", fold=2, done=False)
    run(tmp_path, "leaves-cnn-0000000000a0", fold=0, colorizer="leaves-all-00")
    run(tmp_path, "leaves-cnn-fold1-0000000000b1", cell=OTHER)
    return tmp_path


@pytest.mark.parametrize("word", ["leaves-cnn-fold3-000000000003", "leaves-cnn-fold3", "000000000003"])
def test_a_run_by_name_and_hash(home: Path, word: str) -> None:
    found = find(word, home)
    assert [kept.folder for kept in found.members] == [home / "detectors" / "leaves-cnn-fold3-000000000003"]
    assert found.members[0].colorizers == [home / "colorizers" / "leaves-fold1-00"]
    assert not found.members[0].is_model and not found.is_cell


def test_a_folder_anywhere_whatever_its_name(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = tmp_path / "elsewhere" / "my model"
    moved.parent.mkdir()
    (home / "models" / "leaves-cnn-0000000000a0").rename(moved)
    monkeypatch.chdir(moved)
    for word in (str(moved), "."):
        (kept,) = find(word, tmp_path / "nothing").members
        assert kept.is_model and kept.folder == moved and kept.colorizers == [moved]


def test_a_cell_is_its_finished_folds(home: Path) -> None:
    found = find(CELL, home)
    assert [kept.result["fold"] for kept in found.members] == [1, 3]  # not the model, nor fold 2
    assert found.folds == 3 and found.is_cell


def test_a_model_has_a_name_of_its_own(home: Path) -> None:
    (kept,) = find("leaves-cnn", home).members
    assert kept.is_model


def test_the_same_images_under_two_names_count_once(home: Path) -> None:
    run(home, "others-cnn-fold1-000000000001", fold=1)
    assert len(find(CELL, home).members) == 2
    assert len(find("000000000001", home).members) == 1


@pytest.mark.parametrize(
    ("word", "told"),
    {
        "leaves-cnn-fold1": "give one of leaves-cnn-fold1-000000000001, leaves-cnn-fold1-0000000000b1",
        "000000000002": "no run is done there; if one was stopped, its command, given again",
        "leaves-cnn-fold4": "near to it: leaves-cnn-fold",
        "aaaaaaaaaaab": f"near to it: {CELL}",
        "zzz": "no such folder, run, model or cell",
    }.items(),
)
def test_what_cannot_be_meant(home: Path, word: str, told: str) -> None:
    with pytest.raises(LeanetError, match=told) as error:
        find(word, home)
    assert "\n" not in str(error.value)


def test_a_model_without_its_card_is_not_finished(home: Path) -> None:
    (home / "models/leaves-cnn-0000000000a0/card.json").unlink()
    with pytest.raises(LeanetError, match="no run is done there"):
        find("leaves-cnn", home)


def test_no_runs_at_all(tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=r"no run in .*; paths.runs=DIR names another"):
        find("leaves", tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", "null", '{"fold": 1}'])
def test_a_result_that_leanet_did_not_write(home: Path, text: str) -> None:
    (home / "detectors/leaves-cnn-fold3-000000000003/result.json").write_text(text)
    with pytest.raises(LeanetError, match=r"result.json: damaged; remove it, and"):
        find("leaves-cnn-fold3", home)


def test_a_result_cannot_point_out_of_the_runs(home: Path) -> None:
    folder = run(home, "leaves-cnn-fold9-000000000009", fold=9, colorizer="../../../etc")
    assert find(str(folder), home).members[0].colorizers == [home / "colorizers" / "etc"]
