"""What the runs of experiment=study_seen_maps say of maps that were seen in training, as tables and a figure.

    python -m leanet.train -m experiment=study_seen_maps
    python benchmarks/seen_maps.py [runs] [figure.png]

prints, for each dataset and network, F1, AUROC and the share of test normals that are called anomalous, in-sample and
by each cure, with the difference of F1 to in-sample maps by the corrected resampled t-test and Holm's method over all
rows of a dataset. The figure has the mean of the map over training normals, test normals and anomalous images, by the
number of epochs of the colorizer.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from tabulate import tabulate

import leanet
from leanet.config.settings import FEATURE_MAPS
from leanet.report.csv_files import csv_rows
from leanet.report.statistics import Comparison, holm, lift
from leanet.storage.files import read_json

matplotlib.use("Agg")
from matplotlib import pyplot

IN_SAMPLE = "in-sample"
KINDS = {"train_normals": "training normals", "test_normals": "test normals", "test_positives": "anomalous"}
COLORS = {"train_normals": "#0072b2", "test_normals": "#009e73", "test_positives": "#d55e00"}
SCORES = ("f1", "auroc", "adn_alarms", "map_shift")
HEADER = ["", "maps", "F1", "AUROC", "test normals called anomalous", "map_shift", "F1 less in-sample", "folds"]


class Row(NamedTuple):
    """Folds of one network with one way of making maps, by head: the ADN, or `CAAN's own head`."""

    network: str
    way: str
    folds: pd.DataFrame


def main() -> None:
    home, figure = (*sys.argv[1:], *("runs", "seen-maps.png")[len(sys.argv) - 1 :])
    folds = leanet.results(home)
    folds = with_more(folds[~folds["map.name"].isin(FEATURE_MAPS) & (folds["colorizer.upsampling"] != "resize")])
    for (dataset, size), of_dataset in folds.groupby(["dataset", "dataset.image_size"]):
        longest = of_dataset["colorizer.max_epochs"].max()
        print(f"\n{dataset}, {size} px, colorizers of at most {longest:.0f} epochs\n")
        compared = of_dataset["colorizer.max_epochs"].isin([longest, None])  # None: without maps
        print(table(list(rows(of_dataset[compared]))))
    draw(folds[folds["adn"] == "map_score"], Path(figure))


def with_more(folds: pd.DataFrame) -> pd.DataFrame:
    """The table of folds with network, way of making maps, means of maps, and false alarms of each head."""
    results = [read_json(Path(folder) / "result.json") or {} for folder in folds["folder"]]
    more = {kind: [(result.get("maps") or {}).get(kind) for result in results] for kind in KINDS}
    more |= {f"{head}_alarms": [false_alarms(folder, head) for folder in folds["folder"]] for head in ("adn", "caan")}
    network = folds["model"].str.replace(r"-cross\d+", "", regex=True)
    return folds.assign(network=network, way=folds.apply(way, axis=1), **more)


def way(fold: pd.Series) -> str:
    if pd.notna(fold["map.cross_fit"]):
        return f"cross-fitted, {fold['map.cross_fit']:.0f} parts"
    return "stopped by held-out normals" if fold["colorizer.held_out"] else IN_SAMPLE


def false_alarms(folder: str, head: str) -> float | None:
    """The share of test normals that a head calls anomalous."""
    normals = [row for row in csv_rows(Path(folder) / "predictions.csv") if row["label"] == "0"]
    return float(np.mean([float(row[head]) > 0.5 for row in normals])) if head in normals[0] else None


def rows(folds: pd.DataFrame) -> Iterator[Row]:
    for (network, made), members in folds.groupby(["network", "way"]):
        yield Row(network, made, members)
        if members["caan_f1"].notna().any():
            own = {"f1": members["caan_f1"], "auroc": members["caan_auroc"], "adn_alarms": members["caan_alarms"]}
            yield Row(f"{network}, CAAN's own head", made, members.assign(**own))


def table(found: list[Row]) -> str:
    before = {row.network: by_fold(row.folds) for row in found if row.way == IN_SAMPLE}
    differences = [difference(row, before.get(row.network)) for row in found]
    adjusted = holm([each and each.p for each in differences])
    lines = [
        [row.network, row.way, *(spread(row.folds[name]) for name in SCORES), told(each, p), len(row.folds)]
        for row, each, p in zip(found, differences, adjusted, strict=True)
    ]
    lines.sort(key=lambda line: (line[0], line[1] != IN_SAMPLE, line[1]))
    return tabulate(lines, headers=HEADER, tablefmt="github", disable_numparse=True)


def by_fold(folds: pd.DataFrame) -> dict[tuple[int, int], float]:
    return dict(zip(zip(folds["split_seed"], folds["fold"], strict=True), folds["f1"], strict=True))


def difference(row: Row, before: dict[tuple[int, int], float] | None) -> Comparison | None:
    if before is None or row.way == IN_SAMPLE:
        return None
    return lift(by_fold(row.folds), before, row.folds["test_share"].mean())


def spread(values: pd.Series) -> str:
    known = values.dropna()
    return f"{known.mean():.3f} ± {known.std():.3f}" if len(known) > 1 else "–"


def told(found: Comparison | None, p: float | None) -> str:
    if found is None or found.low is None or p is None:
        return "–"
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}] p={p:.2g}"


def draw(folds: pd.DataFrame, file: Path) -> None:
    """A panel for each way of a dataset with several: means of the maps of each fold, by kind of image and epochs."""
    known = folds.dropna(subset=[*KINDS])
    panels = list(known[known.groupby("dataset")["way"].transform("nunique") > 1].groupby(["dataset", "way"]))
    panels.sort(key=lambda panel: (panel[0][0], panel[0][1] != IN_SAMPLE, panel[0][1]))
    if not panels:
        return
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.6), sharey=True, squeeze=False)
    for axis, ((dataset, made), of_panel) in zip(axes[0], panels, strict=True):
        for kind, words in KINDS.items():
            means = of_panel.groupby("colorizer.max_epochs")[kind].mean()
            axis.plot(means.index, means, color=COLORS[kind], label=words)
            axis.plot(of_panel["colorizer.max_epochs"], of_panel[kind], "o", color=COLORS[kind], alpha=0.5)
        axis.set(title=f"{dataset}, {made}", xlabel="epochs of the colorizer, at most", xlim=(0, None))
        axis.grid(alpha=0.3)
    axes[0][0].set(ylabel="mean of the map (ΔE00)", ylim=(0, None))
    axes[0][0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    print(f"\nwritten: {file}")


if __name__ == "__main__":
    main()
