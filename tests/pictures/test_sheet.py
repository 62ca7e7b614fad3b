import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from leanet.config.map_settings import MapSettings
from leanet.data.synthetic import SyntheticLeaves
from leanet.pictures.picture_page import Page
from leanet.pictures.sheet import Panel, choose_rows, draw_sheet

RNG = np.random.default_rng(0)


def panel(name="leaf.png", label=1, probability=0.7, maps=True, size=32):
    rgb, _ = SyntheticLeaves(negatives=1, positives=1, image_size=size).paint(2, label == 1)
    image = np.rint(rgb * 255).astype(np.uint8)
    if not maps:
        return Panel(name, label, probability, image)
    difference = 30 * np.abs(rgb[0] - rgb[1])
    return Panel(name, label, probability, image, image[::-1], difference, RNG.random((4, 4)))


def drawn(panels, tmp_path, title="run"):
    file = tmp_path / "sheet.png"
    draw_sheet(panels, title, file, [panel.label for panel in panels])
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_sheet_of_eight_rows_is_of_the_asked_size(tmp_path):
    panels = [panel(f"leaf-{n}.png", n % 2, n / 8, size=256) for n in range(8)]
    picture = drawn(panels, tmp_path)
    assert 1300 <= picture.shape[1] <= 1500
    assert (tmp_path / "sheet.png").stat().st_size < 1_500_000


def test_it_says_how_many_of_all_images_it_shows(tmp_path, monkeypatch):
    words = []
    monkeypatch.setattr(Page, "text", lambda page, left, top, text, **style: words.append(text))
    draw_sheet([panel(), panel(label=0), panel(label=0)], "run", tmp_path / "sheet.png", [1] * 20 + [0] * 42)
    assert any(text.startswith("3 of 62 test images") for text in words)
    assert {"anomalous (1 of 20)", "normal (2 of 42)"} <= set(words)


def test_columns_that_no_panel_has_are_left_out(tmp_path):
    full = drawn([panel(), panel(label=0)], tmp_path)
    mixed = drawn([panel(), panel(label=0, maps=False)], tmp_path)
    bare = drawn([panel(maps=False), panel(label=0, maps=False)], tmp_path)
    assert full.shape == mixed.shape
    assert bare.shape[0] == full.shape[0]
    assert bare.shape[1] < full.shape[1] - 500


@pytest.mark.parametrize("name", ["a$b_{x}", "$\\frac{$.png", "x" * 500, "葉-ü-🍃.png", "two\nlines\t.png", "", "$"])
@pytest.mark.filterwarnings("error")
def test_odd_names_and_titles_do_not_break_it(name, tmp_path):
    drawn([panel(name)], tmp_path, title=name)


def test_right_and_wrong_differ_in_grey_too(tmp_path):
    right, wrong = (drawn([panel(label=label, probability=0.9, maps=False)], tmp_path) for label in (1, 0))
    left = right.shape[1] // 2  # the verdicts
    assert np.abs(right[:, left:].mean(2) - wrong[:, left:].mean(2)).max() > 100


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone(label, tmp_path):
    drawn([panel(label=label)], tmp_path)


def test_flat_maps(tmp_path):
    image = np.zeros((3, 8, 8), np.uint8)
    drawn([Panel("flat", 1, 1.0, image, image, np.zeros((8, 8)), np.ones((2, 2)))], tmp_path)


def test_no_panels_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one panel"):
        draw_sheet([], "run", tmp_path / "sheet.png", [])


def test_sheets_may_be_drawn_in_threads(tmp_path):
    panels = [panel(), panel(label=0)]
    files = [tmp_path / f"{n}.png" for n in range(3)]
    threads = [threading.Thread(target=draw_sheet, args=(panels, "run", file, [1, 0])) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({file.read_bytes() for file in files}) == 1


def test_neither_pyplot_nor_torch_is_imported():
    modules = "leanet.pictures.sheet, leanet.data.synthetic"
    code = f"import sys, {modules}; print({{'matplotlib.pyplot', 'torch'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 6, 7, 8, 100])
@pytest.mark.parametrize(("positives", "negatives"), [(20, 60), (2, 60), (60, 1), (0, 9), (9, 0)])
def test_choose_rows(rows, positives, negatives):
    labels = RNG.permutation(np.repeat([1, 0], [positives, negatives]))
    probabilities = RNG.random(len(labels)).round(1)
    chosen = choose_rows(labels, probabilities, rows)
    assert len(chosen) == len(set(chosen)) == min(rows, len(labels))
    assert chosen == choose_rows(labels, probabilities, rows)
    assert list(labels[chosen]) == sorted(labels[chosen], reverse=True)
    of_positives = [probabilities[row] for row in chosen if labels[row] == 1]
    of_negatives = [probabilities[row] for row in chosen if labels[row] == 0]
    if min(positives, negatives) >= rows:
        assert len(of_positives) - len(of_negatives) in (0, 1)
    if of_positives:
        assert of_positives[0] == probabilities[labels == 1].min()
    if len(of_positives) > 1:
        assert of_positives[-1] == probabilities[labels == 1].max()
    if of_negatives:
        assert of_negatives[0] == probabilities[labels == 0].max()
    if len(of_negatives) > 1:
        assert of_negatives[-1] == probabilities[labels == 0].min()


def test_choose_rows_spreads_evenly():
    assert choose_rows([1] * 9 + [0] * 9, list(np.linspace(0, 1, 9)) * 2, 6) == [0, 4, 8, 17, 13, 9]


@pytest.mark.parametrize(("unit", "name"), [("ΔE00", "ciede2000"), ("ΔE in a*b*", "ab"), ("distance", "padim")])
def test_a_map_has_a_unit_of_its_own(unit, name):
    assert MapSettings(name, "fold").unit == unit
