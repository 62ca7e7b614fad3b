"""What a cell took, measured: its fits, and the maps and features that they need, whoever made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leanet.runs.run import Run
from leanet.storage.files import read_json
from leanet.storage.run_files import COLORIZER_FACTS, MAKING


@dataclass(frozen=True)
class Cost:
    """Seconds per fold; less than the whole where the making of maps or features was not measured."""

    seconds: float
    is_whole: bool

    def __str__(self) -> str:
        return f"{'' if self.is_whole else '≥ '}{short_seconds(self.seconds)}"


def cost_of(runs: Sequence[Run]) -> Cost | None:
    """The cost of a cell's finished runs, as if no other cell shared their maps; None if none is finished."""
    finished = [(run, result["seconds"]) for run in runs if (result := run.result)]
    if not finished:
        return None
    made: dict[object, float | None] = {}  # by folder, since folds share features
    for run, _ in finished:
        if run.settings.makes_maps:
            made[run.maps_file] = _seconds_of_maps(run)
            if run.settings.map.is_of_features:
                made[run.layers_folder] = _seconds_of_features(run.layers_folder)
        if _has_features(run):
            made[run.features_folder] = _seconds_of_features(run.features_folder)
    known = [seconds for seconds in made.values() if seconds is not None]
    fits = sum(seconds for _, seconds in finished)
    return Cost((fits + sum(known)) / len(finished), len(known) == len(made))


def _seconds_of_maps(run: Run) -> float | None:
    """Of all that was done for its maps.

    A process that went on with a colorizer measured only its own part, but the colorizer itself knows its training.
    """
    made = read_json(run.maps_file.with_suffix(MAKING))
    trained = [facts["seconds"] for folder in run.maker_folders if (facts := read_json(folder / COLORIZER_FACTS))]
    found = [made["seconds"]] if made else []
    return max([*found, sum(trained)]) if found or trained else None


def _has_features(run: Run) -> bool:
    """Whether it is a network of timm's that is not trained."""
    return not run.settings.has_epochs and "model" in run.settings.adn.network


def _seconds_of_features(folder: Path) -> float | None:
    notes = [note for file in folder.glob(f"*{MAKING}") if (note := read_json(file))]
    return sum(note["seconds"] for note in notes) if notes else None


def short_seconds(seconds: float) -> str:
    """Whole seconds from 10 on, two digits below."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
