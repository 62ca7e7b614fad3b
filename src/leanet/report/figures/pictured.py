"""The figures that show images: from chosen cells to drawn figures."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from leanet.data.images import NEGATIVE, POSITIVE
from leanet.report.figures import panels
from leanet.report.figures.naming import cells_named, tables_named
from leanet.report.figures.pictures import FoldPictures, Gallery
from leanet.report.figures.selection import Chosen, datasets_of, widest_row, with_maps, worst
from leanet.report.finished import FinishedCell, rows_of
from leanet.sheet import Panel

_EXAMPLES = {3: 1, 6: 2}  # of each class
_MISTAKES = 8  # of each class, at most


def examples(chosen: Chosen, figure: int) -> Iterator[tuple[str, Figure]]:
    """The paper's Figure 3 or 6, of test images of the first fold that is done."""
    gallery, count = Gallery(chosen.home), _EXAMPLES[figure]
    for name, cells in tables_named(f"figure{figure}", chosen.cells):
        there = sorted({cell.dataset for cell in cells})
        blocks = []
        for dataset in there if chosen.datasets else datasets_of(figure, there):
            cell = with_maps(cell for cell in cells if cell.dataset == dataset)
            if cell is not None:
                (pictures,) = gallery.folds(cell, [cell.results[0]["fold"]]).values()
                rows = [*pictures.typical(POSITIVE, count), *pictures.typical(NEGATIVE, count)]
                blocks.append(panels.Examples(dataset, pictures.panels(rows, attention=False)))
        if blocks:
            yield name, panels.draw_examples(blocks)


def features(chosen: Chosen) -> Iterator[tuple[str, Figure]]:
    """The paper's Figure 5, of each dataset's row with most finished points; of every row where models are named."""
    gallery = Gallery(chosen.home)
    for name, cells in tables_named("figure5", chosen.cells):
        for dataset in sorted({cell.dataset for cell in cells}):
            members = [cell for cell in cells if cell.dataset == dataset and cell.point is not None]
            rows = list(rows_of(members).values()) if chosen.models else [widest_row(members)]
            for row in filter(None, rows):
                yield f"{name}-{dataset}-{row[0].row}", _features_of(gallery, row)


def _features_of(gallery: Gallery, cells: Sequence[FinishedCell]) -> Figure:
    """Of one row's cells, in the fold that most of them have; points without it are left out, and that is said."""
    fold = Counter(result["fold"] for cell in cells for result in cell.results).most_common(1)[0][0]
    at = {cell.point: gallery.folds(cell, [fold]) for cell in cells}
    pictures = {point: folds[fold] for point, folds in sorted(at.items()) if fold in folds and point is not None}
    title = f"{cells[0].dataset} · {cells[0].row} · fold {fold}"
    absent = [str(point) for point in range(1, 6) if point not in pictures]
    if absent:
        print(f"{title}: no run is done at point {', '.join(absent)}")
    first = next(iter(pictures.values()))
    rows = [*first.typical(POSITIVE, 1), *first.typical(NEGATIVE, 1)]
    shown = [_point_features(point, of_point, rows) for point, of_point in pictures.items()]
    return panels.draw_features(title, first.panels(rows, attention=False), shown)


def _point_features(point: int, pictures: FoldPictures, rows: Sequence[int]) -> panels.PointFeatures:
    found = pictures.features(rows)
    return panels.PointFeatures(point, found.before.numpy(), found.attention.numpy(), found.after.numpy())


def mistakes(chosen: Chosen) -> Iterator[tuple[str, Figure]]:
    """What each cell was most wrong about."""
    gallery = Gallery(chosen.home)
    for name, cell in cells_named("mistakes", chosen.cells):
        found = worst_mistakes(gallery.folds(cell))
        title = f"{cell.dataset} · {cell.model} · {len(cell.results)} of {cell.folds} folds"
        yield name, panels.draw_mistakes(title, found)


def worst_mistakes(pictures: Mapping[int, FoldPictures], most: int = _MISTAKES) -> list[panels.Mistakes]:
    """The worst mistakes over the folds of a cell, at most `most` of each class: positives first, then negatives."""
    places = [(fold, row) for fold, of_fold in pictures.items() for row in range(len(of_fold.predictions.labels))]
    labels = [int(pictures[fold].predictions.labels[row]) for fold, row in places]
    chances = [float(pictures[fold].predictions.probabilities[row]) for fold, row in places]
    chosen = {label: worst(label, labels, chances, most) for label in (POSITIVE, NEGATIVE)}
    drawn: dict[tuple[int, int], Panel] = {}
    for fold, of_fold in pictures.items():  # all of a fold at once: its networks are read once
        rows = [places[n][1] for ranking, _, _ in chosen.values() for n in ranking if places[n][0] == fold]
        if rows:
            drawn |= {(fold, row): panel for row, panel in zip(rows, of_fold.panels(rows), strict=True)}
    return [
        panels.Mistakes(label, wrong, images, [drawn[places[n]] for n in ranking], [places[n][0] for n in ranking])
        for label, (ranking, wrong, images) in chosen.items()
    ]
