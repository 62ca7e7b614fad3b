"""By which distance images of another kind are told from images like the training images.

    python benchmarks/drift.py "dataset=potato adn=frozen" "dataset=hurricane adn=frozen"

trains each cell (with datasets of LEANET_DATA, in LEANET_RUNS, 64 pixels) and prints, for several features and two
distances, the mean over the folds of

- the share of the held-out images that are farther than 95 % and 99 % of the training images (5 % and 1 % are right);
- the AUROC of the distance between the held-out images and the same images darkened, brightened, with a warmer white
  balance, and blurred; and an eighth of the images of the other datasets.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from statistics import mean
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from omegaconf import OmegaConf
from sklearn.metrics import roc_auc_score
from tabulate import tabulate
from torch.nn.functional import avg_pool2d

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.detector.baselines import LabStatistics
from leanet.detector.taps import Taps
from leanet.detector.task import DetectorTask
from leanet.experiment.cross_validation import cross_validate
from leanet.experiment.fold import load_task
from leanet.experiment.split import split_of
from leanet.model.reference import fit_reference
from leanet.runs.cell import Cell, Cells, load

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Distances = Callable[[Floats], Floats]

OTHERS = ("potato", "hurricane", "strawberry")
FEATURES = {  # by name: attention points, and whether colour statistics are added
    "colours": ((), True),
    "point 2": ((2,), False),
    "point 3": ((3,), False),
    "point 5": ((5,), False),
    "points 1–5": ((1, 2, 3, 4, 5), False),
    "colours, point 2": ((2,), True),
}
COLUMNS = ("farther than 95 %", "than 99 %", "darker", "brighter", "warmer", "slightly warmer", "blurred")


def lit(red: float, green: float, blue: float, images: Pixels) -> Pixels:
    """Images in another light: each channel multiplied."""
    factors = np.array([red, green, blue]).reshape(3, 1, 1)
    return (images * factors).clip(0, 255).round().astype(np.uint8)


def blurred(images: Pixels) -> Pixels:
    means = avg_pool2d(torch.from_numpy(images).float(), 5, 1, 2, count_include_pad=False)
    return means.round().byte().numpy()


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "darker": partial(lit, 0.6, 0.6, 0.6),
    "brighter": partial(lit, 1.35, 1.35, 1.35),
    "warmer": partial(lit, 1.15, 1, 0.85),
    "slightly warmer": partial(lit, 1.07, 1, 0.93),
    "blurred": blurred,
}


def main() -> None:
    others = {name: load(cell_of(f"dataset={name}"))[0].images[::8] for name in OTHERS}
    for words in sys.argv[1:]:
        cell = cell_of(words)
        cross_validate(cell)
        print(f"\n{words}, F1 {mean(run.result['f1'] for run in cell.runs if run.result):.3f}\n")
        names = [*COLUMNS, *(name for name in OTHERS if name != cell.settings.dataset_name)]
        rows = [
            [*way, *(f"{mean(values[name]):.2f}" for name in names)] for way, values in measured(cell, others).items()
        ]
        print(tabulate(rows, headers=["features", "distance", *names], tablefmt="github", disable_numparse=True))


def cell_of(words: str) -> Cell:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", ["dataset.image_size=64", "caan=none", *words.split()])
    config: Any = OmegaConf.to_container(composed, resolve=True)
    return Cells().of(settings_of(config))


def measured(cell: Cell, others: dict[str, Pixels]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """For each feature and distance, the figures of each fold by column."""
    images, fold_of = load(cell)
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in cell.runs:
        rows, task = split_of(run, images, fold_of), load_task(run)
        test, labels = images.images[rows.test], images.labels[rows.train]
        sets = {name: change(test) for name, change in CHANGES.items()}
        sets |= {name: pixels for name, pixels in others.items() if name != cell.settings.dataset_name}
        known, held_out = features(task, images.images[rows.train]), features(task, test)
        drifted = {name: features(task, pixels) for name, pixels in sets.items()}
        for name in known:
            for way, make in WAYS.items():
                own, distances = make(known[name], labels)
                near, figures = distances(held_out[name]), found[name, way]
                figures["farther than 95 %"].append(float((near > np.quantile(own, 0.95)).mean()))
                figures["than 99 %"].append(float((near > np.quantile(own, 0.99)).mean()))
                for kind, values in drifted.items():
                    far = distances(values[name])
                    truth = np.repeat([0, 1], [len(near), len(far)])
                    figures[kind].append(float(roc_auc_score(truth, np.concatenate([near, far]))))
    return found


@torch.inference_mode()
def features(task: DetectorTask, images: Pixels) -> dict[str, Floats]:
    """Each of FEATURES for images (N, 3, S, S); (N, F) each."""
    adn = task.network.adn
    taps = Taps(adn.network, {point: name for point, name in enumerate(adn.points, start=1) if name})
    parts: dict[object, list[torch.Tensor]] = defaultdict(list)
    for batch in torch.split(torch.from_numpy(images), 32):
        with taps.open() as seen:
            task.network(batch / 255)
        for point, values in seen.items():
            parts[point].append(values.mean((2, 3)))
        parts["colours"].append(LabStatistics()(batch / 255))
    whole = {part: torch.cat(values).double().numpy() for part, values in parts.items()}
    return {
        name: np.concatenate([*([whole["colours"]] if colours else []), *(whole[point] for point in points)], axis=1)
        for name, (points, colours) in FEATURES.items()
    }


def mahalanobis(known: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Distances]:
    """Distances of the training images, cross-validated, and a function for those of others."""
    reference = fit_reference(known, labels)
    assert reference is not None
    return reference.distances, reference.distances_of


def neighbours(known: Floats, labels: NDArray[np.int64], k: int = 5) -> tuple[Floats, Distances]:
    """As `mahalanobis`: to the k-th nearest training image, of standardised features."""
    center, deviation = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-6)
    standardised = torch.from_numpy((known - center) / deviation)
    own = torch.cdist(standardised, standardised).sort(dim=1).values[:, k]  # the nearest is the image itself

    def distances(others: Floats) -> Floats:
        there = torch.from_numpy((others - center) / deviation)
        return np.asarray(torch.cdist(there, standardised).sort(dim=1).values[:, k - 1])

    return own.numpy(), distances


WAYS = {"Mahalanobis": mahalanobis, "5th neighbour": neighbours}

if __name__ == "__main__":
    main()
