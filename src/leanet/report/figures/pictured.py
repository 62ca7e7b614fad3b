"""Draw the figures of selected folds that show images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from leanet.data.images import NEGATIVE, POSITIVE, THRESHOLD
from leanet.errors import LeanetError
from leanet.pictures.sheet import Panel
from leanet.report.cells import cells_named, cells_of, file_words, fold_names, of_keys, tables_named, with_details
from leanet.report.figures import panels
from leanet.report.figures.drawing import Drawing, settings_of
from leanet.report.figures.pictures import FoldPictures, Gallery
from leanet.report.paper import paper_table
from leanet.report.results import leave_out
from leanet.report.selection import Selection

if TYPE_CHECKING:
    from pandas import DataFrame

Made = TypeVar("Made")

_EXAMPLES = {3: 1, 6: 2}  # images of each class by figure
_APPENDIX = (5, 6)  # Figure 6 shows the datasets of these tables; Figure 3 those of Table 3
_MISTAKES = 8  # the largest number of images of each class


def _each(drawings: Iterable[Callable[[], Made]]) -> Iterator[Made]:
    """Yield the result of each drawing. Failures are reported on stderr; if all fail, the first is raised."""
    errors: list[LeanetError] = []
    done = 0
    for draw in drawings:
        try:
            drawn = draw()
        except LeanetError as error:
            errors.append(error)
            continue
        done += 1
        yield drawn
    if errors and not done:
        raise errors[0]
    for failed in errors:
        leave_out(failed)


def examples(selection: Selection, figure: int) -> Iterator[Drawing]:
    """Draw the paper's Figure 3 or 6 from test images of one finished fold of each dataset."""
    gallery, count, drawings = Gallery.of_selection(selection), _EXAMPLES[figure], []
    tables = dict(tables_named(f"figure{figure}", selection.folds))
    for name, folds in tables.items():
        there = sorted(set(folds["dataset"]))
        for dataset in there if selection.datasets else datasets_of(figure, there):
            run = _with_maps(folds[folds["dataset"] == dataset])
            if run is not None:
                drawings.append(partial(_example, gallery, name, run, count))
    blocks: dict[str, list[tuple[str, panels.Examples]]] = {}
    for name, dataset, block in _each(drawings):
        blocks.setdefault(name, []).append((dataset, block))
    for name, several in blocks.items():
        drawn = panels.draw_examples([block for _, block in several])
        yield Drawing(name, drawn, settings_of(tables[name], [dataset for dataset, _ in several]))


def _example(gallery: Gallery, name: str, run: Any, count: int) -> tuple[str, str, panels.Examples]:
    pictures = gallery.of(run.folder)
    rows = [*pictures.typical(POSITIVE, count), *pictures.typical(NEGATIVE, count)]
    words = run.dataset.removeprefix(run.dataset_name).strip()
    return name, run.dataset, panels.Examples(run.dataset_name, pictures.panels(rows, details=False), words)


def datasets_of(figure: int, there: Iterable[str]) -> list[str]:
    """Select the datasets of the paper's Figure 3 or 6, in its order, followed by datasets that are not in the paper.

    Args:
        figure: 3 or 6.
        there: names of the finished datasets.
    """
    main = paper_table(3).datasets
    appendix = list(dict.fromkeys(name for table in _APPENDIX for name in paper_table(table).datasets))
    shown, others = (main, appendix) if figure == 3 else (appendix, main)
    every = list(there)
    rest = [name for name in every if name not in shown and name not in others]
    return [name for name in shown if name in every] + rest


def _with_maps(folds: DataFrame) -> Any | None:
    """The fold of a dataset whose maps are shown: of a simple model, with maps made by leanet if there are such."""
    runs = folds[folds["map"].notna()].itertuples()
    return min(runs, key=lambda run: (run.map == "folder", len(run.row), run.model), default=None)


def features(selection: Selection) -> Iterator[Drawing]:
    """Draw the paper's Figure 5 for each dataset's row with most finished points, or for all rows of named models."""
    gallery, drawings = Gallery.of_selection(selection), []
    for name, folds in tables_named("figure5", selection.folds):
        for dataset, members in folds[folds["point"].notna()].groupby("dataset"):
            rows = [cells for _, cells in with_details(cells_of(members)).groupby(["row", "details"], sort=False)]
            for row in rows if selection.models else [max(rows, key=len).sort_values("point", kind="stable")]:
                file = f"{name}-{file_words(dataset)}-{file_words(row['row'].iloc[0])}"
                drawings.append(partial(_features_of, gallery, file, of_keys(members, list(row["key"]))))
    return _each(drawings)


def _features_of(gallery: Gallery, name: str, folds: DataFrame) -> Drawing:
    """Draw Figure 5 of one row, in the fold that most of its points have. Missing points are printed."""
    first = next(folds.itertuples())
    split, fold = Counter(zip(folds["split_seed"], folds["fold"], strict=True)).most_common(1)[0][0]
    runs = folds[(folds["split_seed"] == split) & (folds["fold"] == fold)].drop_duplicates("point")
    pictures = {point: gallery.of(folder) for point, folder in sorted(zip(runs["point"], runs["folder"], strict=True))}
    title = f"{first.dataset} · {first.row} · fold {fold}"
    absent = [str(point) for point in range(1, 6) if point not in pictures]
    if absent:
        print(f"{title}: no run is done at point {', '.join(absent)}")
    shown = next(iter(pictures.values()))
    rows = [*shown.typical(POSITIVE, 1), *shown.typical(NEGATIVE, 1)]
    points = [_point_features(point, of_point, rows) for point, of_point in pictures.items()]
    return Drawing(name, panels.draw_features(title, shown.panels(rows, details=False), points), settings_of(folds))


def _point_features(point: int, pictures: FoldPictures, rows: Sequence[int]) -> panels.PointFeatures:
    found = pictures.features(rows)
    return panels.PointFeatures(point, found.before.numpy(), found.attention.numpy(), found.after.numpy())


def mistakes(selection: Selection) -> Iterator[Drawing]:
    """Draw the worst mistakes of each cell."""
    gallery = Gallery.of_selection(selection)
    cells = cells_named("mistakes", selection.folds)
    return _each(partial(_mistakes_of, gallery, name, folds) for name, folds in cells)


def _mistakes_of(gallery: Gallery, name: str, folds: DataFrame) -> Drawing:
    [cell] = cells_of(folds).itertuples()
    pictures = list(zip(fold_names(folds.to_dict("records")), map(gallery.of, folds["folder"]), strict=True))
    title = f"{cell.dataset} · {cell.model} · {cell.runs} of {cell.expected} folds"
    return Drawing(name, panels.draw_mistakes(title, worst_mistakes(pictures)), settings_of(folds))


def worst_mistakes(pictures: Sequence[tuple[str, FoldPictures]], most: int = _MISTAKES) -> list[panels.Mistakes]:
    """Find the worst mistakes of a cell.

    Args:
        pictures: name and pictures of each of its runs.
        most: the largest number of images of each class.

    Returns:
        the mistakes of positives, then of negatives.
    """
    places = [(run, row) for run, (_, found) in enumerate(pictures) for row in range(len(found.predictions.labels))]
    labels = [int(pictures[run][1].predictions.labels[row]) for run, row in places]
    chances = [float(pictures[run][1].predictions.probabilities[row]) for run, row in places]
    chosen = {label: worst(label, labels, chances, most) for label in (POSITIVE, NEGATIVE)}
    drawn: dict[tuple[int, int], Panel] = {}
    for run, (_, found) in enumerate(pictures):  # by run, so that each network is read once
        rows = [places[n][1] for ranking, _, _ in chosen.values() for n in ranking if places[n][0] == run]
        if rows:
            drawn |= {(run, row): panel for row, panel in zip(rows, found.panels(rows), strict=True)}
    return [
        panels.Mistakes(
            label, wrong, images, [drawn[places[n]] for n in ranking], [pictures[places[n][0]][0] for n in ranking]
        )
        for label, (ranking, wrong, images) in chosen.items()
    ]


def worst(label: int, labels: ArrayLike, probabilities: ArrayLike, most: int) -> tuple[list[int], int, int]:
    """Rank the worst mistakes of a class; if there are none, the least certain right predictions.

    Args:
        label: the class, 0 or 1.
        labels: (N,), 0 normal and 1 anomalous.
        probabilities: (N,), P(anomalous).
        most: the largest number of rows.

    Returns:
        the rows, the worst first; the number of wrong predictions in the class; the number of its images.
    """
    truth, chance = np.asarray(labels), np.asarray(probabilities)
    rows = np.flatnonzero(truth == label)
    rows = rows[np.argsort(-np.abs(chance[rows] - label), kind="stable")]
    wrong = int(((chance[rows] > THRESHOLD) != (label == POSITIVE)).sum())
    shown: Sequence[int] = rows[: min(most, wrong or most)].tolist()
    return list(shown), wrong, len(rows)
