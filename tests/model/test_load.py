"""The Python way: a model answers as its run did, and a cell as the mean of its folds."""

import csv
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import leanet
from leanet.data.decode import UnreadableError
from leanet.errors import LeanetError


def kept(folder: Path, name: str = "predictions.csv") -> dict[str, float]:
    with (folder / name).open(newline="") as file:
        return {row["file"]: float(row["adn"]) for row in csv.DictReader(file)}


def test_a_run_answers_about_its_own_test_images_as_it_did(made: Any) -> None:
    for folder in made.folds:
        told = kept(folder)
        found = leanet.load(folder.name, made.runs).predict([made.photos / name for name in told])
        assert np.abs(found.probabilities - list(told.values())).max() < 1e-5
        assert len(told) == 18 and found.per_fold.shape == (18, 1)


def test_a_model_answers_about_its_validation_images_as_it_did(made: Any) -> None:
    told = kept(made.model, "validation.csv")
    found = leanet.load(made.model).predict([str(made.photos / name) for name in told])
    assert np.abs(found.probabilities - list(told.values())).max() < 1e-5


def test_a_cell_answers_with_the_mean_of_its_folds(made: Any) -> None:
    files = sorted(made.photos.glob("*/*.png"))[:5]
    singles = [leanet.load(folder, made.runs) for folder in made.folds]
    cell = leanet.load(singles[0].found.members[0].result["cell"], made.runs, threshold=0.25)
    found = cell.predict(files, details=True)
    apart = [single.predict(files, details=True) for single in singles]
    assert cell.folds == [1, 2]
    assert found.per_fold == pytest.approx(np.stack([one.probabilities for one in apart], axis=1))
    assert found.probabilities == pytest.approx(np.mean([one.probabilities for one in apart], axis=0))
    assert (found.decisions == (found.probabilities > 0.25)).all()
    assert found.maps is not None and found.attention is not None and apart[0].maps is not None
    assert found.maps.shape == (5, 32, 32) and found.attention.shape == (5, 2, 2)
    assert found.maps == pytest.approx((apart[0].maps + apart[1].maps) / 2, abs=1e-4)  # type: ignore[operator]


def test_arrays_are_as_good_as_files(made: Any) -> None:
    files = sorted(made.photos.glob("*/*.png"))[:3]
    model = leanet.load(made.model)
    arrays = [np.asarray(Image.open(file)) for file in files]
    assert (model.predict(arrays).probabilities == model.predict(files).probabilities).all()


def test_one_image_need_not_be_in_a_list(made: Any) -> None:
    file = min(made.photos.glob("*/*.png"))
    model = leanet.load(made.model)
    (expected,) = model.predict([file]).probabilities
    pixels = np.asarray(Image.open(file))
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    for image in (file, str(file), pixels, tensor, tensor / 255, pixels[None], tensor[None]):
        assert model.predict(image).probabilities.tolist() == [expected]


def test_threads_get_the_answers_that_one_gets(made: Any) -> None:
    model = leanet.load(made.model)
    files = [[file] for file in sorted(made.photos.rglob("*.png"))[:8]] * 4
    alone = [model.predict(file, details=True) for file in files]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(lambda file: model.predict(file, details=True), files), alone, strict=True):
            np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
            np.testing.assert_allclose(found.attention, expected.attention, atol=1e-6)


def test_calibration_and_a_chosen_threshold(made: Any) -> None:
    files = sorted(made.photos.glob("*/*.png"))
    plain, calibrated = leanet.load(made.model), leanet.load(made.model, threshold="recall", recall=1, calibrated=True)
    told = calibrated.decision
    assert told.threshold.images == 9 and told.calibration is not None
    logits = [
        np.log(p / (1 - p)) for p in (plain.predict(files).probabilities, calibrated.predict(files).probabilities)
    ]
    assert logits[1] == pytest.approx(logits[0] / told.temperature, abs=1e-4)
    validated = [made.photos / name for name in kept(made.model, "validation.csv") if name.startswith("Positive")]
    assert calibrated.predict(validated).decisions.all()


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        (lambda photos: [photos / "nothing.png"], UnreadableError, "No such file"),
        (lambda photos: [np.zeros((8, 8), np.uint8)], ValueError, "images are"),
        (lambda photos: [np.zeros((8, 8, 3))], ValueError, "images are"),
        (lambda photos: [], ValueError, "no images"),
        (lambda photos: "x.png", LeanetError, "x.png cannot be read: No such file"),
        (lambda photos: np.zeros((8, 8), np.uint8), ValueError, "images are"),
        (lambda photos: torch.zeros(8, 8, 3), ValueError, r"is \(3, H, W\), not \(8, 8, 3\)"),
        (lambda photos: torch.full((3, 8, 8), 255.0), ValueError, r"in 0…1"),
    ],
)
def test_what_is_no_image(made: Any, given: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        leanet.load(made.model).predict(given(made.photos))


def test_what_cannot_be_loaded(made: Any) -> None:
    with pytest.raises(LeanetError, match="no such folder"):
        leanet.load("nothing", made.runs)
    with pytest.raises(LeanetError, match="accelerator=mps"):
        leanet.load(made.model, accelerator="mps")


def test_importing_leanet_imports_no_torch() -> None:
    code = "import sys, leanet; print('torch' in sys.modules, leanet.ciede2000.__module__, 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "leanet.color", "True"]
    assert {"load", "ciede2000", "ExternalAttention"} <= set(dir(leanet))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        leanet.nothing  # noqa: B018
