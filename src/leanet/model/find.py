"""Find the run or model of `run=…` by its folder, name or hash, or a cell by its hash. Imports no torch."""

import difflib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leanet.config.path_options import expanded
from leanet.errors import LeanetError
from leanet.runs.run import ALL, read_result
from leanet.storage.run_files import CARD, DETECTORS, MODELS, RESULT

Result = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """A finished run or model on disk.

    Args:
        folder: where it is now; it may have been moved.
        result: the content of its result.json.
    """

    folder: Path
    result: Result

    @property
    def is_model(self) -> bool:
        """Whether it was trained on all images, as `leanet.fit` does."""
        return bool(self.result["fold"] == ALL)

    @property
    def colorizers(self) -> list[Path]:
        """The folders of its map makers: one, several with cross-fitting, or none."""
        given = self.result.get("colorizer") or []
        names = [given] if isinstance(given, str) else given
        if self.is_model:
            return colorizers_kept(self.folder, len(names))
        home = self.folder.parents[1] / "colorizers"
        return [home / Path(name).name for name in names]


@dataclass(frozen=True)
class FoundModel:
    """One run or model, or the finished folds of a cell, whose predictions are averaged.

    Args:
        name: dataset and model, for people.
        members: the finished runs.
        folds: the number of folds of the cell, also those that are not finished; 1 for a run or model.
    """

    name: str
    members: tuple[Kept, ...]
    folds: int

    @property
    def is_cell(self) -> bool:
        """Whether it is a cell, and not one run or model."""
        return self.folds > 1


def find(word: str, runs: Path) -> FoundModel:
    """Find a run, a model or a cell.

    Args:
        word: a folder anywhere; or the name or hash of a run or model, or the hash of a cell, under `runs`.
        runs: `paths.runs`.

    Raises:
        LeanetError: nothing has that name, several runs have it, or the run is not finished.
    """
    there = _folders(runs)
    folder = Path(expanded("run", word))
    if (folder / "config.yaml").exists():
        return _one(folder.resolve())
    named = [place for place in there if word in _names_of(place)]
    if len({_names_of(place)[2] for place in named}) > 1:
        raise LeanetError(f"run={word}: there are several; give one of {', '.join(place.name for place in named)}")
    if named:
        return _one(named[0])
    return _cell(word, there) or _nothing(word, there, runs)


def _folders(runs: Path) -> list[Path]:
    """The folders of all runs and models, finished or not."""
    return [file.parent for kind in (MODELS, DETECTORS) for file in sorted(runs.glob(f"{kind}/*/config.yaml"))]


def _names_of(folder: Path) -> tuple[str, str, str]:
    """The names of a folder: the whole name, the name without the hash, and the hash."""
    name, _, identity = folder.name.rpartition("-")
    return folder.name, name, identity


def colorizers_kept(model: Path, count: int) -> list[Path]:
    """The folders of a fitted model's map makers: the model's own folder, or one for each of several.

    Args:
        model: the model's folder.
        count: the number of map makers.
    """
    return [model] if count == 1 else [model / f"colorizer{part}" for part in range(1, count + 1)]


def kept_in(folder: Path) -> Kept:
    """The run or model in a folder; LeanetError if it is not finished."""
    kept = _kept(folder)
    if kept is None:
        raise LeanetError(f"{folder}: no run is done there; if one was stopped, its command, given again, resumes it")
    return kept


def all_kept(runs: Path) -> list[Kept]:
    """All finished runs under `runs`, without models. Damaged ones are left out, with a message on stderr."""
    found = []
    for folder in _folders(runs):
        try:
            kept = _kept(folder) if folder.parent.name == DETECTORS else None
        except LeanetError as error:
            print(f"leanet: left out: {error}", file=sys.stderr)
        else:
            found += [kept] if kept else []
    return found


def _one(folder: Path) -> FoundModel:
    kept = kept_in(folder)
    return FoundModel(f"{kept.result['dataset']}-{kept.result['model']}", (kept,), 1)


def _kept(folder: Path) -> Kept | None:
    """The run or model in a folder; None if it is not finished."""
    result = read_result(folder / RESULT)
    if result is None:
        return None
    kept = Kept(folder, result)
    return None if kept.is_model and not (folder / CARD).exists() else kept


def _cell(word: str, there: list[Path]) -> FoundModel | None:
    """The finished folds of the cell with that hash, one run for each fold."""
    every = [kept for folder in there if folder.parent.name == DETECTORS and (kept := _kept(folder))]
    folds = {int(kept.result["fold"]): kept for kept in every if kept.result["cell"] == word}
    if not folds:
        return None
    members = tuple(folds[fold] for fold in sorted(folds))
    first = members[0].result
    return FoundModel(f"{first['dataset']}-{first['model']}", members, int(first["folds"]))


def _nothing(word: str, there: list[Path], runs: Path) -> FoundModel:
    if not there:
        raise LeanetError(f"run={word}: no such folder, and no run in {runs}; paths.runs=DIR names another")
    cells = {str(kept.result["cell"]) for folder in there if (kept := _kept(folder))}
    names = sorted({name for folder in there for name in _names_of(folder)} | cells)
    near = (
        difflib.get_close_matches(Path(word).name, names, n=3, cutoff=0.5) or sorted(place.name for place in there)[:3]
    )
    raise LeanetError(f"run={word}: no such folder, run, model or cell in {runs}; near to it: {', '.join(near)}")
