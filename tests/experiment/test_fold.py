"""Real processes that are killed: what comes of it must be what an undisturbed run gives, bit for bit."""

import csv
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra.errors import InstantiationException
from scipy.special import logit
from sklearn.metrics import f1_score, roc_auc_score

import leanet
from leanet.config.effective import kept_settings
from leanet.data.synthetic import SyntheticLeaves
from leanet.detector.task import probabilities
from leanet.errors import LeanetError
from leanet.experiment.fold import load_task
from leanet.experiment.split import split_of, tensors_of
from leanet.runs.cell import folds_of
from leanet.runs.run import Run
from leanet.storage.files import read_json
from leanet.train import train

PROCESSES = multiprocessing.get_context("forkserver")
SMALL = ("adn=cnn", "colorizer=autoencoder")

Config = dict[str, Any]
Configure = Callable[..., Config]


def start(config: Config) -> Any:
    process = PROCESSES.Process(target=train, args=(config,))
    process.start()
    return process


def finish(config: Config) -> None:
    process = start(config)
    process.join()
    assert process.exitcode == 0


def kill_when(config: Config, ready: Callable[[], bool]) -> bool:
    """Start a run and SIGKILL it as soon as `ready`; False if it ended before that."""
    process = start(config)
    while process.is_alive() and not ready():
        time.sleep(0.002)
    killed = process.is_alive()
    if killed:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return killed


def only(home: Path, pattern: str) -> Path | None:
    found = list(home.glob(pattern))
    return found[0] if found else None


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


def outcome(home: Path) -> dict[str, Any]:
    """Everything in a run's folder that must not depend on how it came about."""
    folder = only(home, "detectors/*/result.json").parent  # type: ignore[union-attr]
    result = read_json(folder / "result.json")
    del result["seconds"]
    kept = torch.load(folder / "last.ckpt", weights_only=True)
    return {
        "result": result,
        "predictions": (folder / "predictions.csv").read_text(),
        "curves": (folder / "curves.csv").read_text(),
        "weights": {name: value.numpy().tobytes() for name, value in kept["state_dict"].items()},
        "maps": [file.read_bytes() for file in sorted(home.glob("colorizers/*/maps-*.npy"))],
        "sheet": (folder / "sheet.png").stat().st_size > 10_000,
        "files": sorted(str(file.relative_to(home)) for file in home.rglob("*") if "logs" not in file.parts),
    }


@pytest.fixture(scope="module")
def home(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one run was made without disturbance."""
    home = tmp_path_factory.mktemp("undisturbed")
    finish(configure(home, *SMALL))
    return home


MOMENTS = {
    "the colorizer is training": "colorizers/*/last.ckpt",
    "a file is half-written": "*/*/.*.part",
    "the maps are made": "colorizers/*/maps-*.npy",
    "the detector is training": "detectors/*/last.ckpt",
    "the predictions are written": "detectors/*/predictions.csv",
}


def test_killed_at_every_stage_and_the_same_in_the_end(home: Path, configure: Configure, tmp_path: Path) -> None:
    config = configure(tmp_path, *SMALL)
    killed = [kill_when(config, lambda: only(tmp_path, pattern) is not None) for pattern in MOMENTS.values()]  # noqa: B023
    assert sum(killed) >= 3
    finish(config)
    assert outcome(tmp_path) == outcome(home)


@pytest.mark.slow
def test_killed_at_random_moments_and_the_same_in_the_end(home: Path, configure: Configure, tmp_path: Path) -> None:
    config = configure(tmp_path, *SMALL)
    moments = random.Random(0)
    for _ in range(20):
        end = time.monotonic() + moments.uniform(0.05, 4)
        kill_when(config, lambda: time.monotonic() > end)  # noqa: B023
    finish(config)
    assert outcome(tmp_path) == outcome(home)


@pytest.mark.slow
def test_two_processes_share_one_run_and_one_colorizer(home: Path, configure: Configure, tmp_path: Path) -> None:
    both = [start(configure(tmp_path, *SMALL, *words)) for words in ((), (), ("point=1",))]
    for process in both:
        process.join()
        assert process.exitcode == 0
    assert len(list(tmp_path.glob("colorizers/*"))) == 1
    assert len(list(tmp_path.glob("detectors/*/result.json"))) == 2
    assert [file.read_bytes() for file in tmp_path.glob("colorizers/*/maps-*.npy")] == outcome(home)["maps"]


def test_the_result_is_what_the_predictions_say(home: Path) -> None:
    folder = only(home, "detectors/*")
    assert folder is not None
    result = json.loads((folder / "result.json").read_text())
    with (folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = [int(row["label"]) for row in rows]
    for head, found in (("adn", result), ("caan", result["caan"])):
        probabilities = [float(row[head]) for row in rows]
        assert found["f1"] == pytest.approx(f1_score(labels, [p > 0.5 for p in probabilities]), abs=1e-6)
        assert found["auroc"] == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-6)
        assert len(found["last_epochs"]["f1"]) == 5 and found["last_epochs"]["f1"][-1] == found["f1"]
    both = [logit(float(row["adn"])) + logit(float(row["caan"])) for row in rows]  # twice their mean
    assert result["combined"]["f1"] == pytest.approx(f1_score(labels, [evidence > 0 for evidence in both]), abs=1e-6)
    assert result["combined"]["auroc"] == pytest.approx(roc_auc_score(labels, both), abs=1e-6)
    assert result["weighted"] is None  # without validation images
    share = sum(labels) / len(labels)
    assert result["floor"] == pytest.approx(2 * share / (1 + share))
    assert len(rows) == 18 and sum(labels) == 6


def test_a_finished_cell_is_told_without_importing_torch(home: Path, configure: Configure) -> None:
    code = (
        "import json, sys; from leanet.train import train; train(json.load(sys.stdin)); print('torch' in sys.modules)"
    )
    before = outcome(home)
    found = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(configure(home, *SMALL)),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = found.stdout.splitlines()
    assert "all done before" in lines[0] and lines[-1] == "False"
    assert outcome(home) == before


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_told_in_one_line(tiny: tuple[str, ...], tmp_path: Path) -> None:
    words = [f"paths.runs={tmp_path}", *tiny, "caan=none", "adn.lr=1e30"]
    found = subprocess.run([sys.executable, "-m", "leanet.train", *words], capture_output=True, text=True)
    assert found.returncode == 1 and found.stdout == ""
    assert re.fullmatch(
        r"leanet: fold 1/2 · resnet18: the loss is not finite in epoch \d, batch \d; .*\n", found.stderr
    )


def test_plain_runs_need_no_colorizer(configure: Configure, tmp_path: Path) -> None:
    finish(configure(tmp_path, "adn=cnn", "caan=none", "trainer.max_epochs=2"))
    assert not (tmp_path / "colorizers").exists()
    result = read_json(next(tmp_path.glob("detectors/*/result.json")))
    assert result["caan"] is None and len(result["last_epochs"]["f1"]) == 2
    assert result["attention_sd"] is None and result["combined"] is None and result["weighted"] is None


SHORT = ("trainer.max_epochs=1", "colorizer.max_epochs=1")


@pytest.mark.parametrize(
    ("model", "overrides"),
    {
        "cnn-map": ["input=map", "adn=cnn"],
        "resnet18-attentioned-legacy-autoencoder": ["input=attentioned", "map=legacy", "colorizer=autoencoder"],
        "cnn-rgb_map+mobilenet@4-ab": ["input=rgb_map", "map=ab", "caan=mobilenet", "adn=cnn"],
        "test_convnext+test_efficientnet@3": [
            "adn=timm", "adn.model=test_convnext", "caan=timm", "caan.model=test_efficientnet", "point=3",
            "colorizer.loss=ciede2000",
        ],
    }.items(),
)  # fmt: skip
def test_other_networks_inputs_and_maps(model: str, overrides: list[str], configure: Configure, tmp_path: Path) -> None:
    finish(configure(tmp_path, *SHORT, *overrides))
    folder = only(tmp_path, "detectors/*")
    assert folder is not None
    result = read_json(folder / "result.json")
    assert result["model"] == model
    assert (result["caan"] is not None) == ("+" in model)
    assert len(list(tmp_path.glob("colorizers/*/maps-*.npy"))) == 1
    assert (folder / "sheet.png").stat().st_size > 10_000


def test_maps_made_elsewhere(home: Path, configure: Configure, tmp_path: Path) -> None:
    config = configure(tmp_path, *SMALL, "trainer.max_epochs=1", "map=folder", f"map.root={tmp_path / 'maps'}")
    dataset = SyntheticLeaves(image_size=32, negatives=24, positives=12)
    (tmp_path / "maps").mkdir()
    names, labels = dataset.index().names, dataset.index().labels
    for name, label in zip(names, labels, strict=True):  # maps that know the answer
        np.save(tmp_path / "maps" / f"{Path(name).stem}.npy", np.full((32, 32), 1.0 + 9 * label))
    finish(config)
    assert not (tmp_path / "colorizers").exists()
    assert only(tmp_path, "detectors/*/result.json") is not None

    (tmp_path / "maps" / f"{Path(names[0]).stem}.npy").unlink()
    with pytest.raises(LeanetError, match="1 of 36 images have no map"):
        train(config)


def test_thinned_positives_are_counted_as_in_figure_4(configure: Configure, tmp_path: Path) -> None:
    finish(configure(tmp_path, "adn=cnn", "caan=none", "trainer.max_epochs=1", "positive_rate=0.5"))
    result = read_json(next(tmp_path.glob("detectors/*/result.json")))
    assert result["images"]["train"] == {"negative": 12, "positive": 3}
    assert result["images"]["test"] == {"negative": 12, "positive": 6}
    assert result["positives_of_all"] == 3 / 18  # the paper: 25 of Potato's 202 are 12.4%


def test_validation_images_are_held_out_of_everything(configure: Configure, tmp_path: Path) -> None:
    finish(configure(tmp_path, *SMALL, "trainer.max_epochs=1", "validation=0.34"))
    folder = next(tmp_path.glob("detectors/*"))
    result = read_json(folder / "result.json")
    assert result["images"]["train"] == {"negative": 8, "positive": 4}
    assert result["images"]["validation"] == {"negative": 4, "positive": 2}
    assert read_json(next(tmp_path.glob("colorizers/*/colorizer.json")))["images"] == 8  # normals that trained it
    tested, validated = (rows_of(folder / f"{name}.csv") for name in ("predictions", "validation"))
    split = {row["sha256"] for row in rows_of(next(tmp_path.glob("folds/*.csv"))) if row["fold"] == "2"}
    assert {row["sha256"] for row in validated} < split  # the other fold of two
    assert not {row["sha256"] for row in validated} & {row["sha256"] for row in tested}
    labels, chances = ([float(row[name]) for row in validated] for name in ("label", "adn"))
    assert result["validation"]["auroc"] == pytest.approx(roc_auc_score(labels, chances))
    assert 0 <= result["weighted"]["f1"] <= 1

    threshold = result["thresholded"]["threshold"]
    best = max(f1_score(labels, [chance > other for chance in chances]) for other in (0, *chances))
    assert f1_score(labels, [chance > threshold for chance in chances]) == pytest.approx(best)
    truth, answers = ([float(row[name]) for row in tested] for name in ("label", "adn"))
    expected = f1_score(truth, [answer > threshold for answer in answers], zero_division=0)
    assert result["thresholded"]["f1"] == pytest.approx(expected)


# By these the first of four epochs has the best F1, and the third the least loss.
CHOICE = ("validation=0.34", "adn=cnn", "adn.lr=1e-2", "trainer.batch_size=4")


@pytest.fixture(scope="module")
def stopped_after(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs that end after the first, the second … epoch: what one of four epochs passes through."""
    home = tmp_path_factory.mktemp("epochs")
    for epochs in range(1, 5):
        finish(configure(home, *CHOICE, f"trainer.max_epochs={epochs}", "trainer.checkpoint_seconds=1000"))
    return sorted(home.glob("detectors/*"), key=lambda folder: read_json(folder / "result.json")["epochs"])


def validation_f1(folder: Path) -> float:
    rows = rows_of(folder / "validation.csv")
    return f1_score([int(row["label"]) for row in rows], [float(row["adn"]) > 0.5 for row in rows], zero_division=0)


def validation_loss(folder: Path) -> float:
    """Eq. 1 on the validation images, by NumPy from the logits of the network that the run in `folder` ended with."""
    settings = kept_settings(yaml.safe_load((folder / "config.yaml").read_text()))
    images = SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path())
    run = Run(settings, images.index.fingerprint, 1)
    rows = split_of(run, images, folds_of(settings, images, folder.parents[1]))
    found = tensors_of(run, images, rows)
    with torch.inference_mode():
        output = load_task(run)({name: value[torch.from_numpy(rows.validation)] for name, value in found.items()})
    labels = images.labels[rows.validation]
    signs = np.stack([2 * labels - 1, 1 - 2 * labels], axis=1)  # −log σ(z) is log(1 + e⁻ᶻ), −log(1 − σ(z)) log(1 + eᶻ)
    return sum(np.logaddexp(0, signs * logits.double().numpy()).mean() for logits in (output.adn, output.caan))


def ended(folder: Path) -> dict[str, Any]:
    """What a run's weights are, and what is said by them."""
    result = read_json(folder / "result.json")
    weights = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    return {
        "weights": {name: value.numpy().tobytes() for name, value in weights.items()},
        "attention": (folder / "attention.npy").read_bytes(),
        **{name: (folder / f"{name}.csv").read_text() for name in ("predictions", "validation")},
        **{f"{name} of the result": result[name] for name in ("f1", "auroc", "ap", "validation")},
    }


@pytest.mark.parametrize("select", ["val_f1", pytest.param("val_loss", marks=pytest.mark.slow)])
def test_a_run_ends_with_the_epoch_that_is_best_on_validation_images(
    select: str, stopped_after: list[Path], configure: Configure, tmp_path: Path
) -> None:
    merits = [validation_f1(run) if select == "val_f1" else -validation_loss(run) for run in stopped_after]
    best = max(range(4), key=lambda place: (merits[place], place))  # of equals the later
    assert best < 3  # or the last epoch's weights would do

    config = configure(tmp_path, *CHOICE, "trainer.max_epochs=4", f"trainer.select={select}")
    for moment in ("detectors/*/last.ckpt", "detectors/*/validation.csv"):
        kill_when(config, lambda: only(tmp_path, moment) is not None)  # noqa: B023
    finish(config)
    folder = next(tmp_path.glob("detectors/*"))
    result, last = (read_json(run / "result.json") for run in (folder, stopped_after[-1]))
    assert (result["selected_epoch"], last["selected_epoch"]) == (best + 1, None)
    assert result["model"] == f"cnn+mobilenet@4-{select}"
    assert ended(folder) == ended(stopped_after[best])
    assert result["last_epochs"] == last["last_epochs"]
    assert (folder / "curves.csv").read_text() == (stopped_after[-1] / "curves.csv").read_text()
    kept = torch.load(folder / "last.ckpt", weights_only=True)
    assert kept["callbacks"]["BestEpoch"]["weights"] == {}  # once is enough


@pytest.mark.parametrize("balance", ["weights", pytest.param("prior", marks=pytest.mark.slow)])
def test_a_balanced_loss_raises_the_chances_of_anomalies(balance: str, configure: Configure, tmp_path: Path) -> None:
    """Of the same network on the same batches, a seventh of them anomalies; in small steps, which no rounding sways."""
    words = ("adn=cnn", "caan=none", "adn.lr=1e-4", "positive_rate=0.34", "trainer.batch_size=8")
    words += ("trainer.checkpoint_seconds=1000",)
    chances = []
    for name in ("none", balance):
        finish(configure(tmp_path / name, *words, "trainer.max_epochs=16", f"trainer.balance={name}"))
        file = next((tmp_path / name).glob("detectors/*/predictions.csv"))
        chances.append(mean(float(row["adn"]) for row in rows_of(file)))
    assert chances[1] > chances[0] + 0.01


@pytest.mark.parametrize("words", [["ema"], ["swa", "trainer.select=val_f1"]])
@pytest.mark.slow  # tests/detector/test_averaging.py goes on from a checkpoint too
def test_averaged_weights_are_asked_and_kept(words: list[str], configure: Configure, tmp_path: Path) -> None:
    config, whole = (
        configure(tmp_path / name, *CHOICE, "trainer.max_epochs=4", f"trainer.averaging={words[0]}", *words[1:])
        for name in ("killed", "whole")
    )
    for moment in ("detectors/*/last.ckpt", "detectors/*/validation.csv"):
        kill_when(config, lambda: only(tmp_path / "killed", moment) is not None)  # noqa: B023
    finish(config)
    finish(whole)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")

    folder = next(tmp_path.glob("whole/detectors/*"))
    settings = kept_settings(yaml.safe_load((folder / "config.yaml").read_text()))
    images = SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path())
    run = Run(settings, images.index.fingerprint, 1)
    rows = split_of(run, images, folds_of(settings, images, tmp_path / "whole"))
    found = {name: value[torch.from_numpy(rows.test)] for name, value in tensors_of(run, images, rows).items()}
    answers = probabilities(load_task(run), found)["adn"].tolist()
    assert answers == pytest.approx([float(row["adn"]) for row in rows_of(folder / "predictions.csv")], rel=1e-6)
    kept = torch.load(folder / "last.ckpt", weights_only=True)
    assert kept["callbacks"]["WeightAverage"]["weights"] == {}  # once is enough


def test_curves_and_attention_are_kept(home: Path) -> None:
    """Whatever the logger is: figures, page and W&B read them."""
    folder = next(home.glob("detectors/*"))
    rows = rows_of(folder / "curves.csv")
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 7)]
    losses = [[float(row[name]) for name in ("loss", "adn_loss", "caan_loss")] for row in rows]
    assert all(loss == pytest.approx(adn + caan, rel=1e-5) for loss, adn, caan in losses)
    assert [row["epoch"] for row in rows_of(next(home.glob("colorizers/*/curves.csv")))] == ["1", "2", "3"]
    attention = np.load(folder / "attention.npy")
    assert attention.shape == (18, 2, 2) and 0 < attention.min() <= attention.max() < 1
    found = read_json(folder / "result.json")["attention_sd"]
    assert found == pytest.approx(attention.astype(float).std((1, 2)).mean(), abs=3e-4)  # maps are kept in halves
    assert found > 0 and all(0 < float(row["attention_sd"]) < 0.5 for row in rows)


def test_a_wrong_network_is_told_before_a_colorizer_trains(configure: Configure, tmp_path: Path) -> None:
    with pytest.raises(InstantiationException, match="timm has no such network"):
        train(configure(tmp_path, "adn=timm", "adn.model=nothing"))
    assert not (tmp_path / "colorizers").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("adn=timm", "adn.model=resnet10t", "adn.points=[conv1,layer1,layer2,global_pool,fc]"), "gives no maps"),
        (("logger=wandb", "logger._target_=leanet.no_logger"), "Error locating target 'leanet.no_logger'"),
        (("trainer.accelerator=mps",), "accelerator=mps: this machine has none"),
    ],
)
def test_what_cannot_end_well_is_told_before_a_colorizer_trains(
    words: tuple[str, ...], told: str, configure: Configure, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=told):
        train(configure(tmp_path, "point=4", *words))
    assert not (tmp_path / "colorizers").exists()


def test_a_checkout_that_is_not_installed_writes_its_result(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("leanet.experiment.result.version", version)
    train(configure(tmp_path, "adn=cnn", "caan=none", "trainer.max_epochs=1"))
    result = read_json(next(tmp_path.glob("detectors/*/result.json")))
    assert result["versions"]["leanet"] == leanet.__version__
    assert (result["device"], result["precision"]) == ("cpu", "float32")


@pytest.mark.parametrize("logger", ["tensorboard", "wandb"])
def test_other_loggers(logger: str, configure: Configure, tmp_path: Path) -> None:
    offline = ["logger.offline=true"] if logger == "wandb" else []
    finish(configure(tmp_path, f"logger={logger}", *offline, "adn=cnn", "caan=none", "trainer.max_epochs=1"))
    pattern = "wandb/offline-run-*/*.wandb" if logger == "wandb" else "**/events.out.tfevents*"
    folder = next(tmp_path.glob("detectors/*"))
    assert list(folder.glob(pattern))


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_run_goes_on(
    home: Path, configure: Configure, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    config = configure(tmp_path, *SMALL)
    starved = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000));"
        "from leanet.train import main; main()"
    )
    arguments = [f"paths.runs={tmp_path}", *tiny, *SMALL]
    found = subprocess.run([sys.executable, "-c", starved, *arguments], capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1 and "last.ckpt: File too large; " in found.stderr
    finish(config)
    assert outcome(tmp_path) == outcome(home)
