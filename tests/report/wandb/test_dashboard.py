"""The dashboard's panels, against what the runs really log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb_workspaces.reports.v2 import internal

from leanet.report.results import results
from leanet.report.wandb.dashboard import dashboard, specification
from leanet.report.wandb.destination import Destination
from leanet.report.wandb.push import push

SECTIONS = ["F1 by cell", "The cells' figures", "F1 over points", "Curves", "Gallery", "Confusion", "Colorizers"]


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return specification(dashboard("leanet", ""))


def grids(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Of each section: the job type of its runs, the set of runs, and the panels."""
    for block in spec["blocks"]:
        if block["type"] == "panel-grid":
            [runs] = block["metadata"]["runSets"]
            [chosen] = runs["filters"]["filters"]
            assert (chosen["key"], chosen["op"]) == ({"section": "run", "name": "jobType"}, "=")
            yield chosen["value"], runs, block["metadata"]["panelBankSectionConfig"]["panels"]


def names(panel: dict[str, Any]) -> list[str]:
    """The metrics and settings that a panel shows."""
    config = panel["config"]
    shown = [*config.get("metrics", []), *config.get("mediaKeys", [])]
    shown += [config[axis] for axis in ("xAxis", "yAxis") if axis in config]
    if panel["viewType"] == "Vega2":
        fields = config["userQuery"]["queryFields"][0]["fields"]
        [table] = [field["args"][0]["value"] for field in fields if field["name"] == "summaryTable"]
        shown.append(table)
    return shown


def there(told: Any) -> set[str]:
    """What a run logged or is configured with, as panels name it."""
    history = {key for row in told.history for key in row}
    settings = {f"config:{key}.value" for key in told.config}
    return history | set(told.summary) | settings | {f"summary:{key}" for key in told.summary}


def test_every_panel_names_what_its_runs_log(spec: dict[str, Any], done: Any, tmp_path: Path, read_back: Any) -> None:
    done({1: 0.8, 2: 0.7}, "caan=mobilenet")
    push(tmp_path, results(tmp_path), Destination("leanet", None, offline=True))
    told = list(read_back(tmp_path).values())
    count = 0
    for job, runs, panels in grids(spec):
        logged = [there(run) for run in told if run.job == job]
        assert logged and panels
        columns = [name for name, visible in runs["runFeed"]["columnVisible"].items() if visible]
        shown = [name for panel in panels for name in names(panel)]
        assert all(name in run for name in [*shown, *columns] for run in logged), (job, shown)
        count += len(shown)
    assert count >= 12


def test_the_sections_in_their_order(spec: dict[str, Any]) -> None:
    titles = [block["children"][0]["text"] for block in spec["blocks"] if block["type"] == "heading"]
    assert titles == SECTIONS
    assert [job for job, *_ in grids(spec)] == ["fold", "cell", "cell", "fold", "fold", "fold", "colorizer"]


def test_f1_and_curves_are_means_over_a_cells_folds_with_their_sd(spec: dict[str, Any]) -> None:
    panels = [panel for _, runs, found in grids(spec) if runs["grouping"] for panel in found]
    assert [panel["viewType"] for panel in panels] == ["Bar Chart", *["Run History Line Plot"] * 3]
    for panel in panels:
        config = panel["config"]
        assert (config["groupBy"], config["groupAgg"], config["groupArea"]) == ("group", "mean", "stddev")


def test_wandb_takes_the_specification(spec: dict[str, Any]) -> None:
    taken = internal.Spec.model_validate(spec)
    assert [block.type for block in taken.blocks] == [block["type"] for block in spec["blocks"]]
    assert not [block for block in taken.blocks if isinstance(block, internal.UnknownBlock)]
