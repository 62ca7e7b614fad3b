"""Ways to learn from tiles where only images have labels, on large images with small anomalies made from real ones.

    python benchmarks/tiles.py SOURCE OUT [ANOMALOUS_PIXELS]

SOURCE has folders Negative and Positive. OUT gets 120 images of 2,000 × 2,000 pixels, unless it has them: mosaics of 64
pictures from SOURCE/Negative; 40 of them have 1 to 3 spots of 20 pixels, cut from pictures in SOURCE/Positive where
these are reddest. No picture is used in two folds. OUT/labels.csv is for `dataset=table`.

A frozen network then sees the images whole (at 256 and 1,024 pixels) and in 64 tiles of 256 pixels. The table has F1
and AUROC, mean and SD over five folds. It takes about 40 minutes on two cores.
"""

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from scipy.ndimage import uniform_filter
from tabulate import tabulate
from torch import Tensor, nn

from leanet.color import rgb_to_lab
from leanet.config.command_line import composed
from leanet.config.effective import settings_of
from leanet.detector.baselines import Baseline
from leanet.detector.build import detector_of
from leanet.detector.lea_net import evidence
from leanet.detector.multiple_instance import fit_to_tiles
from leanet.detector.regression import LogisticRegression
from leanet.detector.scores import scores
from leanet.detector.tile_pooling import TilePooling
from leanet.experiment.cross_validation import cross_validate
from leanet.experiment.frozen_features import features_of
from leanet.experiment.split import split_of, tensors_of
from leanet.runs.cell import Cell, Cells, load

GRID, SIDE, FOLDS, NORMAL, ANOMALOUS = 8, 250, 5, 80, 40
STRENGTH = 0.1
Judge = Callable[[Tensor, Tensor, Tensor], Tensor]  # training tiles, labels and test tiles → logits of test images


def make(source: Path, out: Path, spot: int) -> None:
    """Write the images, their masks and labels.csv."""
    random = np.random.default_rng(0)
    normal, anomalous = (sorted((source / folder).iterdir()) for folder in ("Negative", "Positive"))
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(NORMAL + ANOMALOUS):
        fold, label = number % FOLDS, int(number >= NORMAL)
        image, mask = mosaic(normal[fold::FOLDS], random), Image.new("L", (GRID * SIDE,) * 2)
        for _ in range(int(random.integers(1, 4)) if label else 0):
            add_spot(image, mask, anomalous[fold::FOLDS], spot, random)
        name = f"{number:03}.jpg"
        image.save(out / name, quality=92)
        if label:
            mask.save(out / f"{number:03}_mask.png")
        rows.append([name, label, fold + 1, f"{number:03}_mask.png" if label else ""])
    with (out / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "label", "fold", "mask"], *rows])


def mosaic(pictures: list[Path], random: Generator) -> Image.Image:
    """64 pictures in rows, each turned or mirrored at random."""
    image = Image.new("RGB", (GRID * SIDE,) * 2)
    for place in range(GRID**2):
        picture = Image.open(pictures[random.integers(len(pictures))]).convert("RGB").resize((SIDE, SIDE))
        turned = picture.transpose(Image.Transpose(int(random.integers(7))))
        image.paste(turned, (place % GRID * SIDE, place // GRID * SIDE))
    return image


def add_spot(image: Image.Image, mask: Image.Image, files: list[Path], side: int, random: Generator) -> None:
    """Paste the reddest round spot of one of the files into the middle of a picture of the mosaic, with a soft edge."""
    picture, border = Image.open(files[random.integers(len(files))]).convert("RGB").resize((256, 256)), 40
    red = rgb_to_lab(torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)[1].numpy()
    inside = uniform_filter(red, side)[border:-border, border:-border]
    top, left = (int(place) + border - side // 2 for place in np.unravel_index(inside.argmax(), inside.shape))
    spot = picture.crop((left, top, left + side, top + side))
    down, right = np.mgrid[:side, :side] - (side - 1) / 2
    alpha = Image.fromarray((np.clip(side / 2 - np.hypot(down, right), 0, 2) * 127).astype(np.uint8))
    x, y = ((random.integers(GRID, size=2) + random.uniform(0.35, 0.65, size=2)) * SIDE).astype(int).tolist()
    image.paste(spot, (x, y), alpha)
    mask.paste(255, (x, y, x + side, y + side), alpha.point(lambda value: 255 * (value > 127)))


def cell_of(out: Path, *words: str) -> Cell:
    """A cell of the frozen network on the images of `out`."""
    config = composed("train", [f"dataset.file={out / 'labels.csv'}", "dataset=table", "adn=frozen", *words])
    return Cells().of(settings_of(config))


def regression(features: int) -> Baseline:
    return Baseline(nn.Flatten(), LogisticRegression(features, strength=STRENGTH, balanced=True))


def of_bags(pooled: Callable[[Tensor], Tensor]) -> Judge:
    """A regression on features that are pooled over the tiles of an image."""

    def judge(train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
        adn = regression(train.shape[-1])
        adn.fit_features(pooled(train), labels)
        return evidence(adn.classified(pooled(test)))

    return judge


def inherited(train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    """All tiles have the label of their image."""
    adn = regression(train.shape[-1])
    adn.fit_features(train.flatten(0, 1), labels.repeat_interleave(train.shape[1]))
    return _judged(adn, TilePooling("max", 1), test)


def chosen(kind: str, count: int) -> Judge:
    """As leanet does it."""

    def judge(train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
        adn, pooling = regression(train.shape[-1]), TilePooling(kind, count)
        fit_to_tiles(adn, pooling, train, labels)
        return _judged(adn, pooling, test)

    return judge


def _judged(adn: Baseline, pooling: TilePooling, test: Tensor) -> Tensor:
    return evidence(pooling(adn.classified(test.flatten(0, 1)).reshape(*test.shape[:2], 2)))


WAYS: dict[str, Judge] = {
    "mean of the tiles' features": of_bags(lambda tiles: tiles.mean(dim=1)),
    "maximum of the tiles' features": of_bags(lambda tiles: tiles.amax(dim=1)),
    "tiles inherit the label, max": inherited,
    "tiles are chosen, max": chosen("max", 1),
    "tiles are chosen, top 3": chosen("top", 3),
    "tiles are chosen, top 5": chosen("top", 5),
    "tiles are chosen, learned 5": chosen("learned", 5),
}


def row_of(way: str, found: list[dict[str, float]]) -> list[str]:
    told = [[fold[name] for fold in found] for name in ("f1", "auroc")]
    return [way, *(f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" for values in told)]


@torch.no_grad()
def main(source: Path, out: Path, spot: int = 20) -> None:
    if not (out / "labels.csv").exists():
        make(source, out, spot)
    rows = []
    for size in (256, 1024):
        cell = cell_of(out, f"dataset.image_size={size}")
        cross_validate(cell)
        rows.append(row_of(f"whole images, {size} px", [run.result or {} for run in cell.runs]))
    cell = cell_of(out, "tiles=8", "tile_overlap=0.15", "dataset.image_size=256")
    images, fold_of = load(cell)
    run = cell.runs[0]
    tensors = tensors_of(run, images, split_of(run, images, fold_of))
    features = features_of(run, detector_of(run.settings, run.fold), tensors)
    labels, parts = torch.from_numpy(images.labels), torch.from_numpy(fold_of)
    for way, judge in WAYS.items():
        found = []
        for fold in range(1, FOLDS + 1):
            train, test = parts != fold, parts == fold
            logits = judge(features[train], labels[train], features[test])
            found.append(scores(torch.sigmoid(logits), labels[test]))
        rows.append(row_of(way, found))
        print(rows[-1], flush=True)
    print(tabulate(rows, headers=["way", "F1", "AUROC"], tablefmt="github"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
