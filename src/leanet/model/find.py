"""What a person means by run=…: a run or model by its folder, name or hash, a cell by its hash. Imports no torch."""

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
    """A finished run as it lies on disk, wherever that is by now.

    result: its result.json.
    """

    folder: Path
    result: Result

    @property
    def is_model(self) -> bool:
        """Whether it was fitted on all images, for use."""
        return bool(self.result["fold"] == ALL)

    @property
    def colorizers(self) -> list[Path]:
        """The folders of what makes its maps: one, several where its maps are cross-fitted, or none."""
        given = self.result.get("colorizer") or []
        names = [given] if isinstance(given, str) else given
        if self.is_model:
            return colorizers_kept(self.folder, len(names))
        home = self.folder.parents[1] / "colorizers"
        return [home / Path(name).name for name in names]


@dataclass(frozen=True)
class FoundModel:
    """One run or model, or the finished folds of a cell, which answer together.

    folds: how many the cell has; as many as there are members if none is missing.
    """

    name: str
    members: tuple[Kept, ...]
    folds: int

    @property
    def is_cell(self) -> bool:
        return self.folds > 1


def find(word: str, runs: Path) -> FoundModel:
    """What `word` means among the results under `runs` (paths.runs), or as a folder anywhere.

    Raises:
        LeanetError: nothing or more than one thing goes by that name, or it is not finished.
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
    """Of all runs and models, finished or not."""
    return [file.parent for kind in (MODELS, DETECTORS) for file in sorted(runs.glob(f"{kind}/*/config.yaml"))]


def _names_of(folder: Path) -> tuple[str, str, str]:
    """By which it may be called: whole, without its hash, and the hash alone."""
    name, _, identity = folder.name.rpartition("-")
    return folder.name, name, identity


def colorizers_kept(model: Path, count: int) -> list[Path]:
    """Where in a fitted model's folder the weights of its colorizers are: beside the networks, or a folder for each."""
    return [model] if count == 1 else [model / f"colorizer{part}" for part in range(1, count + 1)]


def kept_in(folder: Path) -> Kept:
    """The run or model in `folder`; LeanetError while it is not finished."""
    kept = _kept(folder)
    if kept is None:
        raise LeanetError(
            f"{folder}: no run is done there; if one was stopped, its command, given again, goes on with it"
        )
    return kept


def all_kept(runs: Path) -> list[Kept]:
    """Every finished run under `runs`, without models; a damaged one is named on stderr and left out."""
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
    """The run in `folder`; None while it is not finished."""
    result = read_result(folder / RESULT)
    if result is None:
        return None
    kept = Kept(folder, result)
    return None if kept.is_model and not (folder / CARD).exists() else kept


def _cell(word: str, there: list[Path]) -> FoundModel | None:
    """The finished folds of the cell with that hash; the same images under two names are the same fold."""
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
