import csv
import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # type: ignore[import-untyped]

from leanet.data.fold_checks import check_counts, check_groups, check_separation
from leanet.data.folds import folds_by_kind, grouped_folds, held_out, parts_of, stratified_folds, thinned
from leanet.data.folds_file import read_folds, write_folds
from leanet.data.images import Index
from leanet.errors import LeanetError


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def dataset(negatives: int, positives: int) -> tuple[NDArray[np.int64], list[str]]:
    labels = np.repeat(np.array([0, 1], np.int64), [negatives, positives])
    return labels, [digest(number) for number in range(len(labels))]


def counts(labels: NDArray[np.int64], fold_of: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """(2, folds): images of each class in each fold."""
    return np.array([np.bincount(fold_of[labels == label], minlength=folds + 1)[1:] for label in (0, 1)])


@pytest.mark.parametrize(("negatives", "positives"), [(456, 152), (300, 100), (53, 17), (10, 10), (101, 11)])
@pytest.mark.parametrize("folds", [2, 3, 5, 10])
def test_folds_are_as_even_as_those_of_scikit_learn(negatives: int, positives: int, folds: int) -> None:
    labels, pixels = dataset(negatives, positives)
    fold_of = stratified_folds(labels, pixels, folds, split_seed=0)
    ours = counts(labels, fold_of, folds)
    splits = StratifiedKFold(folds).split(labels, labels)
    theirs = np.array([np.bincount(labels[test], minlength=2) for _, test in splits]).T
    np.testing.assert_array_equal(np.sort(ours), np.sort(theirs))
    assert np.ptp(ours.sum(0)) <= 1
    assert fold_of.dtype == np.int64


def test_folds_are_pinned() -> None:
    # If this changes, every published split changes. Order by `printf 7:$pixels | sha256sum`: 0 2 1 3 and 6 4 5.
    assert stratified_folds(*dataset(4, 3), 2, split_seed=7).tolist() == [1, 1, 2, 2, 2, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_images_does_not_matter(seed: int) -> None:
    labels, pixels = dataset(40, 20)
    pixels[1] = pixels[0]
    pixels[45] = pixels[3]
    order = np.random.default_rng(seed).permutation(60)
    shuffled = stratified_folds(labels[order], [pixels[place] for place in order], 5, 3)
    np.testing.assert_array_equal(shuffled, stratified_folds(labels, pixels, 5, 3)[order])


def test_seeds_deal_differently_and_repeatably() -> None:
    splits = [stratified_folds(*dataset(40, 20), 5, seed).tolist() for seed in (0, 1, 2, 0)]
    assert splits[0] == splits[3]
    assert len({tuple(split) for split in splits}) == 3


def test_equal_pictures_stay_together_and_folds_stay_even() -> None:
    labels, _ = dataset(60, 30)
    pixels = [digest(number // 3) for number in range(90)]  # triples
    fold_of = stratified_folds(labels, pixels, 5, 0)
    assert all(len(set(fold_of[start : start + 3].tolist())) == 1 for start in range(0, 90, 3))
    np.testing.assert_array_equal(counts(labels, fold_of, 5), [[12] * 5, [6] * 5])
    check_separation(fold_of, pixels, pixels, "")


def test_a_large_group_is_balanced_by_single_images() -> None:
    labels, pixels = dataset(20, 20)
    pixels[:4] = [pixels[0]] * 4
    np.testing.assert_array_equal(counts(labels, stratified_folds(labels, pixels, 5, 0), 5), [[4] * 5, [4] * 5])


def test_one_picture_of_both_classes_stays_together() -> None:
    labels, pixels = dataset(10, 10)
    pixels[10] = pixels[11] = pixels[0]
    for seed in range(10):
        fold_of = stratified_folds(labels, pixels, 5, seed)
        assert fold_of[0] == fold_of[10] == fold_of[11]
        assert counts(labels, fold_of, 5).min() > 0
        assert np.ptp(counts(labels, fold_of, 5), axis=1).max() <= 1


def test_a_picture_as_often_in_one_class_as_in_the_other_counts_as_positive() -> None:
    labels, pixels = dataset(2, 2)
    pixels[0] = pixels[2]
    with pytest.raises(LeanetError, match=r"^1 different negative image "):
        stratified_folds(labels, pixels, 2, 0)


@pytest.mark.parametrize(
    ("negatives", "positives", "folds", "message"),
    [
        (40, 12, 20, "12 positive images cannot be split into 20 folds; use folds=12 or fewer"),
        (3, 40, 5, "3 negative images cannot be split into 5 folds; use folds=3 or fewer"),
        (4, 3, 5, "4 negative images cannot be split into 5 folds; use folds=3 or fewer"),
        (40, 1, 5, "1 positive image cannot be split into 5 folds; at least 2 of each class are needed"),
        (40, 0, 5, "0 positive images cannot be split into 5 folds; at least 2 of each class are needed"),
        (40, 40, 1, "folds=1: cross-validation needs folds=2 or more"),
    ],
)
def test_too_few_images_are_refused(negatives: int, positives: int, folds: int, message: str) -> None:
    labels, pixels = dataset(negatives, positives)
    for check in (lambda: check_counts(labels, folds), lambda: stratified_folds(labels, pixels, folds, 0)):
        with pytest.raises(LeanetError) as caught:
            check()
        assert str(caught.value) == message


def test_copies_do_not_count_as_images() -> None:
    labels, pixels = dataset(20, 10)
    pixels[20:] = [pixels[20 + number % 4] for number in range(10)]
    check_counts(labels, 5)
    with pytest.raises(LeanetError, match=r"^4 different positive images .* 5 folds; use folds=4 or fewer$"):
        stratified_folds(labels, pixels, 5, 0)


def test_equal_pictures_in_two_folds_are_named() -> None:
    pixels, names = ["x", "y", "x"], ["a.png", "b.png", "c.png"]
    check_separation(np.array([1, 2, 1]), pixels, names, "are the same picture")
    with pytest.raises(LeanetError, match=r"'a.png' \(fold 1\) and 'c.png' \(fold 2\) are the same picture"):
        check_separation(np.array([1, 1, 2]), pixels, names, "are the same picture")


STRANGE = ["a,b.png", 'say "x".png', "new\nline.png", "carriage\rreturn.png", "both\r\n.png", "ü 画像.png", "=1+1.png"]


def index_of(names: list[str]) -> Index:
    """Images with contents of their own; every second one is positive."""
    return Index.of([(name, number % 2, digest(number)) for number, name in enumerate(names)])


Split = tuple[Path, Index, NDArray[np.int64]]


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """A folds file of 12 images in 3 folds, its index and folds."""
    index = index_of([*STRANGE, *(f"{number}.png" for number in range(5))])
    fold_of = stratified_folds(index.labels, index.sha256, 3, 0)
    write_folds(tmp_path / "folds.csv", index, fold_of)
    return tmp_path / "folds.csv", index, fold_of


def test_what_is_written_is_csv_sorted_by_file(split: Split) -> None:
    path, index, fold_of = split
    assert path.read_bytes().startswith(b"file,sha256,label,fold\n")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == sorted(name.replace("=1+1", "./=1+1") for name in index.names)
    written = {row["file"]: (row["sha256"], row["label"], row["fold"]) for row in rows}
    for name, sha256, label, fold in zip(index.names, index.sha256, index.labels, fold_of, strict=True):
        assert written[name.replace("=1+1", "./=1+1")] == (sha256, str(label), str(fold))


def test_what_is_written_can_be_read(split: Split) -> None:
    path, index, fold_of = split
    np.testing.assert_array_equal(read_folds(path, index), fold_of)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"0.png", b"zero.png"))  # as a spreadsheet saves it
    np.testing.assert_array_equal(read_folds(path, index), fold_of)


def test_images_are_known_by_content_not_by_name(split: Split) -> None:
    path, index, fold_of = split
    renamed = Index(tuple(f"x{number}.png" for number in range(len(index))), index.labels, index.sha256)
    np.testing.assert_array_equal(read_folds(path, renamed), fold_of)


@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_what_a_spreadsheet_saves_can_be_read(split: Split, delimiter: str) -> None:
    path, index, fold_of = split
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    np.testing.assert_array_equal(read_folds(path, index), fold_of)


def test_no_name_is_a_formula(tmp_path: Path) -> None:
    names = ["=1+1.png", "+/a.png", "-.png", "@SUM(A1).png", "\ttab.png", "\rreturn.png", "a=1.png"]
    index = index_of(names)
    path, fold_of = tmp_path / "folds.csv", stratified_folds(index.labels, index.sha256, 2, 0)
    write_folds(path, index, fold_of)
    np.testing.assert_array_equal(read_folds(path, index), fold_of)
    with path.open(encoding="utf-8", newline="") as file:
        written = [row["file"] for row in csv.DictReader(file)]
    assert sorted(written) == sorted([*(f"./{name}" for name in names[:-1]), names[-1]])
    assert {Path(name) for name in written} == set(map(Path, names))  # for programs they are the same files


def test_names_that_are_no_unicode_can_be_written(tmp_path: Path) -> None:
    index = index_of(["a\udcff.png", "b.png", "c.png", "d.png"])
    write_folds(tmp_path / "folds.csv", index, np.array([1, 1, 2, 2]))
    assert len(read_folds(tmp_path / "folds.csv", index)) == 4


def test_copies_share_their_fold(tmp_path: Path) -> None:
    entries = [(f"{number}.png", number % 2, digest(number)) for number in range(8)]
    index = Index.of([*entries, ("copy.png", 0, digest(0)), ("other class.png", 1, digest(0))])
    fold_of = stratified_folds(index.labels, index.sha256, 2, 0)
    write_folds(tmp_path / "folds.csv", index, fold_of)
    np.testing.assert_array_equal(read_folds(tmp_path / "folds.csv", index), fold_of)


Rows = list[list[str]]


def drop(rows: Rows, *numbers: int) -> Rows:
    return [row for number, row in enumerate(rows) if number not in numbers]


def put(rows: Rows, column: int, *values: str) -> Rows:
    """The rows with `values` in one column of the first of them."""
    changed = [[*row[:column], value, *row[column + 1 :]] for row, value in zip(rows, values, strict=False)]
    return changed + rows[len(values) :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: drop(rows, 0), r"1 image of the dataset not in it: '0\.png';"),
        (lambda rows: drop(rows, 0, 1, 2, 3), r"4 images of the dataset not in it: '0\.png', .*, '2\.png', \.\.\.;"),
        (lambda rows: [*rows, ["z.png", "ab", "0", "1"]], r"1 image in it that the dataset does not have: 'z\.png'"),
        (lambda rows: put(rows, 2, "1", "0"), r"2 images labelled otherwise in the dataset: '0\.png', '1\.png'"),
        (lambda rows: [*rows, put(rows, 3, "3")[0]], r"'0\.png' is in fold 3, the same image is also in fold 1"),
        (lambda rows: put(rows, 3, *"112244112244"), r"the folds are 1, 2, 4; number them"),
        (lambda rows: put(rows, 3, *"000111222333"), r"the folds are 0, 1, 2, 3; number them"),
        (lambda rows: put(rows, 3, *"111111111111"), r"the folds are 1; number them"),
        (lambda rows: put(rows, 3, *"121212121212"), r"fold 1 has no positive image"),
        (lambda rows: put(rows, 3, "x"), r"line 2: label must be 0 or 1 and fold a whole number"),
        (lambda rows: put(rows, 2, "2"), r"line 2: label must be 0 or 1"),
        (lambda rows: [*rows, ["short.png"]], r"line 14: label must be 0 or 1"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, change: Callable[[Rows], Rows], message: str) -> None:
    index = index_of([f"{number}.png" for number in range(12)])
    rows = [[f"{at}.png", digest(at), str(at % 2), str(at // 2 % 3 + 1)] for at in range(12)]
    path = tmp_path / "folds.csv"
    path.write_text("\n".join(map(",".join, [["file", "sha256", "label", "fold"], *change(rows)])))
    with pytest.raises(LeanetError, match=rf"folds\.csv.*{message}") as caught:
        read_folds(path, index)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read .No such file"),
        (b"", "no column file, sha256, label, fold; its columns are none"),
        (b"file,label\n", "no column sha256, fold;"),
        (b"file,sha256,label,fold\n\x81\xfe", "not a CSV file"),
    ],
)
def test_what_is_no_folds_file_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "folds.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LeanetError, match=message):
        read_folds(path, index_of(["a.png"]))


def test_thinning_takes_positives_alone_and_is_nested() -> None:
    labels, pixels = dataset(60, 40)
    rows = np.flatnonzero(stratified_folds(labels, pixels, 5, 0) != 1)
    kept = [set(thinned(rows, labels, pixels, rate, 0).tolist()) for rate in (1, 0.5, 0.25, 0.125, 0.01)]
    assert kept[0] == set(rows.tolist())
    assert [sum(labels[list(part)]) for part in kept] == [32, 16, 8, 4, 1]
    assert all((labels[list(part)] == 0).sum() == 48 for part in kept)
    assert all(less < more for more, less in pairwise(kept))


def test_thinning_follows_the_seed_and_not_the_order_of_images() -> None:
    labels, pixels = dataset(20, 16)
    rows = np.arange(36)
    kept = thinned(rows, labels, pixels, 0.5, 0)
    assert kept.tolist() != thinned(rows, labels, pixels, 0.5, 1).tolist()
    order = np.random.default_rng(0).permutation(36)
    shuffled = thinned(rows, labels[order], [pixels[place] for place in order], 0.5, 0)
    assert sorted(order[shuffled].tolist()) == kept.tolist()


def test_what_is_held_out_is_a_part_of_each_class_and_follows_the_seed() -> None:
    labels, pixels = dataset(60, 40)
    rows = np.flatnonzero(stratified_folds(labels, pixels, 5, 0) != 1)
    train, validation = held_out(rows, labels, pixels, 0.25, 0)
    assert sorted([*train, *validation]) == rows.tolist()
    assert np.bincount(labels[validation]).tolist() == [12, 8]
    assert validation.tolist() != held_out(rows, labels, pixels, 0.25, 1)[1].tolist()
    order = np.random.default_rng(0).permutation(100)
    places = np.flatnonzero(np.isin(order, rows))
    shuffled = held_out(places, labels[order], [pixels[place] for place in order], 0.25, 0)[1]
    assert sorted(order[shuffled].tolist()) == validation.tolist()
    assert held_out(rows, labels, pixels, 0, 0)[1].tolist() == []


def test_equal_pictures_are_held_out_together_and_some_are_left() -> None:
    labels = np.array([0] * 12 + [1] * 8)
    pixels = [f"{place // 4}" for place in range(20)]
    train, validation = held_out(np.arange(20), labels, pixels, 0.25, 0)
    assert not {pixels[row] for row in train} & {pixels[row] for row in validation}
    assert np.bincount(labels[validation]).tolist() == [4, 4]
    with pytest.raises(LeanetError, match=r"validation=0\.5: no positive image"):
        held_out(np.arange(20), labels, ["a" if label else str(row) for row, label in enumerate(labels)], 0.5, 0)


def test_no_class_is_held_out_altogether_with_pictures_of_both_classes() -> None:
    labels = np.array([0, 0, 1, 1, 1], np.int64)
    pixels = ["a", "b", "b", "c", "d"]  # one picture is of both classes
    for seed in range(20):
        try:
            train, _ = held_out(np.arange(5), labels, pixels, 0.4, seed)
        except LeanetError as error:
            assert str(error) == "validation=0.4: no negative image of the training folds is left to train on"
        else:
            assert set(labels[train].tolist()) == {0, 1}


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_parts_are_even_and_depend_on_pixels_and_seed_alone(parts: int) -> None:
    pixels = [digest(number) for number in range(40)]
    pixels[1], pixels[38] = pixels[0], pixels[2]  # twins: in the rows, and one without
    rows = np.arange(30)
    found = parts_of(rows, pixels, parts, split_seed=0)
    sizes = np.bincount(found[rows], minlength=parts + 1)
    assert sizes[0] == 0 and sizes[1:].max() - sizes[1:].min() <= 1
    assert found[0] == found[1] and found[38] == found[2] and not found[30:38].any() and found[39] == 0
    order = np.random.default_rng(0).permutation(40)
    shuffled = parts_of(np.flatnonzero(order < 30), [pixels[place] for place in order], parts, split_seed=0)
    assert np.array_equal(shuffled, found[order])
    assert not np.array_equal(parts_of(rows, pixels, parts, split_seed=1), found)


def test_more_parts_than_different_normals_are_refused() -> None:
    with pytest.raises(LeanetError, match=r"^map\.cross_fit=3: there are only 2 different training normals$"):
        parts_of(np.arange(3), ["a", "b", "a", "c"], 3, split_seed=0)


def plants(seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """Images of 40 plants of different sizes; a plant has images of one class or of both."""
    rng = np.random.default_rng(seed)
    labels, units = [], []
    for plant in range(40):
        share = rng.choice([0.0, 0.0, 0.2, 1.0])
        count = int(rng.integers(1, 9))
        labels += (rng.random(count) < share).astype(int).tolist()
        units += [digest(1000 * seed + plant)] * count
    return np.array(labels, np.int64), units


@pytest.mark.parametrize("seed", range(6))
def test_grouped_folds_keep_units_and_are_as_even_as_those_of_scikit_learn(seed: int) -> None:
    labels, units = plants(seed)
    fold_of = grouped_folds(labels, units, 5, split_seed=0)
    check_separation(fold_of, units, units, "")
    splits = StratifiedGroupKFold(5).split(labels, labels, groups=units)
    theirs = np.array([np.bincount(labels[test], minlength=2) for _, test in splits]).T
    ours = counts(labels, fold_of, 5)
    spread = [(found / found.sum(axis=1, keepdims=True)).std(axis=1).mean() for found in (ours, theirs)]
    assert spread[0] <= spread[1] + 0.01
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = grouped_folds(labels[order], [units[place] for place in order], 5, 0)
    np.testing.assert_array_equal(shuffled, fold_of[order])


def test_fewer_groups_with_positives_than_folds_are_one_clear_line() -> None:
    labels, units = np.array([0] * 20 + [1] * 10), [str(place // 2) for place in range(20)] + ["x"] * 4 + ["y"] * 6
    with pytest.raises(LeanetError, match=r"^2 groups with positive images cannot be split into 5 folds; use folds=2 "):
        check_groups(labels, units, 5)


def test_validation_and_thinning_keep_groups_together() -> None:
    labels, units = plants(1)
    rows = np.flatnonzero(grouped_folds(labels, units, 5, 0) != 1)
    train, validation = held_out(rows, labels, units, 0.25, 0)
    assert not {units[row] for row in train} & {units[row] for row in validation}
    kept = set(thinned(rows, labels, units, 0.5, 0).tolist())
    positives = [row for row in rows.tolist() if labels[row]]
    for row in positives:
        assert all((row in kept) == (other in kept) for other in positives if units[other] == units[row])


def test_each_kind_is_a_fold_that_is_only_tested() -> None:
    labels = np.array([0] * 20 + [1] * 9, np.int64)
    kinds = [""] * 20 + ["cut"] * 4 + ["crack"] * 3 + ["hole"] * 2
    units = [digest(place) for place in range(29)]
    fold_of = folds_by_kind(labels, kinds, units, split_seed=0)
    assert [set(fold_of[[word == kind for word in kinds]]) for kind in ("crack", "cut", "hole")] == [{1}, {2}, {3}]
    assert sorted(np.bincount(fold_of[:20])[1:].tolist()) == [6, 7, 7]
    units[20] = units[24]
    with pytest.raises(LeanetError, match=r"^leave_kind_out: images of crack and cut are in one group$"):
        folds_by_kind(labels, kinds, units, split_seed=0)
    with pytest.raises(LeanetError, match=r"^leave_kind_out=true needs a kind for each anomalous image"):
        folds_by_kind(labels, [*kinds[:-1], ""], units, split_seed=0)
