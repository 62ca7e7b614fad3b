"""Sets of images that have the same name, told apart: by their fingerprints, and for people by what differs."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress

from leanet.config.differences import Facts, differences
from leanet.data.images import Index
from leanet.errors import LeanetError
from leanet.report.cell import FinishedCell, fold_of
from leanet.report.predictions import Predictions
from leanet.runs.run import Run

_NOT_THE_IMAGES = ("_target_", "name", "image_size", "folds_file", "origin")  # of a dataset's settings


def told_apart(cells: Sequence[FinishedCell]) -> list[str]:
    """The name of each cell's dataset; where several sets of images share it, with what differs between them.

    Two sets under the name `folder` become `folder (root=leaves)` and `folder (root=pills)`. The fingerprint tells
    them apart where no setting does. Sets of different image sizes share no table, and are not compared.
    """
    sets: dict[Hashable, dict[str, Facts]] = {}  # by name and size, then by what identifies the images
    places: list[tuple[Hashable, str]] = []
    for cell, fingerprint in zip(cells, _fingerprints(cells), strict=True):
        facts = _settings(cell)
        name, images = (cell.dataset_name, cell.shared["dataset.image_size"]), fingerprint or repr(facts)
        facts["fingerprint"] = (fingerprint or "unknown")[:8]
        of_name = sets.setdefault(name, {})
        of_name[images] = _common(of_name.get(images, facts), facts)
        places.append((name, images))
    words = {name: dict(zip(of_name, _words(of_name.values()), strict=True)) for name, of_name in sets.items()}
    return [cell.dataset_name + words[name][images] for cell, (name, images) in zip(cells, places, strict=True)]


def _common(some: Facts, others: Facts) -> Facts:
    """What both say: the same images may have been moved meanwhile."""
    return {name: value for name, value in some.items() if others.get(name) == value}


def _settings(cell: FinishedCell) -> Facts:
    """The settings of its dataset that say which images those are."""
    given = {name: value for name, value in cell.config["dataset"].items() if name not in _NOT_THE_IMAGES}
    return {**given, "root": cell.settings.root}


def _words(sets: Iterable[Facts]) -> list[str]:
    """For each of the sets what differs from the others, in parentheses; nothing for a single one."""
    every = list(sets)
    names = [name for name in differences(every) if name != "fingerprint" and all(name in facts for facts in every)]
    times = Counter(_said(facts, names) for facts in every)
    return [_said(facts, names if times[_said(facts, names)] == 1 else [*names, "fingerprint"]) for facts in every]


def _said(facts: Facts, names: Sequence[str]) -> str:
    return f" ({' '.join(f'{name}={facts.get(name)}' for name in names)})" if names else ""


def _fingerprints(cells: Sequence[FinishedCell]) -> list[str | None]:
    """Each cell's; of older runs, which do not tell it, that of the test images of all folds.

    Where not all folds are done, it is the one among the others that the cell's id was made of.
    """
    found = [cell.fingerprint or _of_all_folds(cell) for cell in cells]
    known: dict[str, dict[str, None]] = {}
    for cell, fingerprint in zip(cells, found, strict=True):
        if fingerprint:
            known.setdefault(cell.dataset_name, {})[fingerprint] = None
    return [
        fingerprint or _recognised(cell, known.get(cell.dataset_name, ()))
        for cell, fingerprint in zip(cells, found, strict=True)
    ]


def _of_all_folds(cell: FinishedCell) -> str | None:
    """The fingerprint of a dataset whose images have all been tested; None where a fold is missing, or its file."""
    by_fold = {fold_of(result): result for result in cell.results}
    if len(by_fold) < cell.folds:
        return None
    with suppress(LeanetError):
        every = [Predictions.of(result) for result in by_fold.values()]
        parts = [zip(one.names, one.labels.tolist(), one.sha256, strict=True) for one in every]
        return Index.of([entry for part in parts for entry in part]).fingerprint
    return None


def _recognised(cell: FinishedCell, known: Iterable[str]) -> str | None:
    with suppress(LeanetError):  # files that its identity depends on may be gone
        return next((fingerprint for fingerprint in known if Run(cell.settings, fingerprint, 1).cell == cell.id), None)
    return None
