"""Finished runs as they lie on disk, gathered into cells, with what tells cells of one name apart."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from leanet.facts import Facts, differences, flat, short
from leanet.report.predictions import f1_at_prior
from leanet.runs import ABLATION, RESULT, Run
from leanet.settings import kept_settings
from leanet.store import read_json

Result = dict[str, Any]
Fold = tuple[int, int]  # split seed and number

# What runs of one table have in common; other settings belong to their networks, and so to their rows.
_SHARED = ("folds", "validation", "trainer.max_epochs", "trainer.batch_size", "trainer.precision")
_OF_EPOCHS = ("trainer.max_epochs", "trainer.batch_size", "trainer.precision", "seed")
_ROWS = ("adn", "caan", "colorizer", "map")
# Figures by their names where they lie deeper in a result.
_PLACES = {
    **{head: (head, "f1") for head in ("caan", "combined", "weighted")},
    **{f"{head}_auroc": (head, "auroc") for head in ("caan", "combined")},
    "validated": ("validation", "f1"),
    "thresholded": ("thresholded", "f1"),
    "constant": ("ablation", "constant", "drops", "f1"),
    "shuffled": ("ablation", "shuffled", "drops", "f1"),
    "constant_auroc": ("ablation", "constant", "drops", "auroc"),
    "shuffled_auroc": ("ablation", "shuffled", "drops", "auroc"),
}


@dataclass(frozen=True)
class FinishedCell:
    """The finished runs that differ in nothing but the fold; if pooled, in nothing but fold and seeds.

    config: the resolved configuration of one of them.
    results: of each finished run, its result.json with its `seed`, its `split_seed`, its `folder` and, if there is one,
        its `ablation`.
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
        """The model without its point: resnet18+mobilenet of resnet18+mobilenet@4, and -pos0.5 if there was one.

        Several points belong to the model: resnet18+mobilenet@2+3+4.
        """
        name, at, rest = self.model.partition("@")
        return name + rest.removeprefix(str(self.point)) if at and self.point else self.model

    @cached_property
    def point(self) -> int | None:
        """Where the attention enters; None without attention, or if it enters at several points."""
        several = self.config.get("attention", {}).get("points")
        return int(self.config["point"]) if "@" in self.model and not several else None

    @property
    def splits(self) -> list[int]:
        """The split seeds: more than one is a repeated cross-validation."""
        return sorted({result["split_seed"] for result in self.results})

    @property
    def folds(self) -> int:
        """How many there are to be done, in all repeats."""
        return int(self.results[0]["folds"]) * len(self.splits)

    @property
    def done(self) -> int:
        """How many folds have a finished run."""
        return len({_fold(result) for result in self.results})

    @cached_property
    def plain(self) -> str:
        """The model it is to be compared with: the same ADN that sees the image alone, without attention."""
        return Run(kept_settings(self.config), "", fold=1).plain.model

    @property
    def parameters(self) -> int | None:
        """Trainable numbers of ADN and CAAN; None for runs made before they were counted."""
        return self.results[0].get("parameters")

    @property
    def test_shares(self) -> list[float]:
        """Of each fold, the share of its test images among those and the ones trained on."""
        counts = [{part: sum(found.values()) for part, found in result["images"].items()} for result in self.results]
        return [count["test"] / (count["test"] + count["train"]) for count in counts]

    @cached_property
    def shared(self) -> Facts:
        """The settings that a table's cells have in common."""
        given = {"validation": 0} | flat(self.config)  # which older runs do not name
        seeds = {name: _joined(result[name] for result in self.results) for name in ("seed", "split_seed")}
        shared = {name: given[name] for name in _SHARED}
        return {"dataset.image_size": self.results[0]["image_size"], **shared, **seeds}

    @cached_property
    def binding(self) -> Facts:
        """Those of the shared settings that change the cell's numbers: an ADN that fits itself has no epochs, no seed.

        The precision is that of a colorizer as well, where there is one.
        """
        if self.has_epochs:
            return self.shared
        kept = {"trainer.precision"} if self.config["input"]["name"] != "rgb" else set()
        return {name: value for name, value in self.shared.items() if name not in _OF_EPOCHS or name in kept}

    @property
    def has_epochs(self) -> bool:
        return self.config["adn"].get("fitted_to") is None

    @cached_property
    def own(self) -> Facts:
        """The settings of the cell's networks, of which only those matter that it has."""
        used = _ROWS if "@" in self.model or self.config["input"]["name"] != "rgb" else ("adn",)
        given = flat({part: self.config[part] for part in used if self.config.get(part)})
        return {name: value for name, value in given.items() if value is not None}  # older runs do not name all that is

    def values(self, name: str) -> list[float]:
        """A figure, such as f1, of each finished fold, in the folds' order."""
        return list(self.by_fold(name).values())

    def repeats(self, name: str) -> list[list[float]]:
        """The figure of each fold, by split seed."""
        found = self.by_fold(name)
        return [[value for (split, _), value in found.items() if split == wanted] for wanted in self.splits]

    def by_fold(self, name: str) -> dict[Fold, float]:
        """The figure of each fold that has it; its mean over the seeds where a fold was trained from several.

        Such scores share their test images: as values of their own they would make five folds look like ten.
        """
        if name == "at_prior" and self.config["trainer"].get("balance", "none") != "none":
            return {}  # whose 0.5 has the share of positives in it already
        found: dict[Fold, list[float]] = {}
        for result in self.results:
            value = _figure(result, name)
            if value is not None:
                found.setdefault(_fold(result), []).append(value)
        return {fold: mean(values) for fold, values in found.items()}


def finished_cells(home: Path) -> list[FinishedCell]:
    """The cells of all finished runs under `home` (paths.runs), by dataset and model."""
    found: dict[tuple[str, str], list[tuple[Path, Result]]] = {}  # the same images may have two names
    for file in sorted(home.glob(f"detectors/*/{RESULT}")):
        result: Result = read_json(file) or {}
        found.setdefault((result["dataset"], result["cell"]), []).append((file.parent, result))
    return sorted((cell_of(name, runs) for (_, name), runs in found.items()), key=lambda cell: (cell.dataset, cell.row))


def cell_of(name: str, runs: list[tuple[Path, Result]]) -> FinishedCell:
    """The cell of that id: its finished runs' folders and results."""
    config = yaml.load((runs[0][0] / "config.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    seeds = {"seed": config["seed"], "split_seed": config["split_seed"]}
    results = ({**result, **seeds, "folder": str(folder), **_ablation(folder)} for folder, result in runs)
    return FinishedCell(name, config, tuple(sorted(results, key=_order)))


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
        replace(members[0], results=tuple(sorted((result for cell in members for result in cell.results), key=_order)))
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


def said(shared: Facts) -> str:
    """Settings in words: image_size 64, epochs 100."""
    return ", ".join(f"{short(name)} {value}" for name, value in shared.items())


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
    found = read_json(folder / ABLATION)
    return {"ablation": found} if found else {}


def _figure(result: Result, name: str) -> float | None:
    """None where the run has no such figure: it has no attention, or was made before it was kept."""
    if name == "at_prior":
        return f1_at_prior(result)
    value: Any = result
    for key in _PLACES.get(name, (name,)):
        value = None if value is None else value.get(key)
    return None if value is None else float(value)


def _fold(result: Result) -> Fold:
    return result["split_seed"], result["fold"]


def _order(result: Result) -> tuple[int, int, int]:
    return (*_fold(result), result["seed"])


def _joined(seeds: Iterable[int]) -> int | str:
    """One seed as it is, several as 0+1+2."""
    different = sorted(set(seeds))
    return different[0] if len(different) == 1 else "+".join(map(str, different))
