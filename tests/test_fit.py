"""Models fitted on all images: real processes, killed and not, and the card against the runs it tells of."""

import csv
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.fit import fit
from leanet.model.pipeline import pipeline_of
from leanet.report.results import results
from leanet.train import train

PROCESSES = multiprocessing.get_context("forkserver")

Config = dict[str, Any]
Configure = Callable[..., Config]
SHORT = (
    "fold=null",
    "trainer.max_epochs=1",
    "colorizer.max_epochs=1",
    "colorizer=autoencoder",
    "validation=0.25",
    "adn=cnn",
)


def start(config: Config, job: Callable[[Config], object] = fit) -> Any:
    process = PROCESSES.Process(target=job, args=(config,))
    process.start()
    return process


def finish(config: Config, job: Callable[[Config], object] = fit) -> None:
    process = start(config, job)
    process.join()
    assert process.exitcode == 0


def kill_when(config: Config, ready: Callable[[], bool]) -> bool:
    process = start(config)
    while process.is_alive() and not ready():
        time.sleep(0.002)
    killed = process.is_alive()
    if killed:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return killed


def model_in(home: Path) -> Path:
    (folder,) = home.glob("models/*")
    return folder


def outcome(folder: Path) -> dict[str, Any]:
    """Everything in a model's folder that must not depend on how it came about."""
    weights = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    colors = torch.load(folder / "colorizer.pt", weights_only=True)
    return {
        "detector": {name: value.numpy().tobytes() for name, value in weights.items()},
        "colorizer": {name: value.numpy().tobytes() for name, value in colors.items()},
        "files": sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if "logs" not in file.parts),
        **{name: (folder / name).read_text() for name in ("card.json", "card.md", "validation.csv", "curves.csv")},
    }


@pytest.fixture
def home(made: Any) -> Path:
    """Where a model was fitted without disturbance."""
    return made.runs


MOMENTS = (
    "detectors/*fold1*/result.json",
    "detectors/*fold2*/last.ckpt",
    "colorizers/*-all-*/last.ckpt",
    "models/*/last.ckpt",
    "models/*/result.json",
    "models/*/card.md",
)


@pytest.mark.slow  # tests/experiment/test_fold.py does the same with a run
def test_killed_at_every_stage_and_the_same_in_the_end(home: Path, made_config: Any, tmp_path: Path) -> None:
    config = made_config(tmp_path)
    killed = [kill_when(config, lambda: any(tmp_path.glob(pattern))) for pattern in MOMENTS]  # noqa: B023
    assert sum(killed) >= 4
    finish(config)
    assert outcome(model_in(tmp_path)) == outcome(model_in(home))


def test_the_card_has_the_cross_validated_figures(home: Path) -> None:
    card = json.loads((model_in(home) / "card.json").read_text())
    results = [json.loads(file.read_text()) for file in home.glob("detectors/*/result.json")]
    found = card["crossvalidation"]
    assert (found["folds_done"], found["folds"], len(results)) == (2, 2, 2)
    for name in ("f1", "auroc", "ap"):
        values = [result[name] for result in results]
        assert found[name]["mean"] == pytest.approx(statistics.mean(values))
        assert found[name]["sd"] == pytest.approx(statistics.stdev(values))
    assert found["floor"] == pytest.approx(0.5)  # 6 of 18 in each fold
    assert {result["cell"] for result in results} == {card["cell"]}
    assert card["run"] not in {result["run"] for result in results}
    text = (model_in(home) / "card.md").read_text()
    assert f"{found['auroc']['mean']:.3f} ± {found['auroc']['sd']:.3f}" in text and "Limits" in text


def test_a_model_learns_from_all_images_but_the_validation(home: Path) -> None:
    card = json.loads((model_in(home) / "card.json").read_text())
    assert card["dataset"]["images"] == {"negative": 24, "positive": 12}
    assert card["trained_on"] == {
        "train": {"negative": 18, "positive": 9},
        "validation": {"negative": 6, "positive": 3},
        "test": {"negative": 0, "positive": 0},
    }
    with (model_in(home) / "validation.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 9
    assert not (model_in(home) / "predictions.csv").exists()
    (colorizer,) = home.glob("colorizers/*-all-*/colorizer.json")
    assert json.loads(colorizer.read_text())["images"] == 18


def test_reports_do_not_take_a_model_for_a_fold(home: Path) -> None:
    assert list(results(home)["fold"]) == [1, 2]


def test_without_cross_validation_the_card_says_so_until_there_is_one(configure: Configure, tmp_path: Path) -> None:
    config = configure(tmp_path, *SHORT, "caan=none", "validation=0")
    finish({**config, "crossvalidate": False})
    folder = model_in(tmp_path)
    assert not (tmp_path / "detectors").exists() and not (folder / "colorizer.pt").exists()
    assert json.loads((folder / "card.json").read_text())["crossvalidation"] is None
    assert "not been cross-validated" in (folder / "card.md").read_text()
    written = (folder / "last.ckpt").stat().st_mtime_ns
    finish({**config, "fold": 2}, train)
    finish({**config, "crossvalidate": False})
    assert json.loads((folder / "card.json").read_text())["crossvalidation"]["folds_done"] == 1
    assert (folder / "last.ckpt").stat().st_mtime_ns == written


@pytest.mark.parametrize("words", [["map.cross_fit=2"], ["map=padim", "map.pretrained=false"]], ids=" ".join)
def test_a_model_of_other_maps_can_be_moved(words: list[str], configure: Configure, tmp_path: Path) -> None:
    config = configure(tmp_path / "runs", *SHORT, *words)
    finish({**config, "crossvalidate": False})
    moved = model_in(tmp_path / "runs").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "runs")
    with (moved / "validation.csv").open(newline="") as file:
        expected = {row["file"]: float(row["adn"]) for row in csv.DictReader(file)}
    images = SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path())
    rows = [row for row, name in enumerate(images.index.names) if name in expected]
    with torch.inference_mode():
        found = pipeline_of(moved)(torch.from_numpy(images.images[rows])).probability
    assert found.tolist() == pytest.approx([expected[images.index.names[row]] for row in rows], abs=1e-5)
    assert len(rows) == 9


@pytest.mark.parametrize("logger", ["tensorboard", "wandb"])
def test_loggers_are_told_of_a_model_without_test_images(logger: str, configure: Configure, tmp_path: Path) -> None:
    offline = ["logger.offline=true"] if logger == "wandb" else []
    config = configure(tmp_path, *SHORT, "caan=none", f"logger={logger}", *offline)
    finish({**config, "crossvalidate": False})
    pattern = "wandb/offline-run-*/*.wandb" if logger == "wandb" else "**/events.out.tfevents*"
    assert list(model_in(tmp_path).glob(pattern))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fold=2"], "fold=2: leanet.fit trains on all images"),
        (["fold=null", "map=folder", "map.root=maps"], "map=folder: a model must make"),
    ],
)
def test_mistakes(words: list[str], told: str, configure: Configure, tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=told):
        fit(configure(tmp_path, *words))
    with pytest.raises(LeanetError, match="crossvalidate=maybe: must be true or false"):
        fit({**configure(tmp_path), "crossvalidate": "maybe"})


def test_a_sweep_fits_a_model_for_each_cell(tiny: tuple[str, ...], python: Any, tmp_path: Path) -> None:
    given = [word for word in tiny if not word.startswith("fold=")]
    words = ["-m", *given, "adn=lab_statistics", "dataset.data_seed=0,1", "crossvalidate=false"]
    found = python("-m", "leanet.fit", *words, f"paths.runs={tmp_path}", cwd=tmp_path)
    assert found.stdout.count("\nmodel: ") == 2 == len(list(tmp_path.glob("models/*"))), found.stderr
