"""python -m leanet.report: tables, figures, a page or references of finished runs; or push them to W&B."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.path_options import list_as_texts
from leanet.config.rules import BOOLEAN, TEXT, Rule, either, one_of
from leanet.config.settings import PathSettings
from leanet.errors import LeanetError
from leanet.report import choices, lifts
from leanet.report.cells import pooled
from leanet.report.cite import cite
from leanet.report.results import results
from leanet.report.selection import Selection, check_against, chosen
from leanet.report.wandb.destination import Destination
from leanet.report.write_tables import write_tables

WORDS = ("page", "cite", "wandb")  # settings that may be given without a value

TABLE = Rule(lambda v: v in choices.TABLES, either([*map(str, choices.TABLES)]), choices.TABLES)
FIGURE = Rule(lambda v: v in choices.FIGURES, either([*map(str, choices.FIGURES)]), choices.FIGURES)
NAMES = Rule(
    lambda v: isinstance(v, list) and len(v) > 0 and all(isinstance(name, str) for name in v),
    "a list of names, as in datasets=[strawberry]",
)
COLUMNS = Rule(
    lambda v: isinstance(v, list) and len(v) > 0 and all(part in choices.COLUMNS for part in v),
    f"a list of some of {', '.join(choices.COLUMNS)}, as in columns=[f1,auroc]",
    choices.COLUMNS,
)


@dataclass(frozen=True)
class ReportSettings:
    """All settings of conf/report.yaml."""

    table: Annotated[int | str, TABLE]
    columns: Annotated[list[str] | None, COLUMNS]
    lift_of: Annotated[str, one_of(*lifts.FIGURES)]
    against: Annotated[str | None, TEXT]
    pool: Annotated[bool, BOOLEAN]
    figure: Annotated[int | str | None, FIGURE]
    page: Annotated[bool, BOOLEAN]
    siunitx: Annotated[bool, BOOLEAN]
    cite: Annotated[bool, BOOLEAN]
    wandb: Annotated[bool, BOOLEAN]
    push: Destination
    datasets: Annotated[list[str] | None, NAMES]
    models: Annotated[list[str] | None, NAMES]
    trust: Annotated[bool, BOOLEAN]
    paths: PathSettings


def report(config: dict[str, Any]) -> None:
    """Make a report.

    Raises:
        LeanetError: there are no finished runs for it.
    """
    settings: ReportSettings = read_settings(ReportSettings, config)
    home = Path(settings.paths.runs)
    folds = results(home)
    if settings.pool and not settings.wandb and not folds.empty:
        folds = pooled(folds)
    folds = chosen(folds, home, settings.datasets, settings.models)
    if settings.wandb:
        from leanet.report.wandb.push import push  # here, since it imports wandb

        return push(home, folds, settings.push)
    if settings.cite:
        return print(cite(folds))
    check_against(folds, settings.against)
    versus, data = lifts.Versus(settings.lift_of, settings.against), Path(settings.paths.data)
    selection = Selection(home, folds, data, settings.trust, settings.datasets, settings.models, versus)
    if settings.figure is not None:
        from leanet.report.figures.draw import write_figures  # here, since tables need no matplotlib

        return write_figures(selection, settings.figure)
    if settings.page:
        from leanet.report.page.write import write_page

        # The page shows the usual figures of the selected folds, as if no datasets or models were named.
        return print(f"written: {write_page(replace(selection, datasets=None, models=None))}")
    if not write_tables(selection, settings.table, settings.columns, settings.siunitx):
        raise LeanetError(f"table={settings.table}: none of its runs is done in {home}; table=cells shows what is")


def main() -> None:
    """Run the command from the command line."""
    words = [f"{word}=true" if word in WORDS else word for word in sys.argv[1:]]
    sys.argv[1:] = [list_as_texts(word, frozenset({"datasets", "models"})) for word in words]
    run_command(report, "report", ReportSettings)


if __name__ == "__main__":
    main()
