"""The finished folds of one cell: what they are called, what they were made with, and their figures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any

from leanet.config.differences import Facts, flat
from leanet.config.effective import kept_settings
from leanet.config.settings import Settings
from leanet.report.predictions import f1_at_prior
from leanet.runs.run import Run

Result = dict[str, Any]
Fold = tuple[int, int]  # split seed and number

# What runs of one table have in common; other settings belong to their networks, and so to their rows.
_SHARED = ("folds", "folds_file", "validation", "trainer.max_epochs", "trainer.batch_size", "trainer.precision")
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

    id: the cell's.
    dataset: the name of its images; of several sets of one name with what tells them apart, as in `folder (root=b)`.
    config: the resolved configuration of one of them.
    results: of each finished run, its result.json with its `seed`, its `split_seed`, its `folder` and, if there is one,
        its `ablation`.
    """

    id: str
    dataset: str
    config: Mapping[str, Any]
    results: tuple[Result, ...]

    @property
    def dataset_name(self) -> str:
        """As it was configured, which several sets of images may share."""
        return str(self.results[0]["dataset"])

    @property
    def fingerprint(self) -> str | None:
        """Of its images and their labels; None for runs made before it was kept."""
        return next((found for result in self.results if (found := result.get("fingerprint"))), None)

    @property
    def model(self) -> str:
        """With its point, if it has one: resnet18+mobilenet@4."""
        return str(self.results[0]["model"])

    @cached_property
    def settings(self) -> Settings:
        """The configuration, checked; nothing of it is built."""
        return kept_settings(self.config)

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

    def fold_name(self, result: Result) -> str:
        """The fold of one of its results, for people: 1, or `1, split 2` and `1, split 2, seed 3` where they differ."""
        words = [str(result["fold"])]
        for setting, word in (("split_seed", "split"), ("seed", "seed")):
            if len({other[setting] for other in self.results}) > 1:
                words.append(f"{word} {result[setting]}")
        return ", ".join(words)

    @property
    def done(self) -> int:
        """How many folds have a finished run."""
        return len({fold_of(result) for result in self.results})

    @cached_property
    def plain(self) -> str:
        """The model it is to be compared with: the same ADN that sees the image alone, without attention."""
        return Run(self.settings, "", fold=1).plain.model

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
        given: Facts = {"validation": 0, **flat(self.config), "folds_file": self._folds_file}  # older runs lack some
        seeds = {name: _joined(result[name] for result in self.results) for name in ("seed", "split_seed")}
        shared = {name: given[name] for name in _SHARED}
        return {"dataset.image_size": self.results[0]["image_size"], **shared, **seeds}

    @property
    def _folds_file(self) -> str | None:
        """The beginning of its SHA-256; its path of runs made before that was kept."""
        digest = self.results[0].get("folds_file")
        return str(digest)[:12] if digest else self.config["dataset"].get("folds_file")

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
                found.setdefault(fold_of(result), []).append(value)
        return {fold: mean(values) for fold, values in found.items()}


def _figure(result: Result, name: str) -> float | None:
    """None where the run has no such figure: it has no attention, or was made before it was kept."""
    if name == "at_prior":
        return f1_at_prior(result)
    value: Any = result
    for key in _PLACES.get(name, (name,)):
        value = None if value is None else value.get(key)
    return None if value is None else float(value)


def fold_of(result: Result) -> Fold:
    return result["split_seed"], result["fold"]


def order(result: Result) -> tuple[int, int, int]:
    return (*fold_of(result), result["seed"])


def _joined(seeds: Iterable[int]) -> int | str:
    """One seed as it is, several as 0+1+2."""
    different = sorted(set(seeds))
    return different[0] if len(different) == 1 else "+".join(map(str, different))
