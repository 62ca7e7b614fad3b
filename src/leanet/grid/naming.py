"""What the cells of a grid and their datasets are called in its tables."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from leanet.config.differences import Facts, differences, flat, short
from leanet.grid.plan import Job
from leanet.runs.run import Run


def runs_by_cell(jobs: Sequence[Job]) -> dict[str, list[Run]]:
    """The runs of each cell, by its identity."""
    cells: dict[str, list[Run]] = {}
    for job in jobs:
        cells.setdefault(job.run.cell, []).append(job.run)
    return cells


def names_of(cells: Mapping[str, list[Run]], labels: Mapping[str, str]) -> dict[str, str]:
    """Each cell's model; of those of one name, with what tells them apart: resnet18 (split_seed=1)."""
    alike: dict[tuple[str, str], dict[str, Facts]] = {}
    for cell, (run, *_) in cells.items():
        alike.setdefault((labels[run.fingerprint], run.model), {})[cell] = flat(run.cell_facts)
    names = {}
    for (_, model), members in alike.items():
        differing = differences(members.values())
        for cell, facts in members.items():
            words = dict.fromkeys(f"{short(name)}={_brief(facts[name])}" for name in differing if name in facts)
            names[cell] = f"{model} ({', '.join(words)})" if words else model
    return names


def _brief(value: Any) -> str:
    """A value as text; of a SHA-256 its beginning."""
    text = str(value)
    return text[:8] if re.fullmatch("[0-9a-f]{64}", text) else text


def labels_of(jobs: Sequence[Job]) -> dict[str, str]:
    """By its fingerprint, each dataset's name; with its root where several sets of images have the name."""
    sets = {job.run.fingerprint: job.run.settings for job in jobs}
    times = Counter((settings.dataset_name, settings.image_size) for settings in sets.values())
    return {
        fingerprint: f"{settings.dataset_name} (root={settings.root})"
        if settings.root and times[settings.dataset_name, settings.image_size] > 1
        else settings.dataset_name
        for fingerprint, settings in sets.items()
    }
