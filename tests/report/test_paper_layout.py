"""Finished runs in the paper's places, and what keeps others out of them."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import f1_score

from leanet.report.cells import cells_of, pooled, tables_of, with_details
from leanet.report.paper import paper_table
from leanet.report.paper_layout import MARKS, PaperLayout
from leanet.report.results import results
from leanet.report.tables import comma_separated, markdown
from leanet.report.write_tables import of_cells
from leanet.storage.files import read_json, write_json
from leanet.storage.run_files import ABLATION, RESULT

Finish = Any  # see conftest.py
ALL = (1, 2, 3, 4, 5)
CAAN = "ResNet18 + MobileNet-small CAAN"
POTATO = ("dataset.name=potato",)  # no more than its name is read


def folds(value: float, count: int = 5) -> dict[int, float]:
    """F1 of so many folds whose mean is `value`."""
    return {fold: value + 0.01 * (fold - (count + 1) / 2) for fold in range(1, count + 1)}


def filled(home: Path, number: int = 3) -> dict[str, dict[str, str]]:
    """The table's texts by row and column."""
    text = comma_separated(PaperLayout(paper_table(number), results(home)).table(["f1"], MARKS["csv"]))
    return {row[""]: row for row in csv.DictReader(io.StringIO(text))}


def text_of(home: Path, figure: str, label: str = "ResNet18", pool: bool = False) -> str:
    """A figure in the place of a row and of potato."""
    folds = pooled(results(home)) if pool else results(home)
    header, rows = PaperLayout(paper_table(3), folds).table([figure], MARKS["csv"])
    return next(row for row in rows if row[0] == label)[header.index(f"potato {figure}")]


def details_of(home: Path) -> list[tuple[str, str]]:
    """The rows and what tells those of one name apart."""
    cells = with_details(cells_of(results(home)))
    return list(dict.fromkeys(zip(cells["row"], cells["details"], strict=True)))


def test_the_best_point_stands_for_a_row(finish: Finish, tmp_path: Path) -> None:
    for point, f1 in zip(ALL, (0.5, 0.7, 0.6, 0.7, 0.1), strict=True):
        finish(folds(f1), *POTATO, "caan=mobilenet", f"point={point}")
    finish(folds(0.65), *POTATO, "caan=none")
    found = filled(tmp_path)
    assert found["ResNet18 + MobileNet-small CAAN"]["potato f1"] == "0.700 ± 0.016 (2)"
    assert found["ResNet18"]["potato f1"] == "0.650 ± 0.016"
    assert found["ResNet18"]["retina f1"] == found["VGG16"]["potato f1"] == "–"
    assert found["VGG16"]["paper's (M)"] == "165.7"
    assert found["ResNet18"]["parameters (M)"] == "11.2" and found["VGG16"]["parameters (M)"] == "–"


def test_beside_the_best_point_stands_the_one_that_other_folds_choose(finish: Finish, tmp_path: Path) -> None:
    """Two points, each lucky in one fold: the mean at the better one flatters."""
    finish({1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5, 5: 1.0}, *POTATO, "caan=direct", "point=1")
    finish({1: 0.9, 2: 0.5, 3: 0.5, 4: 0.5, 5: 0.5}, *POTATO, "caan=direct", "point=2")
    assert text_of(tmp_path, "f1", "ResNet18 + Direct Attention").startswith("0.600 ± 0.224 (1)")
    assert (
        text_of(tmp_path, "left_out", "ResNet18 + Direct Attention") == "0.500 ± 0.000"
    )  # fold 5 is given point 2, fold 1 point 1


def test_what_is_missing_is_said(finish: Finish, tmp_path: Path) -> None:
    finish(folds(0.9, count=3), *POTATO, "caan=direct", "point=1")
    finish(folds(0.5), *POTATO, "caan=direct", "point=2")
    finish(folds(0.6, count=4), *POTATO, "caan=none")
    found = filled(tmp_path)
    assert found["ResNet18 + Direct Attention"]["potato f1"] == "0.500 ± 0.016 (2) [5/5 folds, 2/5 points]"
    assert found["ResNet18"]["potato f1"] == "0.600 ± 0.013 [4/5 folds]"


def test_a_fold_s_point_can_be_chosen_on_validation_images(finish: Finish, tmp_path: Path) -> None:
    """What the fold's own test says of the points has no say: it says the opposite."""
    finish({1: 0.9, 2: 0.5}, *POTATO, "caan=mobilenet", "point=1", validated={1: 0.1, 2: 0.8})
    finish({1: 0.6, 2: 0.8}, *POTATO, "caan=mobilenet", "point=2", validated={1: 0.2, 2: 0.7})
    assert text_of(tmp_path, "nested", CAAN) == "0.550 ± 0.071 (2,1)"
    finish({1: 0.9, 2: 0.9}, *POTATO, "caan=mobilenet", "point=3")
    assert text_of(tmp_path, "nested", CAAN) == "–"  # not a choice among the points that happen to have such images


def test_f1_above_a_chosen_threshold_is_of_all_folds_or_of_none(finish: Finish, tmp_path: Path) -> None:
    finish({1: 0.5, 2: 0.7}, *POTATO, "caan=none", thresholded={1: 0.6, 2: 0.9})
    assert text_of(tmp_path, "thresholded") == "0.750 ± 0.212"
    finish({3: 0.7}, *POTATO, "caan=none")
    assert text_of(tmp_path, "thresholded") == "–"


def test_f1_above_the_share_of_positives_in_training(finish: Finish, tmp_path: Path) -> None:
    """0.25 of 80: a positive at 0.3 is found, which 0.5 misses, and no normal but the one at 0.7 is called one."""
    finish(folds(0.5), *POTATO, "caan=none")
    finish(folds(0.5), *POTATO, "caan=none", "trainer.balance=weights")
    assert text_of(tmp_path, "at_prior", "ResNet18, balanced loss") == "–"  # whose 0.5 is that already
    assert text_of(tmp_path, "at_prior") == f"{f1_score([1] * 5 + [0] * 15, [1] * 6 + [0] * 14):.3f} ± 0.000"


def test_a_row_with_a_balanced_loss_follows_the_paper_s(finish: Finish, tmp_path: Path) -> None:
    finish(folds(0.5), *POTATO, "caan=none")
    finish(folds(0.7), *POTATO, "caan=none", "trainer.balance=weights")
    finish(folds(0.6), *POTATO, "caan=none", "trainer.averaging=ema")
    for point in ALL:
        finish(folds(0.4 + point / 100), *POTATO, "caan=direct", f"point={point}", "trainer.balance=prior")
    found = filled(tmp_path)
    names = [name for name in found if name.startswith("ResNet18")]
    assert names[:2] == ["ResNet18", "ResNet18, balanced loss"]
    assert found["ResNet18"]["potato f1"] == "0.500 ± 0.016"
    assert found["ResNet18, balanced loss"]["potato f1"] == "0.700 ± 0.016"
    assert found["ResNet18 + Direct Attention"]["potato f1"] == "–"
    assert found["ResNet18 + Direct Attention, prior-adjusted loss"]["potato f1"] == "0.450 ± 0.016 (5)"
    assert found["ResNet18, balanced loss"]["potato paper's F1"] == "–" != found["ResNet18"]["potato paper's F1"]
    assert found["ResNet18, balanced loss"]["paper's (M)"] == "–"


def test_columns_of_the_datasets_that_are_wanted(finish: Finish, tmp_path: Path) -> None:
    """Of one that is two sets of images, both; beside them the paper's F1, under its name."""
    finish(folds(0.5), *POTATO, "+dataset.root=a", "caan=none", fingerprint="a1")
    finish(folds(0.6), *POTATO, "+dataset.root=b", "caan=none", fingerprint="b2")
    for wanted in (["potato"], ["potato (root=a)", "potato (root=b)"]):
        header, rows = PaperLayout(paper_table(3), results(tmp_path), datasets=wanted).table(
            ["f1", "auroc"], MARKS["csv"]
        )
        of_each = ["potato (root={}) f1", "potato (root={}) auroc", "potato (root={}) paper's F1"]
        assert header[3:] == [word.format(root) for root in "ab" for word in of_each]
        first = dict(zip(header, rows[0], strict=True))
        assert first["potato (root=a) f1"].startswith("0.500") and first["potato (root=b) f1"].startswith("0.600")
        assert first["potato (root=a) paper's F1"] == first["potato (root=b) paper's F1"] == "0.767 ± 0.164"


def test_repeats_are_pooled_when_asked_for(finish: Finish, tmp_path: Path) -> None:
    """SD within the repeats (.016 in both, .04 over all ten), and the SD between their means."""
    finish(folds(0.6), *POTATO, "caan=none")
    finish(folds(0.7), *POTATO, "caan=none", "split_seed=1")
    finish(folds(0.8), *POTATO, "caan=none", "split_seed=1", "seed=1")  # the same test images: averaged fold by fold
    (cell,) = cells_of(pooled(results(tmp_path))).itertuples()
    assert (cell.done, cell.expected, cell.split_seed, cell.seed) == (10, 10, "0+1", "0+1")
    assert text_of(tmp_path, "f1", pool=True) == "0.675 ± 0.016"
    assert text_of(tmp_path, "between", pool=True) == "0.106"
    finish(folds(0.6), *POTATO, "caan=none", "trainer.max_epochs=7")
    assert len(cells_of(pooled(results(tmp_path)))) == 2


def test_a_colorizer_s_seed_that_follows_the_other_does_not_keep_repeats_apart(finish: Finish, tmp_path: Path) -> None:
    for seed in range(2):
        finish(folds(0.6 + seed / 10), *POTATO, "caan=mobilenet", f"seed={seed}", f"colorizer.seed={seed}")
    (cell,) = cells_of(pooled(results(tmp_path))).itertuples()
    assert cell.seed == "0+1"
    finish(folds(0.6), *POTATO, "caan=mobilenet", "seed=2", "colorizer.seed=7")
    assert len(cells_of(pooled(results(tmp_path)))) == 2


def test_best_and_second_best_are_marked_if_they_are_whole(finish: Finish, tmp_path: Path) -> None:
    for adn, f1 in (("resnet18", 0.6), ("resnet50", 0.7), ("vgg16", 0.5)):
        finish(folds(f1), *POTATO, "caan=none", f"adn={adn}")
    finish(folds(0.9, count=4), *POTATO, "caan=none", "adn=vgg19")
    layout = PaperLayout(paper_table(3), results(tmp_path))
    text = markdown(layout.table(["f1"], MARKS["md"]))
    assert "**0.700 ± 0.016**" in text and "*0.600 ± 0.016*" in text
    assert text.count("*0.") == 2
    assert layout.has_marks(["f1"]) and not layout.has_marks(["auroc"])


def test_figures_that_only_some_runs_have(finish: Finish, tmp_path: Path) -> None:
    """Runs without attention, and those that were made before it was kept, have no attention_sd."""
    finish(folds(0.5), *POTATO, "caan=none")
    finish(folds(0.5), *POTATO, "caan=direct")
    run = finish(folds(0.6), *POTATO, "caan=mobilenet")
    for fold, value in {1: 0.02, 2: 0.04}.items():
        file = replace(run, fold=fold).folder / RESULT
        write_json(file, {**read_json(file), "attention_sd": value})
    text = comma_separated(of_cells(results(tmp_path), ["attention_sd"]).tables["csv"])
    texts = {row["model"]: row["attention_sd"] for row in csv.DictReader(io.StringIO(text))}
    assert texts == {"resnet18": "–", "resnet18+direct@4": "–", "resnet18+mobilenet@4": "0.030 ± 0.014"}


def test_several_points_are_a_row_of_their_own(finish: Finish, tmp_path: Path) -> None:
    """Not one of the points that the paper chooses from, though its `point` is one of them."""
    finish(folds(0.6), *POTATO, "caan=mobilenet", "point=4")
    finish(folds(0.9), *POTATO, "caan=mobilenet", "point=4", "attention.points=[2,3]", "attention=centred")
    assert {fold.row: fold.point for fold in results(tmp_path).itertuples()} == {
        "resnet18+mobilenet": 4,
        "resnet18+mobilenet@2+3-centred": None,
    }
    assert filled(tmp_path)["ResNet18 + MobileNet-small CAAN"]["potato f1"].startswith("0.600")


def test_both_heads_and_what_is_lost_without_the_attention(finish: Finish, tmp_path: Path) -> None:
    """Figures that lie deeper in result.json, and in ablation.json beside it; old results lack them."""
    run = finish({1: 0.6, 2: 0.8}, *POTATO, "caan=mobilenet")
    names = ("caan", "combined", "weighted", "caan_auroc", "combined_auroc", "constant", "shuffled_auroc")
    assert [text_of(tmp_path, name, CAAN) for name in names] == ["–"] * len(names)
    file = run.folder / RESULT
    heads = {"caan": (0.1, 0.2), "combined": (0.3, 0.4), "weighted": (0.5, 0.6)}
    told = {head: {"f1": f1, "auroc": auroc} for head, (f1, auroc) in heads.items()}
    write_json(file, {**read_json(file), **told})
    drops = {"constant": {"drops": {"f1": -0.01}}, "shuffled": {"drops": {"auroc": 0.02}}}
    write_json(run.folder / ABLATION, drops)
    found = [text_of(tmp_path, name, CAAN) for name in names]
    assert found == ["0.100", "0.300", "0.500", "0.200", "0.400", "-0.010", "0.020"]


@pytest.mark.parametrize("word", ["trainer.max_epochs=7", "seed=1", "split_seed=1", "dataset.image_size=64"])
def test_runs_that_were_trained_otherwise_are_another_table(finish: Finish, tmp_path: Path, word: str) -> None:
    finish(folds(0.6), *POTATO, "caan=none")
    finish(folds(0.7), *POTATO, "caan=none", word)
    assert [len(cells_of(members)) for _, members in tables_of(results(tmp_path))] == [1, 1]


@pytest.mark.parametrize("words", [("adn.lr=2e-3",), ("adn.extra_conv=true",)])
def test_networks_set_otherwise_are_another_row(finish: Finish, tmp_path: Path, words: tuple[str, ...]) -> None:
    finish(folds(0.6), *POTATO, "caan=none")
    finish(folds(0.7), *POTATO, "caan=none", *words)
    rows = details_of(tmp_path)
    name = "adn.lr" if "lr" in words[0] else "adn.network.extra_conv"
    assert len(rows) == 2 and all(row == "resnet18" and told.startswith(f" ({name}=") for row, told in rows)
    labels = [label for label, row in filled(tmp_path).items() if row["potato f1"] != "–"]
    assert len(labels) == 2 and all(label.startswith(f"ResNet18 ({name}=") for label in labels)


def test_a_colorizer_matters_only_where_there_are_maps(finish: Finish, tmp_path: Path) -> None:
    finish({1: 0.6}, *POTATO, "caan=none")
    finish({2: 0.6}, *POTATO, "caan=none", "colorizer.max_epochs=9")
    finish({1: 0.6}, *POTATO, "caan=direct")
    finish({1: 0.6}, *POTATO, "caan=direct", "colorizer.max_epochs=9")
    assert [row for row, _ in details_of(tmp_path)] == ["resnet18", "resnet18+direct", "resnet18+direct"]


def test_the_same_images_under_two_names_are_two_cells(finish: Finish, tmp_path: Path) -> None:
    first = finish({1: 0.6}, *POTATO, "caan=none")
    finish({1: 0.7}, "dataset.name=wood", "caan=none")
    result = read_json(first.folder / RESULT)
    for file in tmp_path.glob(f"detectors/wood-*/{RESULT}"):
        write_json(file, {**read_json(file), "cell": result["cell"]})
    assert [(cell.dataset, cell.done) for cell in cells_of(results(tmp_path)).itertuples()] == [
        ("potato", 1),
        ("wood", 1),
    ]
