"""A page of more than 2,000 runs: how long it takes to write, how large it is, and how long Chromium takes to open it.

    python benchmarks/page_opening.py

prints a table. The runs are made up (folders as real runs leave them, with pictures, on ten sets of painted leaves).
From the disk, medians of five times: until the table of cells is drawn; until the first test images are there as well;
and until those of another cell are, pictures decoded.
"""

import shutil
import statistics
import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from omegaconf import OmegaConf
from playwright.sync_api import Browser, sync_playwright
from tabulate import tabulate

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.data.images import ImageSet
from leanet.grid.products import Configurations, expand
from leanet.report.page.write import write_page
from leanet.report.results import results
from leanet.report.selection import Selection
from leanet.runs.cell import Cell, Cells, load
from leanet.runs.run import Run
from leanet.storage.files import write_atomically, write_json, write_text
from leanet.storage.run_files import RESULT

SETS = 10
AXES = {"adn": "resnet18,vgg16", "caan": "none,direct,mobilenet", "point": "1,2,3,4,5", "seed": "0,1"}
VERSIONS = {"python": "3.11", "torch": "2.11"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        runs = sum(make_set(home, number) for number in range(SETS))
        start = time.monotonic()
        page = write_page(Selection(home, results(home), home))
        written = time.monotonic() - start
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            figures = list(zip(*(timed(browser, page) for _ in range(5)), strict=True))
            browser.close()
        row = [f"{runs:,}", f"{written:.0f}", f"{page.stat().st_size / 1e6:.1f}"]
    row += [f"{statistics.median(seconds):.2f}" for seconds in figures]
    headers = ["runs", "s to write", "MB", "s to the table", "s to the gallery", "s to another gallery"]
    print(tabulate([row], headers=headers, tablefmt="github", disable_numparse=True))


def timed(browser: Browser, file: Path) -> tuple[float, float, float]:
    page = browser.new_page()
    start = time.monotonic()
    page.goto(file.as_uri(), wait_until="commit")
    page.wait_for_selector("#cell-table tbody tr")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    opened = time.monotonic() - start
    page.wait_for_selector("#cards li")
    whole = time.monotonic() - start
    start = time.monotonic()
    page.select_option("#choices [name=cell]", index=40)
    page.locator("#cards li").first.screenshot()
    gallery = time.monotonic() - start
    page.close()
    return opened, whole, gallery


def make_set(home: Path, number: int) -> int:
    """Finished runs of all cells on one set of leaves; how many."""
    given = [f"paths.runs={home}", f"dataset.data_seed={number}", f"dataset.name=leaves{number}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        configurations = Configurations(partial(compose, "train"), lambda key: (CONF / key).is_dir())
        cells = Cells()
        made = {
            cell.runs[0].cell: cell
            for words in expand([AXES], given)
            for cell in [cells.of(settings_of(configurations.of(words, given)))]
        }
    images, fold_of = load(next(iter(made.values())))
    for cell in made.values():
        finish(cell, images, fold_of, np.random.default_rng(number))
    return sum(len(cell.runs) for cell in made.values())


def finish(cell: Cell, images: ImageSet, fold_of: NDArray[np.int64], random: np.random.Generator) -> None:
    """What the runs of a cell leave."""
    for run in cell.runs:
        test = np.flatnonzero(fold_of == run.fold)
        chances = np.clip(images.labels[test] * 0.6 + random.normal(0.2, 0.2, len(test)), 0, 1)
        rows = [
            f"{images.index.names[row]},{images.index.sha256[row]},{images.labels[row]},{chance:.4f}"
            for row, chance in zip(test, chances, strict=True)
        ]
        write_text(run.folder / "predictions.csv", "\n".join(["file,sha256,label,adn", *rows, ""]))
        write_text(
            run.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create({**asdict(run.settings), "fold": run.fold}))
        )
        write_text(
            run.folder / "curves.csv", "epoch,loss\n" + "".join(f"{epoch},{1 / epoch:.4f}\n" for epoch in range(1, 101))
        )
        if run.settings.has_attention:
            attention = random.random((len(test), 32, 32), dtype=np.float32).astype(np.float16)
            write_atomically(run.folder / "attention.npy", partial(np.save, arr=attention))
        if run.settings.needs_maps and not run.maps_file.exists():
            maps = (10 * random.random((len(images.labels), 1, 64, 64), dtype=np.float32)).astype(np.float16)
            write_atomically(run.maps_file, partial(np.save, arr=maps))
        write_json(run.folder / RESULT, result(run, float(random.uniform(0.5, 0.9))))


def result(run: Run, f1: float) -> dict[str, object]:
    counts = {"train": {"negative": 120, "positive": 40}, "test": {"negative": 30, "positive": 10}}
    figures = {"f1": f1, "auroc": 0.9, "ap": 0.8, "floor": 0.4, "collapsed": False, "seconds": 60.0, "caan": None}
    names = {"run": run.id, "cell": run.cell, "dataset": run.settings.dataset_name, "model": run.model}
    more = {"fold": run.fold, "folds": 5, "image_size": 64, "epochs": 100, "positives_of_all": 0.25}
    return {**figures, **names, **more, "images": counts, "versions": VERSIONS, "parameters": 11_177_538}


if __name__ == "__main__":
    main()
