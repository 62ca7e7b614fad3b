"""The project's dashboard, a W&B report that shows F1 by cell, points, curves and pictures."""

import json
from pathlib import Path
from typing import Any

import wandb
import wandb_workspaces.reports.v2 as wr
from wandb_workspaces import expr

from leanet.report.wandb import cell, session
from leanet.report.wandb.destination import Destination
from leanet.storage.files import write_text
from leanet.training.log_names import COLORIZER, FOLD

TITLE = "Cells, points, curves, pictures"
FILE = "dashboard.json"

_WHOLE, _HALF = {"layout": wr.Layout(w=24, h=12)}, {"w": 12, "h": 10}
_BY_CELL = {"groupby": "Group", "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}


def dashboard(project: str, entity: str) -> wr.Report:
    """Create the report. W&B runs are filtered by job type: folds, cells and colorizers.

    Args:
        project: of W&B.
        entity: user or team.
    """
    f1 = wr.BarPlot(title="F1", metrics=["test/adn_f1"], range_x=(0, 1), max_bars_to_show=100, **_BY_CELL, **_WHOLE)
    means = ["f1/mean", "auroc/mean", "ap/mean", "floor/mean"]
    figures = wr.BarPlot(title="Means", metrics=means, range_x=(0, 1), max_bars_to_show=100, **_WHOLE)
    point, mean = wr.Config("point"), wr.SummaryMetric("f1/mean")
    sheets = wr.MediaBrowser(title="Sheets", media_keys=[session.SHEET], num_columns=2, **_WHOLE)
    blocks = [
        *_section("F1 by cell", [f1], _runs(FOLD, grouped=True), "Mean and SD over the folds."),
        *_section("The cells' figures", [figures], _runs(cell.JOB, figures=True), "Each cell beside its floor."),
        *_section(
            "F1 over points",
            [wr.ScatterPlot(title="F1 over points", x=point, y=mean, **_WHOLE)],
            _runs(cell.JOB),
            "A cell with attention at each point.",
        ),
        *_section("Curves", _curves(), _runs(FOLD, grouped=True), "Losses by epoch; the band is the folds' SD."),
        *_section("Gallery", [sheets], _runs(FOLD), "Some test images of each fold, the worst mistakes first."),
        *_section("Confusion", [_confusion()], _runs(FOLD), "Test images of the folds that are shown."),
        *_section(
            "Colorizers",
            [wr.LinePlot(title="Loss", x="epoch", y=["loss"], **_WHOLE)],
            _runs(COLORIZER),
            "Their loss by epoch.",
        ),
    ]
    return wr.Report(project=project, entity=entity, title=TITLE, blocks=blocks, width="fluid")


def specification(report: wr.Report) -> dict[str, Any]:
    """The JSON specification of a report that W&B receives."""
    spec: dict[str, Any] = json.loads(report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
    return spec


def publish(home: Path, to: Destination) -> str:
    """Publish the dashboard and replace an earlier one; offline, write it to a file.

    Args:
        home: the folder of the runs (`paths.runs`).
        to: project and account.

    Returns:
        its address or its file, for people.
    """
    if session.is_offline(to.offline):
        file = home / "report" / FILE
        write_text(file, json.dumps(specification(dashboard(to.project, to.entity or "")), indent=1) + "\n")
        return f"{file}; the same command with an account publishes it"
    entity = to.entity or str(wandb.Api().default_entity)
    report = dashboard(to.project, entity)
    for earlier in wandb.Api().reports(f"{entity}/{to.project}"):
        if earlier.display_name == TITLE:
            report.id = earlier.id
    return str(report.save().url)


def _section(title: str, panels: list[Any], runs: wr.Runset, words: str) -> list[Any]:
    return [wr.H2(title), wr.P(words), wr.PanelGrid(runsets=[runs], panels=panels)]


def _runs(job: str, grouped: bool = False, figures: bool = False) -> wr.Runset:
    """The W&B runs of one job type, grouped by cell if `grouped`."""
    names = ("f1/mean", "f1/sd", "floor/mean", "auroc/mean", "ap/mean", "collapsed", "folds_done") if figures else ()
    return wr.Runset(
        name=f"{job}s",
        filters=[expr.Metric("JobType") == job],
        groupby=["group"] if grouped else [],
        order=[wr.OrderBy("Name", ascending=True)],
        visible_columns=[f"summary:{name}" for name in names],
    )


def _curves() -> list[wr.LinePlot]:
    titles = {"loss": "Loss", "adn_loss": "The ADN's", "caan_loss": "CAAN's"}
    return [
        wr.LinePlot(
            title=title,
            x="epoch",
            y=[name],
            **_BY_CELL,
            layout=wr.Layout(x=12 * (place % 2), y=10 * (place // 2), **_HALF),
        )
        for place, (name, title) in enumerate(titles.items())
    ]


def _confusion() -> wr.CustomChart:
    return wr.CustomChart(
        query={"summaryTable": {"tableKey": f"{session.CONFUSION}_table"}},
        chart_name="wandb/confusion_matrix/v1",
        chart_fields={"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"},
        layout=wr.Layout(**_HALF),
    )
