"""The command on a small finished cell: what it writes, what it passes over, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.ablate import KINDS, ablate
from leanet.detector import ablation
from leanet.errors import LeanetError
from leanet.model.ablation import tolerance_between
from leanet.report.figure_texts import FigureTexts
from leanet.report.results import results
from leanet.storage.files import read_json, write_json
from leanet.train import train

Configure = Callable[..., dict[str, Any]]
SHORT = ("adn=cnn", "colorizer=autoencoder", "trainer.max_epochs=2", "colorizer.max_epochs=1", "fold=null")


@pytest.fixture(scope="module")
def home(no_sheets: None, configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two folds with attention and one without are done."""
    home = tmp_path_factory.mktemp("ablated")
    train(configure(home, *SHORT, "attention=standardized", "attention.gain=3", "attention.points=[1,2]"))
    train(configure(home, *SHORT, "caan=none", "fold=1"))
    return home


def given(home: Path, **words: Any) -> dict[str, Any]:
    return {
        "runs": None,
        "ablation": [*KINDS],
        "accelerator": "cpu",
        "tolerance": None,
        "trust": False,
        "paths": {"data": "data", "runs": str(home)},
    } | words


def attended(home: Path) -> list[Path]:
    return sorted(home.glob("detectors/*mobilenet*"))


def test_kinds_are_those_of_the_networks_room() -> None:
    assert KINDS == ablation.KINDS  # which imports torch


def test_all_that_are_done_each_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = attended(home)[0]
    ablate(given(home, runs=[first.name, str(first)], ablation=["constant"]))
    assert set(read_json(first / "ablation.json")) == {"constant"}
    assert len(capsys.readouterr().out.splitlines()) == 1
    ablate(given(home))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and [line for line in lines if line.endswith("has no attention")]
    ablate(given(home, runs=read_json(first / "result.json")["cell"]))
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().out.splitlines()] == ["done before"] * 2
    for folder in attended(home):
        result, found = read_json(folder / "result.json"), read_json(folder / "ablation.json")
        for kind in KINDS:
            for name in ("f1", "auroc", "ap"):
                assert found[kind]["drops"][name] == pytest.approx(result[name] - found[kind][name])
    folds = results(home)
    texts = FigureTexts(folds)
    plain, attending = sorted(texts.cells.itertuples(), key=lambda cell: cell.caan != "none")
    drops = [read_json(folder / "ablation.json")["shuffled"]["drops"]["auroc"] for folder in attended(home)]
    assert list(folds["shuffled_auroc"].dropna()) == drops
    assert "±" in texts.of(attending, "constant")
    assert texts.of(plain, "constant") == "–"


def test_other_weights_than_those_that_predicted_are_refused(home: Path) -> None:
    folder = attended(home)[0]
    (folder / "ablation.json").unlink(missing_ok=True)
    file = folder / "predictions.csv"
    lines = file.read_text().splitlines()
    changed = [*lines[:-1], ",".join([*lines[-1].split(",")[:3], "0.123", "0.5"])]
    file.write_text("\n".join(changed) + "\n")
    try:
        with pytest.raises(LeanetError, match=r"gives other probabilities than its predictions\.csv"):
            ablate(given(home, runs=folder.name))
        assert not (folder / "ablation.json").exists()
        (attended(home)[1] / "ablation.json").unlink(missing_ok=True)
        with pytest.raises(LeanetError, match=r"^1 of 2 runs could not be done; .*predictions\.csv"):
            ablate(given(home))
        assert (attended(home)[1] / "ablation.json").exists()  # the others are done all the same
    finally:
        file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("device", ["cuda (NVIDIA H200)", None])
def test_a_run_of_a_gpu_or_of_an_unknown_device_may_differ_by_more(home: Path, device: str | None) -> None:
    folder = attended(home)[0]
    predictions, result = folder / "predictions.csv", folder / "result.json"
    kept = predictions.read_text(), result.read_text()
    assert read_json(result)["device"] == "cpu" and read_json(result)["precision"] == "float32"
    header, *rows = (line.split(",") for line in kept[0].splitlines())
    moved = [[*row[:3], f"{abs(float(row[3]) - 0.001):.9g}", *row[4:]] for row in rows]  # as TF32 moves them
    predictions.write_text("\n".join(",".join(row) for row in [header, *moved]) + "\n")
    try:
        (folder / "ablation.json").unlink(missing_ok=True)
        told = r"by up to 0\.001 \(allowed is 1e-05; made on cpu in float32, now on cpu\); .* a larger tolerance="
        with pytest.raises(LeanetError, match=told):
            ablate(given(home, runs=folder.name))
        ablate(given(home, runs=folder.name, tolerance=0.01))
        (folder / "ablation.json").unlink()
        write_json(result, {**read_json(result), "device": device, "precision": device and "tf32"})
        ablate(given(home, runs=folder.name))
        with pytest.raises(LeanetError, match=r"allowed is 1e-05; made on (cuda \(NVIDIA H200\)|an unknown device)"):
            (folder / "ablation.json").unlink()
            ablate(given(home, runs=folder.name, tolerance=1e-5))
    finally:
        predictions.write_text(kept[0])
        result.write_text(kept[1])


def test_maps_that_are_gone_are_told(home: Path, tmp_path: Path) -> None:
    folder = attended(home)[0]
    (folder / "ablation.json").unlink(missing_ok=True)
    maps = next(file for file in home.glob("colorizers/*fold1*/maps-*.npy"))
    weights = maps.with_name("colorizer.pt")  # which could make them again
    maps.rename(tmp_path / "maps.npy")
    weights.rename(tmp_path / "colorizer.pt")
    try:
        with pytest.raises(LeanetError, match=r"maps-ciede2000\.npy is gone"):
            ablate(given(home, runs=folder.name))
    finally:
        (tmp_path / "maps.npy").rename(maps)
        (tmp_path / "colorizer.pt").rename(weights)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"ablation": ["other"]}, r"^ablation=\['other'\]: must be a list of some of constant, shuffled$"),
        ({"runs": "nothing-like-it"}, "no such folder, run, model or cell"),
        ({"paths": {"data": "data", "runs": "/nowhere"}}, "no run is done there"),
    ],
)
def test_what_does_not_fit_is_told(home: Path, words: dict[str, Any], told: str) -> None:
    with pytest.raises(LeanetError, match=told):
        ablate(given(home, **words))


@pytest.mark.parametrize(
    ("made_on", "made_in", "now", "allowed"),
    [
        ("cpu", "float32", "cpu", 1e-5),
        ("cuda (NVIDIA H200)", "tf32", "cpu", 5e-3),
        ("cuda (Tesla T4)", "float32", "cpu", 5e-4),
        ("cuda (Tesla T4)", "bfloat16 mixed", "cpu", 5e-3),
        ("cpu", "float32", "mps", 5e-4),
        (None, None, "cpu", 5e-3),
    ],
)
def test_the_tolerance_is_of_devices_and_precision(
    made_on: str | None, made_in: str | None, now: str, allowed: float
) -> None:
    assert tolerance_between(made_on, made_in, torch.device(now)) == allowed
