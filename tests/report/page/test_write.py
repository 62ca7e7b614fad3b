"""The page in a real browser: what it shows is what the runs' files say, and nothing gets out or in."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image
from playwright.sync_api import Page

from leanet.config.command_line import CONF
from leanet.data.synthetic import SyntheticLeaves
from leanet.report.page.write import write_page
from leanet.report.results import results
from leanet.report.selection import Selection
from leanet.train import train

Open = Callable[..., Page]
POTATO, WOOD = "dataset.name=potato", "dataset.name=wood"
EVIL = '"><img src=x onerror="document.title=1"> & </script><b>'


def folds(value: float) -> dict[int, float]:
    return {fold: value + 0.01 * (fold - 3) for fold in range(1, 6)}


@pytest.fixture(scope="module")
def many(finisher: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of eight cells without pictures."""
    home = tmp_path_factory.mktemp("many")
    finish = finisher(home)
    finish(folds(0.5), POTATO, "caan=none")
    for point, f1 in enumerate((0.55, 0.65, 0.45, 0.60, 0.05), start=1):
        finish(folds(f1), POTATO, "caan=direct", f"point={point}")
    finish(folds(0.7), WOOD, "caan=none", "adn=vgg16")
    finish({1: 0.6}, WOOD, "caan=none")
    return write_page(Selection(home, results(home), home))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leaves on disk, one with a name that wants to be markup."""
    home = tmp_path_factory.mktemp("photos")
    leaves = SyntheticLeaves(image_size=32, negatives=12, positives=8).load(home / "made")
    for number, (pixels, label) in enumerate(zip(leaves.images, leaves.labels, strict=True)):
        name = EVIL.replace("/", "∕") if number == 0 else f"leaf {number}"
        file = home / ("Positive" if label else "Negative") / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(file)
    return home


@pytest.fixture(scope="module")
def real(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """paths.runs with two folds of a detector with attention."""
    home = tmp_path_factory.mktemp("real")
    words = [f"paths.runs={home}", "dataset=folder", f"dataset.root={photos}", "dataset.image_size=32", "folds=2"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=[*words, "trainer.max_epochs=2", "colorizer.max_epochs=2"])
    train(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    write_page(Selection(home, results(home), home))
    return home


def column(page: Page, name: str, shown: bool = True) -> list[str]:
    """The texts of a column of the table of cells."""
    heads = page.locator("#cell-table thead th").all_inner_texts()
    place = [re.sub(r"\W+$", "", head) for head in heads].index(name)
    rows = page.locator("#cell-table tbody tr:not(.details)")
    rows = rows.locator("visible=true") if shown else rows
    return rows.locator(f"td:nth-child({place + 1})").all_inner_texts()


def test_the_table_sorts_by_any_column(many: Path, opened: Open) -> None:
    page = opened(many)
    assert len(column(page, "model")) == 8
    for click, down in ((1, True), (2, False)):
        page.get_by_role("button", name="F1", exact=True).click()
        values = [float(text.split()[0]) for text in column(page, "F1")]
        assert values == sorted([0.5, 0.55, 0.65, 0.45, 0.6, 0.05, 0.7, 0.6], reverse=down), click
    head = page.locator("#cell-table th[aria-sort=ascending]")
    assert head.inner_text().startswith("F1")
    page.get_by_role("button", name="lift", exact=True).click()
    lifts = column(page, "lift")
    assert lifts[:5] == ["+0.150", "+0.100", "+0.050", "−0.050", "−0.450"] and set(lifts[5:]) == {"–"}
    page.get_by_role("button", name="dataset", exact=True).click()
    assert column(page, "dataset") == ["potato"] * 6 + ["wood"] * 2


def test_the_table_can_be_narrowed(many: Path, opened: Open) -> None:
    page = opened(many)
    page.get_by_label("Find", exact=True).fill("potato direct")
    assert column(page, "model") == [f"resnet18+direct@{point}" for point in range(1, 6)]
    page.get_by_label("best point of each row only").check()
    assert column(page, "model") == ["resnet18+direct@2"]
    assert page.locator("#shown").inner_text() == "1 of 8"
    page.get_by_label("Find", exact=True).fill("")
    page.locator("#filters").get_by_label("Dataset").select_option("wood")
    assert sorted(column(page, "model")) == ["resnet18", "vgg16"]


def test_a_cell_opens_by_the_keyboard_and_shows_what_is_behind_it(many: Path, opened: Open) -> None:
    page = opened(many)
    button = page.get_by_role("button", name="resnet18+direct@3", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    details = page.locator("tr.details")
    shown = details.locator(".folds tbody td:nth-child(2)").all_inner_texts()
    assert shown == ["0.430", "0.440", "0.450", "0.460", "0.470"]
    assert details.locator(".caption").inner_text().startswith("potato · resnet18+direct@3: image_size ")
    counts = [text.split()[1] for text in details.locator(".confusion span").all_inner_texts()]
    assert counts == ["70", "5", "5", "20"]  # of five folds, each with one wrong image of either class
    legends = [text.replace("\xa0", " ") for text in details.locator(".legend").all_inner_texts()]
    assert legends[0].startswith("AUROC 0.900 ± 0.000") and legends[1].startswith("AP 0.800 ± 0.000")
    assert details.locator(".plot .fold").count() == 2 * 5 and details.locator(".plot .mean").count() == 2
    assert details.locator("dt", has_text=re.compile(r"^trainer\.batch_size$")).count() == 1
    assert "torch" in details.inner_text()
    page.keyboard.press("Enter")
    assert page.locator("tr.details").count() == 0


def test_a_cell_with_maps_says_how_far_they_are_shifted(real: Path, opened: Open) -> None:
    page = opened(real / "report" / "index.html")
    page.locator("#cell-table button.open").first.click()
    shifts = [json.loads(file.read_text())["maps"]["shift"] for file in real.glob("detectors/*/result.json")]
    told = page.locator("tr.details dt", has_text="shift of maps").locator("xpath=following-sibling::dd[1]")
    assert told.inner_text() == f"{np.mean(shifts):.3f}"


@pytest.mark.parametrize("width", [1400, 420])
def test_the_table_fits_its_box_or_scrolls_in_it(real: Path, opened: Open, width: int) -> None:
    page = opened(real / "report" / "index.html", width=width)
    page.locator("#cell-table button.open").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = "(() => { const box = document.querySelector('#cells .scroll'); return box.scrollWidth - box.clientWidth })()"
    assert (page.evaluate(box) == 0) == (width == 1400)


def test_tables_are_saved_as_they_are_shown(many: Path, opened: Open, tmp_path: Path) -> None:
    page = opened(many)
    page.get_by_label("Find", exact=True).fill("direct")
    page.get_by_role("button", name="F1", exact=True).click()
    saved = {}
    for name in ("cells", "Table 3"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save as CSV: {name}").first.click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
        saved[name] = list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
    assert [float(row["f1"]) for row in saved["cells"]] == [0.65, 0.6, 0.55, 0.45, 0.05]
    assert {row["model"][:-1] for row in saved["cells"]} == {"resnet18+direct@"} and saved["cells"][0]["lift"] == "0.15"
    assert "0.650 ± 0.016 (2)" in saved["Table 3"][1].values()


def test_rows_of_one_name_say_what_differs(finish: Any, tmp_path: Path, opened: Open) -> None:
    for words in ("adn.lr=1e-3", "adn.lr=1e-4", "trainer.max_epochs=7"):
        finish({1: 0.5, 2: 0.6}, "caan=none", words)
    finish({1: 0.6, 2: 0.6}, "caan=direct")
    page = opened(write_page(Selection(tmp_path, results(tmp_path), tmp_path)))
    told = page.locator("#cell-table .differs").all_inner_texts()
    assert len(told) == 4 and len(set(told[:3])) == 3
    assert sum("adn.lr=0.0001" in text for text in told) == 1 and any("epochs 7" in text for text in told)
    assert set(column(page, "95")) == set(column(page, "p")) == {"–"}  # of two folds
    assert page.locator("#cell-table .range .fold").count() == 2 * 4


def test_pictures_open_large_and_close(real: Path, opened: Open) -> None:
    page = opened(real / "report" / "index.html", dark=True)
    large, picture = page.locator("#large"), page.locator("#figures .enlarge").first
    assert picture.locator("img").count() == 2 and picture.locator("img.on-dark").is_visible()
    assert not picture.locator("img.on-light").is_visible()
    assert "image_size 32, folds 2" in page.locator("figcaption").first.inner_text()
    picture.focus()
    page.keyboard.press("Enter")
    assert large.is_visible() and large.locator(".caption").inner_text().startswith("Figure 3: ")
    page.keyboard.press("Escape")
    assert not large.is_visible() and picture.evaluate("node => node === document.activeElement")
    page.locator("#cards .enlarge").first.click()
    assert large.locator(".picture").count() == 3
    assert large.locator(".picture").nth(2).evaluate("node => getComputedStyle(node).imageRendering") == "pixelated"
    assert large.locator(".picture").first.bounding_box()["width"] > 300  # type: ignore[index]
    large.locator(".caption").click()
    assert not large.is_visible()


def test_the_papers_tables_stand_beside_ours(many: Path, opened: Open) -> None:
    page = opened(many)
    table = page.locator("#paper table").first
    assert "0.650 ± 0.016 (2)" in table.inner_text()
    best = table.locator("strong").all_inner_texts()
    assert "0.650 ± 0.016 (2)" in best
    page.locator("input.narrow").first.fill("direct")
    assert table.locator("tbody tr").locator("visible=true").count() == 1


def test_it_is_readable_on_a_phone_and_in_the_dark(many: Path, opened: Open) -> None:
    page = opened(many, width=390, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    ground, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    assert max(map(int, re.findall(r"\d+", ground))) < 60 and min(map(int, re.findall(r"\d+", ink))) > 200
    page.get_by_role("button", name="Light", exact=True).click()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert min(map(int, re.findall(r"\d+", ground))) > 200


def predictions(home: Path) -> list[dict[str, str]]:
    files = sorted(home.glob("detectors/*/predictions.csv"))
    return [row for file in files for row in csv.DictReader(file.read_text().splitlines())]


def test_the_gallery_shows_each_test_image_with_what_was_said_of_it(real: Path, opened: Open) -> None:
    page = opened(real / "report" / "index.html")
    rows = predictions(real)
    wrong = [row for row in rows if (float(row["adn"]) > 0.5) != (row["label"] == "1")]
    cards = page.locator("#cards li")
    assert cards.count() == 20
    page.locator("#choices [name=show]").select_option("wrong")
    assert cards.count() == len(wrong) == page.locator("#cards .wrong").count()
    page.locator("#choices [name=show]").select_option("all")
    page.locator("#choices [name=order]").select_option("high")
    chances = [float(text) for text in page.locator("#cards .chance-text").all_inner_texts()]
    assert chances == pytest.approx(sorted((float(row["adn"]) for row in rows), reverse=True), abs=6e-4)
    page.locator("#choices [name=fold]").select_option(label="2")
    assert all(text.startswith("fold 2 ·") for text in page.locator("#cards .name").all_inner_texts())


def test_the_pictures_are_those_of_the_image(real: Path, photos: Path, opened: Open, tmp_path: Path) -> None:
    page = opened(real / "report" / "index.html")
    titles = page.locator("#cards li").first.locator(".tile .title").all_inner_texts()
    assert titles[0] == "original" and titles[1].startswith("ΔE00") and titles[2].startswith("attention 0.")
    for number in (3, 7):
        card = page.locator("#cards li", has=page.locator(f"p[title$='leaf {number}.png']"))
        card.locator(".tile-0").screenshot(path=tmp_path / "tile.png")
        with Image.open(tmp_path / "tile.png") as seen, Image.open(next(photos.glob(f"*/leaf {number}.png"))) as meant:
            small = np.asarray(seen.convert("RGB").resize((8, 8), Image.Resampling.BOX), dtype=float)
            expected = np.asarray(meant.resize((8, 8), Image.Resampling.BOX), dtype=float)
        assert np.abs(small - expected).mean() < 12  # lossy, enlarged, with round corners


def test_names_stay_names(real: Path, opened: Open) -> None:
    page = opened(real / "report" / "index.html")
    assert page.title() == "leanet: results"
    assert page.locator("#cards p", has_text=EVIL.replace("/", "∕")).count() == 1
    data = json.loads(page.locator("#data").text_content() or "")
    assert any(EVIL.replace("/", "∕") in name for name in data["images"][0]["names"])


def test_without_its_images_a_cell_still_has_a_page(real: Path, photos: Path, opened: Open, tmp_path: Path) -> None:
    photos.rename(photos.with_name("elsewhere"))
    try:
        page = opened(write_page(Selection(real, results(real), real)))
    finally:
        photos.with_name("elsewhere").rename(photos)
    assert page.locator("#cards li").count() == 20
    assert page.locator("#missing").inner_text().startswith("Without pictures:")
