from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from leanet.runs import RESULT, Run
from leanet.settings import settings_of
from leanet.store import write_json, write_text

Configure = Callable[..., dict[str, Any]]
Finish = Callable[..., Run]


@pytest.fixture
def finish(configure: Configure, tmp_path: Path) -> Finish:
    """finish({1: 0.8, 2: 0.7}, "adn=vgg16", …) → runs as they are when done, with those F1 in those folds."""

    def finished(f1: dict[int, float], *words: str, validated: dict[int, float] | None = None) -> Run:
        settings = settings_of(configure(tmp_path, "folds=5", "fold=null", *words))
        for fold, value in f1.items():
            run = Run(settings, settings.dataset_name, fold)
            write_text(
                run.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create({**asdict(settings), "fold": fold}))
            )
            validation = {"validation": {"f1": validated[fold]} if validated else None}
            write_json(run.folder / RESULT, {**FIGURES, **validation, "f1": value, **_facts(run)})
        return run

    return finished


COUNTS = {"train": {"negative": 60, "positive": 20}, "test": {"negative": 15, "positive": 5}}
FIGURES = {
    "auroc": 0.9,
    "ap": 0.8,
    "floor": 0.4,
    "collapsed": False,
    "seconds": 12.0,
    "caan": None,
    "images": COUNTS,
    "parameters": 11_177_538,
}


def _facts(run: Run) -> dict[str, Any]:
    settings = run.settings
    sizes = {"folds": settings.folds, "image_size": settings.image_size, "epochs": settings.trainer.max_epochs}
    return {
        "run": run.id,
        "cell": run.cell,
        "dataset": settings.dataset_name,
        "model": run.model,
        "fold": run.fold,
        **sizes,
    }
