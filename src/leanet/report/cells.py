"""Group the table of finished folds: its cells, their scores, and the cells that can be compared in one table."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from leanet.config.differences import Facts, differences, short
from leanet.report.predictions import f1_at_prior

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Key = tuple[str, str]  # a cell's dataset and identity: the same images may have two names
Fold = tuple[int, int]  # split seed and number
Record = dict[str, Any]  # a fold, by names of columns
Cell = Any  # a row of `cells_of`, from itertuples

KEY = ["dataset", "cell"]
SEEDS = ["split_seed", "seed"]
# Settings that all cells of one table have in common. Others are of networks, and so of the table's rows.
SHARED = ["dataset.image_size", "fit", "folds", "folds_file", "folds_by", "validation"]
OF_EPOCHS = ["trainer.max_epochs", "trainer.batch_size", "trainer.precision", "seed"]
_GROUPS = ("adn.", "caan.", "colorizer.", "map.")


def cells_of(folds: DataFrame) -> DataFrame:
    """A table with a row for each cell.

    Args:
        folds: as `results` returns them.

    Returns:
        the columns of the cell's first fold, and `key`; `done` and `expected`, the numbers of finished folds and of all
        folds; `runs`, the number of runs, larger than `done` if folds were trained from several seeds; `mean_f1` over
        folds; `collapsed`, the number of collapsed runs. Several values of `seed` or `split_seed` are joined: 0+1.
    """
    f1, groups = scores(folds, "f1"), folds.groupby(KEY, sort=False)
    cells = folds.drop_duplicates(KEY).copy()
    cells["key"] = list(zip(cells["dataset"], cells["cell"], strict=True))
    splits = groups["split_seed"].nunique().to_dict()
    cells["done"] = [len(f1[key]) for key in cells["key"]]
    cells["expected"] = [count * splits[key] for key, count in zip(cells["key"], cells["folds"], strict=True)]
    cells["mean_f1"] = [fmean(f1[key].values()) for key in cells["key"]]
    for name, found in (("runs", groups.size()), ("collapsed", groups["collapsed"].sum())):
        cells[name] = [int(found[key]) for key in cells["key"]]
    for seed in SEEDS:
        different = groups[seed].unique().to_dict()
        cells[seed] = [_joined(different[key]) for key in cells["key"]]
    return cells


def records_of(folds: DataFrame, columns: Sequence[str]) -> dict[Key, list[Record]]:
    """Some columns of the folds as dictionaries, by cell; much faster than a table for each cell."""
    found: dict[Key, list[Record]] = {}
    for record in folds[[*KEY, *columns]].to_dict("records"):
        found.setdefault((record["dataset"], record["cell"]), []).append(record)
    return found


def of_keys(folds: DataFrame, keys: Sequence[Key]) -> DataFrame:
    """The folds of cells, in the order of `keys`."""
    places = folds.groupby(KEY, sort=False).indices
    return folds.iloc[[place for key in keys for place in places[key]]]


def scores(folds: DataFrame, figure: str) -> dict[Key, dict[Fold, float]]:
    """A score of each fold, by cell. Folds without it are left out.

    If a fold was trained from several seeds, it is the mean over seeds: these scores share their test images, and are
    not independent values.

    Args:
        folds: as `results` returns them.
        figure: the column; also `at_prior` and `caan`.

    Returns:
        scores by cell, then by (split seed, fold).
    """
    found: dict[Key, dict[Fold, float]] = {key: {} for key in zip(folds["dataset"], folds["cell"], strict=True)}
    values = folds[KEY].assign(fold=folds["fold"], split=folds["split_seed"], value=_values(folds, figure))
    means = values.dropna(subset="value").groupby([*KEY, "split", "fold"], sort=False)["value"].mean()
    for (dataset, cell, split, fold), value in means.items():
        found[dataset, cell][split, fold] = float(value)
    return found


def _values(folds: DataFrame, figure: str) -> Series | list[float | None]:
    """A score of every fold; `at_prior` is computed from the predictions."""
    if figure != "at_prior":
        return folds["caan_f1" if figure == "caan" else figure]
    columns = zip(*(folds[name] for name in ("balance", "folder", "train_negative", "train_positive")), strict=True)
    # A balanced loss already accounts for the share of positives, so that the threshold stays 0.5.
    return [f1_at_prior(folder, *counts) if balance == "none" else None for balance, folder, *counts in columns]


def by_split(values: Mapping[Fold, float]) -> list[list[float]]:
    """Divide the scores of folds into one list for each cross-validation, that is, for each split seed."""
    found: dict[int, list[float]] = {}
    for (split, _), value in sorted(values.items()):
        found.setdefault(split, []).append(value)
    return list(found.values())


def fold_names(runs: Sequence[Record]) -> list[str]:
    """Names of a cell's folds: `1`, or `1, split 2` and `1, split 2, seed 3` if split or seed differ.

    Args:
        runs: with `fold`, `split_seed` and `seed`.
    """
    differing = [name for name in SEEDS if len({run[name] for run in runs}) > 1]
    return [
        ", ".join([str(run["fold"]), *(f"{name.removesuffix('_seed')} {run[name]}" for name in differing)])
        for run in runs
    ]


def shared_of(cells: DataFrame) -> list[Facts]:
    """For each cell, the settings that all cells of a table must have in common."""
    return list(cells.reindex(columns=[*SHARED, *OF_EPOCHS, "split_seed"]).to_dict("records"))


def own_of(cells: DataFrame) -> list[Facts]:
    """For each cell, the settings of its networks, without None."""
    names = [name for name in cells.columns if name.startswith(_GROUPS)]
    return [
        {name: value for name, value in record.items() if value is not None}
        for record in cells[names].to_dict("records")
    ]


def binding(cell: Cell, shared: Facts) -> Facts:
    """The shared settings that change the cell's results.

    A model without epochs does not depend on settings of epochs and on the seed; on the precision only if its maps are
    made by a colorizer.
    """
    if cell.epochs:
        return shared
    kept = {"trainer.precision"} if cell.input != "rgb" else set()
    return {name: value for name, value in shared.items() if name not in OF_EPOCHS or name in kept}


def pooled(folds: DataFrame) -> DataFrame:
    """Merge cells that differ only in their seeds into one cell: a repeated cross-validation.

    The colorizer's seed is merged too if it equals the seed of the run; it is then removed from the table.
    """
    if "colorizer.seed" in folds:
        follows = folds["colorizer.seed"] == folds["seed"]
        folds = folds.assign(**{"colorizer.seed": folds["colorizer.seed"].mask(follows, None)})
    cells, pools, pool_of = cells_of(folds), dict[str, tuple[int, str]](), dict[Key, tuple[int, str]]()
    for cell, shared, own in zip(cells.itertuples(), shared_of(cells), own_of(cells), strict=True):
        bound = {name: value for name, value in binding(cell, shared).items() if name not in SEEDS}
        facts = [cell.dataset, cell.model, cell.positives_of_all, own, bound]
        key = json.dumps(facts, sort_keys=True, default=str)
        pool_of[cell.key] = pools.setdefault(key, (len(pools), cell.cell))
    found = [pool_of[key] for key in zip(folds["dataset"], folds["cell"], strict=True)]
    table = folds.assign(cell=[cell for _, cell in found], pool=[place for place, _ in found])
    return table.sort_values(["pool", "split_seed", "fold", "seed"], kind="stable").drop(columns="pool")


def tables_of(folds: DataFrame) -> list[tuple[Facts, DataFrame]]:
    """Divide folds into tables of comparable cells, which share settings such as epochs and seed.

    A cell without epochs is in all tables that it fits, after the cells with epochs.

    Returns:
        for each table, the shared settings and its folds.
    """
    cells, found = cells_of(folds), list[tuple[Facts, list[Key]]]()
    for cell, shared in sorted(
        zip(cells.itertuples(), shared_of(cells), strict=True), key=lambda pair: not pair[0].epochs
    ):
        fitting = [keys for facts, keys in found if binding(cell, shared).items() <= facts.items()]
        for keys in fitting:
            keys.append(cell.key)
        if not fitting:
            found.append((shared, [cell.key]))
    return [(shared, of_keys(folds, keys)) for shared, keys in found]


def tables_named(name: str, folds: DataFrame) -> list[tuple[str, DataFrame]]:
    """Divide folds as `tables_of`, with a file name for each table: figure4, or figure4-epochs100 if there are several.

    Args:
        name: the beginning of the file names.
        folds: as `results` returns them.
    """
    groups = tables_of(folds)
    differing = differences([shared for shared, _ in groups])
    return [
        ("-".join([name, *(f"{short(fact)}{shared[fact]}" for fact in differing if shared[fact] is not None)]), members)
        for shared, members in groups
    ]


def cells_named(name: str, folds: DataFrame) -> list[tuple[str, DataFrame]]:
    """Divide folds by cell, with a file name for each, such as mistakes-strawberry-resnet18+mobilenet-point4.

    Cells whose names are equal, since they differ in settings of networks, get their id too.
    """
    named = [
        (f"{table}-{file_words(cell.dataset)}-{cell.model.replace('@', '-point')}", cell, members)
        for table, members in tables_named(name, folds)
        for cell in cells_of(members).itertuples()
    ]
    alike = Counter(file for file, _, _ in named)
    return [
        (f"{file}-{cell.cell}" if alike[file] > 1 else file, of_keys(members, [cell.key]))
        for file, cell, members in named
    ]


def file_words(text: str) -> str:
    """Replace characters that do not belong in file names: `folder (root=a/b)` becomes `folder-root=a-b`."""
    return re.sub(r"[^\w.+=-]+", "-", text).strip("-")


def in_words(shared: Facts) -> str:
    """Settings in words: `image_size 64, epochs 100`. `fit stretch`, the default, is left out."""
    given = {name: value for name, value in shared.items() if value is not None and value != "stretch"}
    return ", ".join(f"{short(name)} {value}" for name, value in given.items())


def with_details(cells: DataFrame) -> DataFrame:
    """Add the column `details`: settings in which rows of the same name differ, as ` (adn.lr=0.1)`; usually empty."""
    by_row: dict[str, list[Facts]] = {}
    own = own_of(cells)
    for row, facts in zip(cells["row"], own, strict=True):
        by_row.setdefault(row, []).append(facts)
    differing = {row: differences(members) for row, members in by_row.items()}
    words = [
        " ".join(f"{name}={facts.get(name)}" for name in differing[row])
        for row, facts in zip(cells["row"], own, strict=True)
    ]
    return cells.assign(details=[f" ({text})" if text else "" for text in words])


def best_points(cells: DataFrame, *names: str) -> DataFrame:
    """For each group of cells, choose the point with the largest mean F1 over the test folds, as the paper does.

    Points with more finished folds come first, since means over different folds are not comparable. Of equal points,
    the shallower one is chosen.

    Args:
        cells: as `cells_of` returns them.
        names: the columns in which the cells of a group are equal.
    """
    order = cells.assign(shallow=[point or 0 for point in cells["point"]])
    order = order.sort_values(["done", "mean_f1", "shallow"], ascending=[False, False, True], kind="stable")
    return cells.loc[order.drop_duplicates(list(names)).index.sort_values()]


def _joined(seeds: Sequence[int]) -> int | str:
    """A single seed, or several as text: 0+1+2."""
    different = sorted(set(seeds))
    return different[0] if len(different) == 1 else "+".join(map(str, different))
