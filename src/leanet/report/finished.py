"""All finished runs on disk as cells, and the cells that belong together: pooled, in one table, in one row."""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from leanet.config.allowed_targets import CONFIG, read_config
from leanet.config.differences import Facts, differences, short
from leanet.config.path_options import name_of
from leanet.errors import LeanetError
from leanet.report.cell import FinishedCell, Result, order
from leanet.report.datasets import told_apart
from leanet.runs.run import read_result
from leanet.storage.files import damaged, read_json
from leanet.storage.run_files import ABLATION, RESULT

_NEEDED = {"f1", "auroc", "ap", "floor", "images"}


def finished_cells(home: Path) -> list[FinishedCell]:
    """The cells of all finished runs under `home` (paths.runs), by dataset and model.

    A run whose files are damaged is left out, with a line on stderr that names the file.
    """
    found: dict[tuple[str, str], list[tuple[Path, Result]]] = {}  # the same images may have two names
    for file in sorted(home.glob(f"detectors/*/{RESULT}")):
        try:
            result = _read(file)
        except LeanetError as error:
            _leave_out(error)
        else:
            found.setdefault((result["dataset"], result["cell"]), []).append((file.parent, result))
    cells = []
    for (_, name), runs in found.items():
        try:
            cells.append(cell_of(name, runs))
        except LeanetError as error:
            _leave_out(error)
    labels = told_apart(cells)
    cells = [replace(cell, dataset=label) for cell, label in zip(cells, labels, strict=True)]
    return sorted(cells, key=lambda cell: (cell.dataset, cell.row))


def _leave_out(error: LeanetError) -> None:
    print(f"leanet: left out: {error}", file=sys.stderr)


def _read(file: Path) -> Result:
    """A run's result.json, with the dataset's name as it is called today; LeanetError if it is damaged."""
    result = read_result(file)
    if result is None or not result.keys() >= _NEEDED:
        raise damaged(file)
    if result["dataset"] == "folder" and "fingerprint" not in result:  # as every dataset=folder was called once
        dataset = read_config(file.parent).get("dataset")
        result["dataset"] = name_of(dataset.get("root") if isinstance(dataset, dict) else None)
    return result


def cell_of(name: str, runs: list[tuple[Path, Result]]) -> FinishedCell:
    """The cell of that id: its finished runs' folders and results; LeanetError if its config.yaml is damaged."""
    config = read_config(runs[0][0])
    try:
        seeds = {"seed": config["seed"], "split_seed": config["split_seed"]}
        results = ({**result, **seeds, "folder": str(folder), **_ablation(folder)} for folder, result in runs)
        cell = FinishedCell(name, runs[0][1]["dataset"], config, tuple(sorted(results, key=order)))
        assert cell.settings  # which checks the configuration
        return cell
    except (KeyError, TypeError, AttributeError, LeanetError) as error:
        raise LeanetError(f"{runs[0][0] / CONFIG}: not as leanet writes it ({error})") from None


def pooled(cells: Iterable[FinishedCell]) -> list[FinishedCell]:
    """Cells that differ in nothing but their seeds, as one: a repeated cross-validation.

    The colorizer's own seed is one of them where it follows the other.
    """
    groups: dict[str, list[FinishedCell]] = {}
    for cell in cells:
        shared = {name: value for name, value in cell.binding.items() if name not in ("seed", "split_seed")}
        own = {
            name: value for name, value in cell.own.items() if (name, value) != ("colorizer.seed", cell.config["seed"])
        }
        facts = [cell.dataset, cell.model, cell.results[0].get("positives_of_all"), own, shared]
        groups.setdefault(json.dumps(facts, sort_keys=True, default=str), []).append(cell)
    return [
        replace(members[0], results=tuple(sorted((result for cell in members for result in cell.results), key=order)))
        for members in groups.values()
    ]


def tables_of(cells: Iterable[FinishedCell]) -> list[tuple[Facts, list[FinishedCell]]]:
    """The cells that may stand in one table, with their shared settings: other epochs or seeds are another table.

    A cell without epochs stands in each that it fits, below those with.
    """
    found: list[tuple[Facts, list[FinishedCell]]] = []
    for cell in sorted(cells, key=lambda cell: not cell.has_epochs):
        fitting = [members for shared, members in found if cell.binding.items() <= shared.items()]
        for members in fitting:
            members.append(cell)
        if not fitting:
            found.append((cell.shared, [cell]))
    return found


def tables_named(name: str, cells: Iterable[FinishedCell]) -> list[tuple[str, list[FinishedCell]]]:
    """The cells that may stand in one table or figure, with its file's name: figure4; of several figure4-epochs100."""
    groups = tables_of(cells)
    differing = differences([shared for shared, _ in groups])
    return [
        ("-".join([name, *(f"{short(fact)}{shared[fact]}" for fact in differing if shared[fact] is not None)]), members)
        for shared, members in groups
    ]


def said(shared: Facts) -> str:
    """Settings in words: image_size 64, epochs 100."""
    return ", ".join(f"{short(name)} {value}" for name, value in shared.items() if value is not None)


def rows_of(cells: Iterable[FinishedCell]) -> dict[str, list[FinishedCell]]:
    """The cells by row; rows of one name whose networks were set otherwise are told apart by what differs."""
    named: dict[str, list[FinishedCell]] = {}
    for cell in cells:
        named.setdefault(cell.row, []).append(cell)
    found: dict[str, list[FinishedCell]] = {}
    for row, members in named.items():
        differing = differences([cell.own for cell in members])
        for cell in members:
            words = [f"{name}={cell.own.get(name)}" for name in differing]
            found.setdefault(f"{row} ({' '.join(words)})" if words else row, []).append(cell)
    return found


def _ablation(folder: Path) -> Result:
    try:
        found = read_json(folder / ABLATION)
    except LeanetError as error:
        _leave_out(error)
        found = None
    return {"ablation": found} if found else {}
