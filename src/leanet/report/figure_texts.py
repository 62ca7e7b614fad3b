"""The scores of tables as text, and notes that explain them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import fmean
from typing import TYPE_CHECKING

from leanet.report.cells import Cell, Fold, Key, by_split, cells_of, scores, tables_of, with_details
from leanet.report.lifts import PLAIN, Versus, lifts
from leanet.report.map_shift import shift_warning
from leanet.report.statistics import ByPoint, left_out_point, nested_point, repeated
from leanet.report.tables import pooled_spread

if TYPE_CHECKING:
    from pandas import DataFrame

LOCATED = ("map", "attention", "evidence")
NOTES = {
    "f1": "f1: mean ± SD over folds at the point in parentheses, chosen on these same test folds as in the paper.",
    "left_out": "left_out: F1 with each fold's point chosen by the other folds' test scores.",
    "nested": "nested: F1 with each fold's point (in parentheses) chosen on validation images that nothing trained on.",
    "thresholded": "thresholded: F1 at f1's point, above a threshold that the fold's validation images chose, not 0.5.",
    "at_prior": "at_prior: F1 above the share of positives that the run trained on, not 0.5.",
    "lift": "lift: {figure} less {other}'s, fold by fold, with the 95 % interval of the corrected resampled t-test "
    "(Nadeau & Bengio 2003) from three folds on; p adjusted by Holm's method for all {tests} comparisons of the table, "
    "points included.",
    "detectable": "detectable: the lift that its test would find four times out of five, before Holm's correction.",
    "collapsed": "collapsed: folds in which all images got the same answer.",
    "floor": "floor: F1 of always answering positive.",
    "seconds": "seconds: training of the detector, a fold.",
    "attention_sd": "attention_sd: SD over an image of what the attention adds to one, the mean over test images.",
    "caan": "caan: F1 of CAAN's own head.",
    "combined": "combined: F1 of the mean of both heads' logits.",
    "weighted": "weighted: F1 of both heads' logits, weighed by a logistic regression on the validation images.",
    "constant": "constant: F1 less that with the attention's mean in its place (leanet.ablate).",
    "constant_auroc": "constant_auroc: the same of AUROC.",
    "shuffled": "shuffled: F1 less that with other images' attention, the mean of five shufflings (leanet.ablate).",
    "shuffled_auroc": "shuffled_auroc: the same of AUROC.",
    "map_shift": "map_shift: the probability that the map of a test normal has a larger mean than that of a training "
    "normal; 0.5: both are alike.",
    **{
        f"{kind}_{figure}": f"{kind}_{figure}: {of} of the {name} against the pixel masks of the test images."
        for kind, name in (("map", "anomaly map"), ("attention", "attention"), ("evidence", "evidence map"))
        for figure, of in (("pixel_auroc", "AUROC"), ("aupro", "area under per-region overlap, up to 30 % FPR,"))
    },
    "between": "between: SD between the means of repeats with other splits.",
}
OF_SEVERAL_POINTS = ("left_out", "nested")
NOTHING = "–"


class FigureTexts:
    """The texts for the cells of one table.

    Args:
        folds: of the table; p-values of lifts are adjusted for all of its cells.
        versus: what lifts compare.

    Attributes:
        cells: as `cells_of` returns them, with `details`.
        lifts: by cell.
    """

    def __init__(self, folds: DataFrame, versus: Versus = PLAIN) -> None:
        self.cells = with_details(cells_of(folds))
        self.lifts = lifts(folds, versus)
        self._scores = cache(lambda figure: scores(folds, figure))

    def has(self, figure: str) -> bool:
        """Whether any cell has the score."""
        return any(self._scores(figure).values())

    def of(self, cell: Cell, figure: str, points: Sequence[Cell] = ()) -> str:
        """A score of a cell as text: mean ± SD over its folds, or as its note describes; – if it has none.

        Args:
            cell: a row of `cells`.
            figure: one of `leanet.report.choices.COLUMNS`.
            points: for a row of the paper's tables, the cells of all its points. F1 is then followed by the point in
                parentheses and, if folds or points are missing, by their numbers.
        """
        if figure in ("lift", "detectable"):
            return self._lift(cell, figure)
        if figure == "collapsed":
            return str(cell.collapsed)
        if figure in OF_SEVERAL_POINTS and cell.point is not None:
            return self._nested(points) if figure == "nested" else self._left_out(points)
        values = self._values(cell, "f1" if figure in (*OF_SEVERAL_POINTS, "between") else figure)
        # `thresholded` is shown only if all folds have it, since otherwise it is not comparable with F1.
        if not values or (figure == "thresholded" and len(values) < cell.done):
            return NOTHING
        if figure == "seconds":
            return f"{fmean(values.values()):.0f}"
        if figure == "between":
            between = repeated(by_split(values)).sd_repeats
            return NOTHING if between is None else f"{between:.3f}"
        text = pooled_spread(by_split(values))
        return text + _point_and_rest(cell, points) if figure == "f1" and points else text

    def _values(self, cell: Cell, figure: str) -> dict[Fold, float]:
        found: dict[Key, dict[Fold, float]] = self._scores(figure)
        return found[cell.key]

    def _by_point(self, points: Sequence[Cell], figure: str) -> ByPoint:
        return {cell.point: self._values(cell, figure) for cell in points}

    def _lift(self, cell: Cell, figure: str) -> str:
        lift = self.lifts.get(cell.key)
        if figure == "lift":
            return str(lift) if lift else NOTHING
        found = lift.comparison.detectable if lift else None
        return NOTHING if found is None else f"{found:.3f}"

    def _left_out(self, points: Sequence[Cell]) -> str:
        """F1 by `left_out_point`, separately for each repeat, since other repeats test the same images."""
        test = self._by_point(points, "f1")
        chosen = []
        for split in sorted({split for values in test.values() for split, _ in values}):
            of_split = {
                point: {fold: f1 for fold, f1 in values.items() if fold[0] == split} for point, values in test.items()
            }
            choice = left_out_point(of_split)
            chosen += [list(choice.f1.values())] if choice else []
        return pooled_spread(chosen) if chosen else NOTHING

    def _nested(self, points: Sequence[Cell]) -> str:
        """F1 by `nested_point`, with the points that were chosen, in the order of folds."""
        choice = nested_point(self._by_point(points, "f1"), self._by_point(points, "validated"))
        if choice is None:
            return NOTHING
        return f"{pooled_spread(by_split(choice.f1))} ({','.join(map(str, choice.points.values()))})"


def is_whole(cell: Cell, points: Sequence[Cell]) -> bool:
    """Whether all folds of a row's best cell are finished, and the row has all five points."""
    return bool((cell.point is None or len(points) == 5) and cell.done == cell.expected)


def _point_and_rest(cell: Cell, points: Sequence[Cell]) -> str:
    point = f" ({cell.point})" if cell.point else ""
    if is_whole(cell, points):
        return point
    there = f"{cell.done}/{cell.expected} folds" + (f", {len(points)}/5 points" if cell.point else "")
    return f"{point} [{there}]"


def notes(figures: Sequence[str], folds: DataFrame, versus: Versus = PLAIN) -> list[str]:
    """Notes that explain scores.

    Args:
        figures: of `leanet.report.choices.COLUMNS`; those that need no explanation are skipped.
        folds: of one table or several.
        versus: what lifts compare.
    """
    families = [next(iter(lifts(members, versus).values()), None) for _, members in tables_of(folds)]
    tests = " / ".join(str(found.tests) for found in families if found) or "0"
    words = {"tests": tests, "figure": versus.figure_in_words, "other": versus.other_in_words}
    found = [NOTES[figure].format(**words) for figure in figures if figure in NOTES]
    warning = shift_warning(_shifts(folds))
    return found if warning is None else [*found, warning]


def _shifts(folds: DataFrame) -> dict[str, list[float]]:
    """`map_shift` of the folds by model."""
    return {str(model): values.dropna().to_list() for model, values in folds.groupby("model")["map_shift"]}
