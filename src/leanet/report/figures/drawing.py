"""A figure with its name and the settings that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.figure import Figure

from leanet.report.cells import in_words, tables_of

if TYPE_CHECKING:
    from pandas import DataFrame


class Drawing(NamedTuple):
    """A figure.

    Args:
        name: of its file, without suffix.
        figure: of matplotlib.
        settings: what it belongs to, in words, for a caption: its datasets and the settings that its runs share.
    """

    name: str
    figure: Figure
    settings: str


def settings_of(folds: DataFrame, datasets: Iterable[str] | None = None) -> str:
    """The datasets of folds and the settings that they share, as `potato, wood: image_size 64, folds 5, epochs 100`.

    Args:
        folds: of one table.
        datasets: those that a figure shows; None: all of `folds`.
    """
    shown = sorted(set(folds["dataset"])) if datasets is None else datasets
    (shared, _), *_ = tables_of(folds)
    rate, *others = set(folds["positive_rate"])
    return f"{', '.join(shown)}: {in_words(shared | ({} if others or rate == 1 else {'positive_rate': rate}))}"
