"""Finished runs as they lie on disk, gathered into cells, with what tells cells of one name apart."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from leanet.runs import RESULT
from leanet.store import read_json

Result = dict[str, Any]
Facts = dict[str, Any]  # settings by their names: {"trainer.max_epochs": 100}

# What runs of one table have in common; other settings belong to their networks, and so to their rows.
_SHARED = ("folds", "validation", "seed", "split_seed", "trainer.max_epochs", "trainer.batch_size", "trainer.precision")
_ROWS = ("adn", "caan", "colorizer", "map")


@dataclass(frozen=True)
class FinishedCell:
    """The finished runs that differ in nothing but the fold.

    config: the resolved configuration of one of them.
    results: of each finished fold, its result.json.
    """

    id: str
    config: Mapping[str, Any]
    results: tuple[Result, ...]

    @property
    def dataset(self) -> str:
        return str(self.results[0]["dataset"])

    @property
    def model(self) -> str:
        """With its point, if it has one: resnet18+mobilenet@4."""
        return str(self.results[0]["model"])

    @cached_property
    def row(self) -> str:
        """The model without its point: resnet18+mobilenet of resnet18+mobilenet@4, and -pos0.5 if there was one."""
        name, at, rest = self.model.partition("@")
        return name + rest.removeprefix(str(self.point)) if at else name

    @cached_property
    def point(self) -> int | None:
        """Where the attention enters; None without attention."""
        return int(self.config["point"]) if "@" in self.model else None

    @property
    def folds(self) -> int:
        """How many there are to be done."""
        return int(self.results[0]["folds"])

    @cached_property
    def shared(self) -> Facts:
        """The settings that a table's cells have in common."""
        flat = {"validation": 0} | _flat(self.config)  # which older runs do not name
        return {"dataset.image_size": self.results[0]["image_size"], **{name: flat[name] for name in _SHARED}}

    @cached_property
    def own(self) -> Facts:
        """The settings of the cell's networks, of which only those matter that it has."""
        used = _ROWS if self.point is not None or self.config["input"]["name"] != "rgb" else ("adn",)
        return _flat({part: self.config[part] for part in used if self.config.get(part)})

    def values(self, name: str) -> list[float]:
        """A figure, such as f1, of each finished fold, in the folds' order."""
        return list(self.by_fold(name).values())

    def by_fold(self, name: str) -> dict[Hashable, float]:
        return {result["fold"]: float(result[name]) for result in self.results}


def finished_cells(home: Path) -> list[FinishedCell]:
    """The cells of all finished runs under `home` (paths.runs), by dataset and model."""
    found: dict[str, list[tuple[Path, Result]]] = {}
    for file in sorted(home.glob(f"detectors/*/{RESULT}")):
        result: Result = read_json(file) or {}
        found.setdefault(result["cell"], []).append((file.parent, result))
    return sorted((_cell(name, runs) for name, runs in found.items()), key=lambda cell: (cell.dataset, cell.row))


def tables_of(cells: Iterable[FinishedCell]) -> list[tuple[Facts, list[FinishedCell]]]:
    """The cells that may stand in one table, with their shared settings: other epochs or seeds are another table."""
    found: list[tuple[Facts, list[FinishedCell]]] = []
    for cell in cells:
        same = [members for shared, members in found if shared == cell.shared]
        if same:
            same[0].append(cell)
        else:
            found.append((cell.shared, [cell]))
    return found


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


def differences(all_facts: Iterable[Facts]) -> list[str]:
    """The names of the facts that are not the same in all."""
    every = list(all_facts)
    names = dict.fromkeys(name for facts in every for name in facts)
    return [name for name in names if any(facts.get(name) != every[0].get(name) for facts in every)]


def _cell(name: str, runs: list[tuple[Path, Result]]) -> FinishedCell:
    config = yaml.load((runs[0][0] / "config.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return FinishedCell(name, config, tuple(sorted((result for _, result in runs), key=lambda result: result["fold"])))


def _flat(node: Mapping[str, Any], prefix: str = "") -> Facts:
    flat: Facts = {}
    for name, value in node.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
