"""Sets of images that share a name: kept apart in every comparison, and named by what differs."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.config.command_line import CONF
from leanet.report.__main__ import report
from leanet.report.cells import cells_of, in_words, pooled, tables_named, tables_of
from leanet.report.lifts import Lift
from leanet.report.lifts import lifts as lifts_of
from leanet.report.results import results

Finish = Any  # see conftest.py
FOLDER = ("dataset.name=photos",)
PLAIN = {1: 0.60, 2: 0.65, 3: 0.58, 4: 0.70, 5: 0.62}
OTHER = {1: 0.90, 2: 0.95, 3: 0.98, 4: 0.90, 5: 0.92}
LEAVES, PILLS = "+dataset.root=leaves", "+dataset.root=pills"


def names(home: Path) -> dict[str, str]:
    """By its cell's id, each dataset as reports call it."""
    return {fold.cell: fold.dataset for fold in results(home).itertuples()}


def lifts(folds: Any) -> dict[str, Lift]:
    """By the cell's identity alone."""
    return {cell: found for (_, cell), found in lifts_of(folds).items()}


def test_two_roots_under_one_name_are_named_and_never_compared(finish: Finish, tmp_path: Path) -> None:
    leaves = finish(PLAIN, *FOLDER, LEAVES, "caan=none", fingerprint="a1")
    pills = finish(OTHER, *FOLDER, PILLS, "caan=none", fingerprint="b2")
    attended = finish(OTHER, *FOLDER, PILLS, "caan=direct", fingerprint="b2")
    assert names(tmp_path) == {
        leaves.cell: "photos (root=leaves)",
        pills.cell: "photos (root=pills)",
        attended.cell: "photos (root=pills)",
    }
    cells = results(tmp_path)
    assert lifts(cells).keys() == {attended.cell} and lifts(cells)[attended.cell].comparison.mean == 0
    assert len(cells_of(pooled(cells))) == 3


def test_the_same_root_with_other_images_is_told_by_its_fingerprint(finish: Finish, tmp_path: Path) -> None:
    before = finish(PLAIN, *FOLDER, LEAVES, "caan=none", fingerprint="a1b2c3d4e5")
    after = finish(OTHER, *FOLDER, LEAVES, "caan=none", fingerprint="f6a7b8c9d0")
    assert names(tmp_path) == {
        before.cell: "photos (fingerprint=a1b2c3d4)",
        after.cell: "photos (fingerprint=f6a7b8c9)",
    }


def test_the_same_images_in_two_places_are_one_set(finish: Finish, tmp_path: Path) -> None:
    finish(PLAIN, *FOLDER, LEAVES, "caan=none", fingerprint="a1")
    moved = finish(OTHER, *FOLDER, "+dataset.root=/elsewhere/leaves", "caan=direct", fingerprint="a1")
    assert set(names(tmp_path).values()) == {"photos"}
    assert lifts(results(tmp_path)).keys() == {moved.cell}


def test_images_that_are_fitted_otherwise_are_in_a_table_of_their_own(finish: Finish, tmp_path: Path) -> None:
    before = finish(PLAIN, *FOLDER, LEAVES, "caan=none", fingerprint="a1")  # before there was a choice
    after = finish(OTHER, *FOLDER, LEAVES, "+dataset.fit=stretch", "caan=direct", fingerprint="a1")
    padded = finish(OTHER, *FOLDER, LEAVES, "+dataset.fit=pad", "caan=none", fingerprint="a1")
    folds = results(tmp_path)
    assert set(folds["dataset"]) == {"photos"} and set(folds["fit"]) == {"stretch", "pad"}
    tables = {in_words(shared): set(members["cell"]) for shared, members in tables_of(folds)}
    (stretched, one), (other, two) = sorted(tables.items(), key=lambda table: "fit" in table[0])
    assert one == {before.cell, after.cell} and two == {padded.cell}
    assert other == stretched.replace("image_size 32,", "image_size 32, fit pad,") != stretched
    assert [key for _, members in tables_of(folds) for key in lifts(members)] == [after.cell]
    assert len(cells_of(pooled(folds))) == 3
    assert {name for name, _ in tables_named("x", folds)} == {"x-fitstretch", "x-fitpad"}


def test_settings_of_painted_leaves_tell_them_apart(finish: Finish, tmp_path: Path) -> None:
    finish(PLAIN, "dataset.difficulty=0.2", "caan=none", fingerprint="a1")
    finish(OTHER, "dataset.difficulty=0.9", "caan=none", fingerprint="b2")
    assert set(names(tmp_path).values()) == {"synthetic (difficulty=0.2)", "synthetic (difficulty=0.9)"}


def test_runs_made_before_results_told_it(finish: Finish, tmp_path: Path) -> None:
    """Are known by what their identity was made of, or else by their settings."""
    plain = finish({1: 0.6, 2: 0.7}, *FOLDER, LEAVES, "caan=none", fingerprint="a1", older=True)
    attended = finish(OTHER, *FOLDER, "+dataset.root=moved", "caan=direct", fingerprint="a1")
    assert set(names(tmp_path).values()) == {"photos"}
    assert lifts(results(tmp_path)).keys() == {attended.cell}
    changed = finish({1: 0.6}, *FOLDER, LEAVES, "caan=direct", "point=2", fingerprint="b2", older=True)
    found = names(tmp_path)
    assert found[plain.cell] == found[attended.cell] != found[changed.cell] == "photos (fingerprint=unknown)"


def test_older_results_of_a_root_whose_images_changed(finish: Finish, tmp_path: Path) -> None:
    """Are told apart by the test images of all folds, from which the fingerprint can be made again."""
    before = finish(PLAIN, *FOLDER, LEAVES, "caan=none", fingerprint="a1", older=True)
    after = finish(OTHER, *FOLDER, LEAVES, "caan=direct", fingerprint="b2", older=True)
    for file in tmp_path.glob("detectors/*direct*/predictions.csv"):
        file.write_text(file.read_text().replace(".png,", ".png,f"))  # other contents
    found = names(tmp_path)
    assert found[before.cell] != found[after.cell] and all("(fingerprint=" in name for name in found.values())
    assert lifts(results(tmp_path)) == {}


def test_older_runs_called_folder_are_found_under_the_name_of_their_root(finish: Finish, tmp_path: Path) -> None:
    finish({1: 0.6}, "dataset.name=folder", LEAVES, "caan=none", fingerprint="a1", older=True)
    attended = finish(OTHER, "dataset.name=leaves", LEAVES, "caan=direct", fingerprint="a1")
    cells = results(tmp_path)
    assert set(cells["dataset"]) == {"leaves"} and lifts(cells).keys() == {attended.cell}


def test_other_folds_files_are_other_tables(finish: Finish, tmp_path: Path, capsys: Any) -> None:
    for name, f1 in (("first", PLAIN), ("second", OTHER)):
        (tmp_path / f"{name}.csv").write_text(name)
        words = (*FOLDER, LEAVES, f"dataset.folds_file={tmp_path / name}.csv")
        finish(f1, *words, "caan=none", fingerprint="a1")
        finish(f1, *words, "caan=direct", fingerprint="a1")
    cells = results(tmp_path)
    assert len(cells_of(pooled(cells))) == 4
    tables(tmp_path)
    told = capsys.readouterr().out
    assert told.count(", folds_file ") == 2 and told.count("+0.000") >= 2
    assert len(list((tmp_path / "report").glob("cells-folds_file*.md"))) == 2


def test_names_of_datasets_in_tables_and_files(finish: Finish, tmp_path: Path, capsys: Any) -> None:
    finish(PLAIN, *FOLDER, "+dataset.root=/a/leaves", "caan=none", fingerprint="a1")
    finish(OTHER, *FOLDER, "+dataset.root=/b/leaves", "caan=none", fingerprint="b2")
    tables(tmp_path)
    told = capsys.readouterr().out
    assert "photos (root=/a/leaves)" in told and "photos (root=/b/leaves)" in told
    tables(tmp_path, datasets=["photos (root=/a/leaves)"])
    assert "/b/leaves" not in capsys.readouterr().out
    tables(tmp_path, datasets=["photos"])
    assert "/b/leaves" in capsys.readouterr().out


def tables(home: Path, **words: Any) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("report", [f"paths.runs={home}"]), resolve=True)
    report({**config, **words})
