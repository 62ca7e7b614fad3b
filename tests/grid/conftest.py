from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanet.config.effective import settings_of
from leanet.grid.plan import Job
from leanet.runs.run import Run

Configure = Callable[..., dict[str, Any]]


@pytest.fixture
def job(configure: Configure, tmp_path: Path) -> Callable[..., Job]:
    """job("caan=none", fold=2) → the job of that run, with 36 images."""

    def made(*words: str, fold: int = 1) -> Job:
        return Job(words, Run(settings_of(configure(tmp_path, *words)), "0" * 64, fold), images=36, normals=24)

    return made
