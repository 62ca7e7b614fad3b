from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from leanet.config.effective import settings_of
from leanet.runs.run import Run
from leanet.storage.files import write_json, write_text
from leanet.storage.run_files import RESULT
from leanet.train import train

Configure = Callable[..., dict[str, Any]]
Finish = Callable[..., Run]


@pytest.fixture(scope="session")
def finisher(configure: Configure) -> Callable[[Path], Finish]:
    """finisher(home) → `finish`, for runs under home."""

    def finish_in(home: Path) -> Finish:
        def finished(
            f1: dict[int, float],
            *words: str,
            validated: dict[int, float] | None = None,
            thresholded: dict[int, float] | None = None,
            fingerprint: str | None = None,
            older: bool = False,
        ) -> Run:
            settings = settings_of(configure(home, "folds=5", "fold=null", *words))
            config = OmegaConf.to_yaml(OmegaConf.create({**asdict(settings), "fold": min(f1)}))
            for fold, value in f1.items():
                run = Run(settings, fingerprint or settings.dataset_name, fold)
                write_text(run.folder / "config.yaml", config)
                write_text(run.folder / "predictions.csv", _predictions(fold))
                validation = {"validation": {"f1": validated[fold]} if validated else None}
                validation |= {"thresholded": {"f1": thresholded[fold], "threshold": 0.3} if thresholded else None}
                identified = {} if older else {"fingerprint": run.fingerprint, "folds_file": run.folds_file}
                write_json(run.folder / RESULT, {**FIGURES, **validation, "f1": value, **_facts(run), **identified})
            return run

        return finished

    return finish_in


@pytest.fixture
def finish(finisher: Callable[[Path], Finish], tmp_path: Path) -> Finish:
    """finish({1: 0.8, 2: 0.7}, "adn=vgg16", …) → runs as they are when done, with those F1 in those folds.

    fingerprint: of the images, by default the dataset's name. older: made before results told it.
    """
    return finisher(tmp_path)


@pytest.fixture(scope="session")
def frozen(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """paths.runs with one fold of a frozen network."""
    home = tmp_path_factory.mktemp("frozen")
    train(configure(home, "adn=frozen", "adn.stages=[3,4]"))
    return home


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
    "versions": {"python": "3.11.7", "torch": "2.11.0"},
}


def _predictions(fold: int) -> str:
    """Of 5 positives and 15 negatives, right but for the first of each."""
    chances = [0.3, *(0.9 - row / 500 for row in range(4)), 0.7, *(0.1 + row / 500 for row in range(14))]
    rows = [f"{fold}-{row}.png,{fold}{row:02},{int(row < 5)},{chance:.3f}" for row, chance in enumerate(chances)]
    return "\n".join(["file,sha256,label,adn", *rows, ""])


def _facts(run: Run) -> dict[str, Any]:
    settings = run.settings
    names = {"run": run.id, "cell": run.cell, "dataset": settings.dataset_name, "model": run.model, "fold": run.fold}
    return {
        **names,
        "folds": settings.folds,
        "image_size": settings.image_size,
        "epochs": settings.trainer.max_epochs,
    }
