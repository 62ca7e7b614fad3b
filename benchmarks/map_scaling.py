"""What each scaling of the anomaly map leaves of its evidence: AUROC of the scaled map's mean and maximum.

    python -m leanet.train dataset=strawberry dataset.image_size=64        # makes the maps
    python benchmarks/map_scaling.py dataset=strawberry dataset.image_size=64

takes the same words as leanet.train and prints a table over the folds whose maps are there. `fold` and `fixed` multiply
all maps of a fold by one number, so they keep the order of the images; `image_max` does not.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tabulate import tabulate
from torchmetrics.functional.classification import binary_auroc

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.maps.scaling import map_divisor, map_scales
from leanet.report.tables import spread
from leanet.runs.cell import dataset_of, folds_of
from leanet.runs.run import Run


def main(overrides: list[str]) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=overrides)
    settings = settings_of(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    home = Path(settings.paths.runs)
    images = dataset_of(settings).load(home / "images")
    fold_of = folds_of(settings, images, home)
    found: dict[str, list[list[float]]] = {"fold": [], "image_max": [], "fixed": []}
    for fold in settings.selected_folds:
        file = Run(settings, images.index.fingerprint, fold).maps_file
        if not file.exists():
            continue
        maps = torch.from_numpy(np.load(file, allow_pickle=False))
        test, train = (torch.from_numpy(np.flatnonzero(rows)) for rows in (fold_of == fold, fold_of != fold))
        labels = torch.from_numpy(images.labels)[test]
        for scaling, rows in found.items():
            scales = map_scales(maps, map_divisor(maps, scaling, train))
            scaled = maps[test].float().flatten(1) * scales[test, None]
            rows.append([float(binary_auroc(score, labels)) for score in (scaled.mean(1), scaled.amax(1))])
    table = [[scaling, *(spread(column) for column in zip(*rows, strict=True))] for scaling, rows in found.items()]
    print(f"{settings.dataset_name}, {settings.image_size} px, {len(found['fold'])} folds")
    print(tabulate(table, headers=["scaling", "AUROC of mean", "AUROC of maximum"], tablefmt="github"))


if __name__ == "__main__":
    main(sys.argv[1:])
