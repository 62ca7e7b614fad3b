"""Whether new images look like those that a model was trained on: what predict writes and says, and the Python API."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from leanet.config.command_line import CONF
from leanet.data.synthetic import SyntheticLeaves
from leanet.model.load import load
from leanet.predict import predict
from leanet.report.csv_files import csv_rows
from leanet.storage.files import read_json

Said = Callable[..., str]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 leaves like those that the model was trained on, and the same in blue light."""
    root = tmp_path_factory.mktemp("photos")
    leaves = SyntheticLeaves(image_size=40, negatives=17, positives=8, data_seed=3).load(root)
    for name, light in (("alike", [1, 1, 1]), ("blue", [0.3, 0.5, 1])):
        (root / name).mkdir()
        for number, pixels in enumerate(np.moveaxis(leaves.images, 1, -1)):
            Image.fromarray((pixels * light).round().astype(np.uint8)).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture
def said(made: Any, capsys: pytest.CaptureFixture[str]) -> Said:
    def printed(source: Path, out: Path, run: Path = made.model) -> str:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config: Any = OmegaConf.to_container(compose("predict"), resolve=True)
        config |= {"run": str(run), "source": str(source), "out": str(out), "accelerator": "cpu"}
        predict({**config, "paths": {"runs": str(made.runs)}})
        return capsys.readouterr().out

    return printed


def test_images_in_another_light_are_said_to_be_unlike(said: Said, photos: Path, tmp_path: Path) -> None:
    for name, is_unlike in (("alike", False), ("blue", True)):
        printed = said(photos / name, tmp_path / name)
        far = read_json(tmp_path / name / "prediction.json")["distance"]
        assert far["images"] == 25
        assert f"{far['far']} of 25 images " in printed and "farther from the training images than 95% of" in printed
        assert ("they look unlike the training images: their predictions may be wrong" in printed) == is_unlike
        assert (
            said(photos / name, tmp_path / name).count("farther from the training images") == 1
        )  # also of a finished one
    alike, blue = (csv_rows(tmp_path / name / "predictions.csv") for name in ("alike", "blue"))
    nearer = [float(a["distance"]) < float(b["distance"]) for a, b in zip(alike, blue, strict=True)]
    assert sum(nearer) >= 23
    assert all(0 <= float(row["distance_quantile"]) <= 1 for row in alike + blue)


def test_a_single_image(said: Said, photos: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "blue").save(tmp_path / "blue.png")
    printed = said(tmp_path / "blue.png", tmp_path / "one")
    assert "farther than 100% of the training images; it looks unlike them: its prediction may be wrong" in printed


def test_python_gives_what_the_command_writes(made: Any, said: Said, photos: Path, tmp_path: Path) -> None:
    said(photos / "alike", tmp_path / "out")
    rows = csv_rows(tmp_path / "out" / "predictions.csv")
    found = load(made.model, accelerator="cpu").predict(sorted((photos / "alike").iterdir()))
    np.testing.assert_allclose(found.distances, [float(row["distance"]) for row in rows], rtol=1e-4)
    np.testing.assert_allclose(found.distance_quantiles, [float(row["distance_quantile"]) for row in rows], atol=1e-4)


def test_without_a_reference_there_is_a_line_that_says_why(made: Any, said: Said, photos: Path, tmp_path: Path) -> None:
    older = Path(shutil.copytree(made.model, tmp_path / "older"))
    (older / "reference.npz").unlink()
    for run, why in ((older, "it was fitted by an older version, or to few images"), (made.folds[0], "it is no model")):
        out = tmp_path / f"of {run.name}"
        assert f"no distances from the training images: {why}" in said(photos / "blue", out, run)
        assert "distance" not in csv_rows(out / "predictions.csv")[0]
    assert load(older, accelerator="cpu").predict(photos / "blue" / "03.png").distances is None


def test_the_card_has_the_quantiles(made: Any) -> None:
    card = read_json(made.model / "card.json")
    quantiles = card["distance"]["quantiles"]
    assert list(quantiles) == ["0.5", "0.95", "0.99"] and sorted(quantiles.values()) == list(quantiles.values())
    assert card["distance"]["images"] == 27  # without the validation images
    assert f"half are nearer than {quantiles['0.5']:.2f}" in " ".join((made.model / "card.md").read_text().split())
