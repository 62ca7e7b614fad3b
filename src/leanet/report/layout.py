"""The paper's tables filled with finished runs, its own numbers beside ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

from leanet.report.cell import FinishedCell
from leanet.report.finished import rows_of, tables_of
from leanet.report.lifts import PLAIN, Lift, Versus, lifts
from leanet.report.paper import PaperTable, Published
from leanet.report.statistics import left_out_point, nested_point, repeated
from leanet.report.tables import Table, pooled_spread

FIGURES = (
    *("f1", "left_out", "nested", "thresholded", "at_prior", "lift", "detectable", "auroc", "ap"),
    *("floor", "collapsed", "seconds", "between"),
    *("caan", "combined", "weighted", "caan_auroc", "combined_auroc"),
    *("attention_sd", "constant", "shuffled", "constant_auroc", "shuffled_auroc"),
)
NOTES = {
    "f1": "f1: mean ± SD over folds at the point in parentheses, chosen on these same test folds as in the paper.",
    "left_out": "left_out: F1 with each fold's point chosen by the other folds' test scores.",
    "nested": "nested: F1 with each fold's point (in parentheses) chosen on validation images that nothing trained on.",
    "thresholded": "thresholded: F1 at f1's point, above a threshold that the fold's validation images chose, not 0.5.",
    "at_prior": "at_prior: F1 above the share of positives that the run trained on, not 0.5.",
    "lift": "lift: {figure} less {other}'s, fold by fold, with the 95 % interval of the corrected resampled t-test "
    "(Nadeau & Bengio 2003); p adjusted by Holm's method for all {tests} comparisons of the table, points included.",
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
    "between": "between: SD between the means of repeats with other splits.",
}
NOTHING = "–"
BALANCED = {"-balanced": ", balanced loss", "-adjusted": ", prior-adjusted loss"}  # trainer.balance=weights, prior


@dataclass(frozen=True)
class Entry:
    """What stands in one place of a table: a row's cell on a dataset, the best of its points where there are several.

    members: the cells of all points of which something is done; one without attention.
    lift: of the cell over its plain ADN, if both have a fold in common.
    """

    cell: FinishedCell
    members: Sequence[FinishedCell]
    lift: Lift | None = None

    @property
    def f1(self) -> float:
        return mean(self.cell.values("f1"))

    @property
    def is_whole(self) -> bool:
        points = len(self.members) == 5 or self.cell.point is None
        return points and self.cell.done == self.cell.folds

    def text(self, figure: str) -> str:
        """mean ± SD over the folds; of F1 with the point in parentheses, and with what there is if that is not all.

        `left_out` and `nested` are F1 at points that the fold's own test images had no say in; without attention there
        is nothing to choose, and they are F1. NOTES has a sentence for each.
        """
        if figure in ("left_out", "nested"):
            return self._left_out if figure == "left_out" else self._nested
        if figure == "thresholded":
            return self._thresholded
        if figure == "lift":
            return str(self.lift) if self.lift else NOTHING
        if figure == "detectable":
            found = self.lift.comparison.detectable if self.lift else None
            return NOTHING if found is None else f"{found:.3f}"
        if figure == "between":
            between = repeated(self.cell.repeats("f1")).sd_repeats
            return NOTHING if between is None else f"{between:.3f}"
        if figure == "collapsed":
            return str(sum(result["collapsed"] for result in self.cell.results))
        if figure == "seconds":
            return f"{mean(self.cell.values(figure)):.0f}"
        repeats = [values for values in self.cell.repeats(figure) if values]
        if not repeats:
            return NOTHING
        text = pooled_spread(repeats)
        if figure != "f1":
            return text
        point = f" ({self.cell.point})" if self.cell.point else ""
        return f"{text}{point}{'' if self.is_whole else f' [{self._there}]'}"

    @property
    def _left_out(self) -> str:
        """Each repeat for itself: in another, other folds test the same images."""
        if self.cell.point is None:
            return pooled_spread(self.cell.repeats("f1"))
        chosen = []
        for split in self.cell.splits:
            of_split = {cell.point: _only(split, cell.by_fold("f1")) for cell in self.members if cell.point}
            choice = left_out_point(of_split)
            chosen += [list(choice.f1.values())] if choice else []
        return pooled_spread(chosen) if chosen else NOTHING

    @property
    def _nested(self) -> str:
        """With the points that the folds chose, in their order."""
        if self.cell.point is None:
            return pooled_spread(self.cell.repeats("f1"))
        test = {cell.point: cell.by_fold("f1") for cell in self.members if cell.point}
        choice = nested_point(test, {cell.point: cell.by_fold("validated") for cell in self.members if cell.point})
        if choice is None:
            return NOTHING
        by_split = [list(_only(split, choice.f1).values()) for split in self.cell.splits]
        points = ",".join(str(point) for point in choice.points.values())
        return f"{pooled_spread([values for values in by_split if values])} ({points})"

    @property
    def _thresholded(self) -> str:
        """Of all its folds or of none, or it could not be compared with F1."""
        found = self.cell.by_fold("thresholded")
        if len(found) < self.cell.done:
            return NOTHING
        return pooled_spread([list(_only(split, found).values()) for split in self.cell.splits])

    @property
    def _there(self) -> str:
        folds = f"{self.cell.done}/{self.cell.folds} folds"
        return folds if self.cell.point is None else f"{folds}, {len(self.members)}/5 points"


@dataclass(frozen=True)
class Filled:
    """A table of the paper with our entries, by dataset and row; rows are named as in the paper where it has them."""

    datasets: list[str]
    rows: list[tuple[str, str, str]]  # our name, its label, the paper's count of parameters in millions
    entries: dict[tuple[str, str], Entry]
    paper: dict[tuple[str, str], Published | None]  # None: a row that the paper does not have

    def with_entries(self) -> "Filled":
        """The datasets and rows of which something is done."""
        datasets = [name for name in self.datasets if any(dataset == name for dataset, _ in self.entries)]
        rows = [row for row in self.rows if any(name == row[0] for _, name in self.entries)]
        return replace(self, datasets=datasets, rows=rows)


def _only(split: int, by_fold: Mapping[Any, float]) -> dict[Any, float]:
    return {fold: value for fold, value in by_fold.items() if fold[0] == split}


def belongs(cell: FinishedCell, table: PaperTable) -> bool:
    """Whether it has a place in `table`: it is one of the paper's rows, or one trained with a balanced loss."""
    row = next((cell.row.removesuffix(ending) for ending in BALANCED if cell.row.endswith(ending)), cell.row)
    return cell.dataset_name in table.datasets and row in {row.model for row in table.rows}


def fill(
    table: PaperTable,
    cells: Sequence[FinishedCell],
    versus: Versus = PLAIN,
    datasets: Sequence[str] | None = None,
) -> Filled:
    """The finished cells in the places of `table`; rows that were run with other networks' settings follow theirs.

    datasets: of which columns are wanted; None: all of the table's.
    """
    lift_of = lifts(cells, versus)
    ours = rows_of(cell for cell in cells if belongs(cell, table))
    rows = []
    for row in table.rows:
        named = {model: [name for name in ours if name.partition(" (")[0] == model] for model in _variants(row.model)}
        for name in named.pop(row.model) or [row.model]:
            rows.append((name, row.label + name.removeprefix(row.model), f"{row.parameters:g}"))
        for (model, names), words in zip(named.items(), BALANCED.values(), strict=True):
            rows += [(name, row.label + words + name.removeprefix(model), NOTHING) for name in names]
    columns = _columns(table, cells, datasets)
    entries = {
        (dataset, name): entry
        for dataset in columns
        for name, members in ours.items()
        if (entry := _entry([cell for cell in members if cell.dataset == dataset], lift_of))
    }
    paper = {
        (dataset, name): table.cells.get((published, name.partition(" (")[0]))
        for dataset, published in columns.items()
        for name, _, _ in rows
    }
    return Filled(list(columns), rows, entries, paper)


def _columns(table: PaperTable, cells: Sequence[FinishedCell], wanted: Sequence[str] | None) -> dict[str, str]:
    """The datasets of the table as reports call them, each with its name in the paper; of one may be several sets."""
    columns: dict[str, str] = {}
    for name in table.datasets:
        labels = sorted({cell.dataset for cell in cells if cell.dataset_name == name}) or [name]
        columns |= {label: name for label in labels if wanted is None or {label, name} & {*wanted}}
    return columns


def _variants(model: str) -> list[str]:
    return [model, *(model + ending for ending in BALANCED)]


def _entry(cells: Sequence[FinishedCell], lift_of: Mapping[str, Lift]) -> Entry | None:
    """The best point by the mean F1 over the test folds, which is how the paper chooses; the shallower of equals."""
    if not cells:
        return None
    # Points of which all folds are done come first: a mean over fewer says something else.
    best = min(cells, key=lambda cell: (-cell.done, -mean(cell.values("f1")), cell.point or 0))
    return Entry(best, cells, lift_of.get(best.id))


def notes(figures: Sequence[str], cells: Sequence[FinishedCell], versus: Versus = PLAIN) -> list[str]:
    """A sentence for each figure that does not say itself what it is; `cells` may be those of several tables."""
    families = [next(iter(lifts(members, versus).values()), None) for _, members in tables_of(cells)]
    tests = " / ".join(str(found.tests) for found in families if found) or "0"
    words = {"tests": tests, "figure": versus.figure_in_words, "other": versus.other_in_words}
    return [NOTES[figure].format(**words) for figure in figures if figure in NOTES]


Mark = Callable[[str, int], str]  # a text and its rank, 1 or 2 → the text, marked


def grid_of(filled: Filled, figures: Sequence[str], mark: Mark) -> Table:
    """Header and rows of texts: for each dataset ours in `figures`, and the paper's F1; best and second best marked."""
    header = ["", "parameters (M)", "paper's (M)"]
    for dataset in filled.datasets:
        header += [f"{dataset} {figure}" for figure in figures] + [f"{dataset} paper's F1"]
    ranks = {dataset: _ranks(filled, dataset) for dataset in filled.datasets}
    rows = []
    for name, label, parameters in filled.rows:
        texts = [label, _counted(filled, name), parameters]
        for dataset in filled.datasets:
            entry = filled.entries.get((dataset, name))
            found = [entry.text(figure) if entry else NOTHING for figure in figures]
            if name in ranks[dataset] and "f1" in figures:
                place = list(figures).index("f1")
                found[place] = mark(found[place], ranks[dataset][name])
            texts += [*found, paper_text(filled.paper[dataset, name])]
        rows.append(texts)
    return header, rows


def _counted(filled: Filled, name: str) -> str:
    """Our own count of the row's trainable parameters, in millions."""
    counts = [entry.cell.parameters for (_, row), entry in filled.entries.items() if row == name]
    return next((f"{count / 1e6:.1f}" for count in counts if count), NOTHING)


def _ranks(filled: Filled, dataset: str) -> dict[str, int]:
    """The rows with the best and the second-best F1 on a dataset, among those that are whole; none if there is one."""
    whole = {name: entry.f1 for (where, name), entry in filled.entries.items() if where == dataset and entry.is_whole}
    best = sorted({round(f1, 3) for f1 in whole.values()}, reverse=True)[:2]
    return {name: best.index(round(f1, 3)) + 1 for name, f1 in whole.items() if len(whole) > 1 and round(f1, 3) in best}


def paper_text(number: Published | None) -> str:
    if number is None:
        return NOTHING
    point = f" ({number.point})" if number.point else ""
    return f"{number.f1:.3f} ± {number.sd:.3f}{point}"


def marked(filled: Filled, figures: Sequence[str], ending: str) -> Table:
    """The table as each format marks it: best **bold**, second best *italic*; underlined in LaTeX; neither in CSV."""
    marks: dict[str, Mark] = {
        "md": lambda text, rank: f"**{text}**" if rank == 1 else f"*{text}*",
        "tex": lambda text, rank: f"\\textbf{{{text}}}" if rank == 1 else f"\\underline{{{text}}}",
        "csv": lambda text, rank: text,
    }
    return grid_of(filled, figures, marks[ending])
