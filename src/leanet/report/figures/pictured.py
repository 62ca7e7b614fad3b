"""The figures that show images: from chosen cells to drawn figures."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from leanet.data.images import NEGATIVE, POSITIVE
from leanet.errors import LeanetError
from leanet.pictures.sheet import Panel
from leanet.report.cell import FinishedCell, fold_of
from leanet.report.figures import panels
from leanet.report.figures.naming import cells_named, file_words
from leanet.report.figures.pictures import FoldPictures, Gallery
from leanet.report.figures.selection import Chosen, datasets_of, widest_row, with_maps, worst
from leanet.report.finished import rows_of, tables_named

_EXAMPLES = {3: 1, 6: 2}  # of each class
_MISTAKES = 8  # of each class, at most


class Told:
    """Within it a LeanetError is told on stderr, so that the other figures are drawn.

    done: how many were.
    """

    def __init__(self) -> None:
        self.done = 0
        self._errors: list[LeanetError] = []

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, LeanetError):
            self._errors.append(error)
        return isinstance(error, LeanetError)

    def end(self) -> None:
        """Say what went wrong; if nothing was drawn, raise it."""
        if self._errors and not self.done:
            raise self._errors[0]
        for error in self._errors:
            print(f"leanet: left out: {error}", file=sys.stderr)


def examples(chosen: Chosen, figure: int) -> Iterator[tuple[str, Figure]]:
    """The paper's Figure 3 or 6, of test images of the first fold that is done."""
    gallery, count, told = _gallery(chosen), _EXAMPLES[figure], Told()
    for name, cells in tables_named(f"figure{figure}", chosen.cells):
        there = sorted({cell.dataset for cell in cells})
        blocks = []
        for dataset in there if chosen.datasets else datasets_of(figure, there):
            cell = with_maps(cell for cell in cells if cell.dataset == dataset)
            if cell is not None:
                with told:
                    pictures = gallery.of(cell.results[0])
                    rows = [*pictures.typical(POSITIVE, count), *pictures.typical(NEGATIVE, count)]
                    blocks.append(panels.Examples(dataset, pictures.panels(rows, details=False)))
        told.done += len(blocks)
        if blocks:
            yield name, panels.draw_examples(blocks)
    told.end()


def features(chosen: Chosen) -> Iterator[tuple[str, Figure]]:
    """The paper's Figure 5, of each dataset's row with most finished points; of every row where models are named."""
    gallery, told = _gallery(chosen), Told()
    for name, cells in tables_named("figure5", chosen.cells):
        for dataset in sorted({cell.dataset for cell in cells}):
            members = [cell for cell in cells if cell.dataset == dataset and cell.point is not None]
            rows = list(rows_of(members).values()) if chosen.models else [widest_row(members)]
            for row in filter(None, rows):
                with told:
                    drawn = _features_of(gallery, row)
                    told.done += 1
                    yield f"{name}-{file_words(dataset)}-{file_words(row[0].row)}", drawn
    told.end()


def _features_of(gallery: Gallery, cells: Sequence[FinishedCell]) -> Figure:
    """Of one row's cells, in the fold that most of them have; points without it are left out, and that is said."""
    fold = Counter(fold_of(result) for cell in cells for result in cell.results).most_common(1)[0][0]
    at = {cell.point: result for cell in cells for result in reversed(cell.results) if fold_of(result) == fold}
    pictures = {point: gallery.of(at[point]) for point in range(1, 6) if point in at}
    title = f"{cells[0].dataset} · {cells[0].row} · fold {fold[1]}"
    absent = [str(point) for point in range(1, 6) if point not in pictures]
    if absent:
        print(f"{title}: no run is done at point {', '.join(absent)}")
    first = next(iter(pictures.values()))
    rows = [*first.typical(POSITIVE, 1), *first.typical(NEGATIVE, 1)]
    shown = [_point_features(point, of_point, rows) for point, of_point in pictures.items()]
    return panels.draw_features(title, first.panels(rows, details=False), shown)


def _point_features(point: int, pictures: FoldPictures, rows: Sequence[int]) -> panels.PointFeatures:
    found = pictures.features(rows)
    return panels.PointFeatures(point, found.before.numpy(), found.attention.numpy(), found.after.numpy())


def mistakes(chosen: Chosen) -> Iterator[tuple[str, Figure]]:
    """What each cell was most wrong about."""
    gallery, told = _gallery(chosen), Told()
    for name, cell in cells_named("mistakes", chosen.cells):
        with told:
            found = worst_mistakes([(cell.fold_name(result), gallery.of(result)) for result in cell.results])
            title = f"{cell.dataset} · {cell.model} · {len(cell.results)} of {cell.folds} folds"
            told.done += 1
            yield name, panels.draw_mistakes(title, found)
    told.end()


def worst_mistakes(pictures: Sequence[tuple[str, FoldPictures]], most: int = _MISTAKES) -> list[panels.Mistakes]:
    """The worst mistakes over the named runs of a cell, at most `most` of each class: positives first."""
    places = [(run, row) for run, (_, found) in enumerate(pictures) for row in range(len(found.predictions.labels))]
    labels = [int(pictures[run][1].predictions.labels[row]) for run, row in places]
    chances = [float(pictures[run][1].predictions.probabilities[row]) for run, row in places]
    chosen = {label: worst(label, labels, chances, most) for label in (POSITIVE, NEGATIVE)}
    drawn: dict[tuple[int, int], Panel] = {}
    for run, (_, found) in enumerate(pictures):  # all of a run at once: its networks are read once
        rows = [places[n][1] for ranking, _, _ in chosen.values() for n in ranking if places[n][0] == run]
        if rows:
            drawn |= {(run, row): panel for row, panel in zip(rows, found.panels(rows), strict=True)}
    return [
        panels.Mistakes(
            label, wrong, images, [drawn[places[n]] for n in ranking], [pictures[places[n][0]][0] for n in ranking]
        )
        for label, (ranking, wrong, images) in chosen.items()
    ]


def _gallery(chosen: Chosen) -> Gallery:
    return Gallery(chosen.home, chosen.data, chosen.trust)
