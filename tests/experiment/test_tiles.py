"""Large images with small anomalies, cut into tiles: from training to prediction and export."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from omegaconf import OmegaConf
from PIL import Image

import leanet
from leanet.config.command_line import CONF
from leanet.errors import LeanetError
from leanet.export import export
from leanet.fit import fit
from leanet.predict import predict
from leanet.report.results import results
from leanet.train import train

WIDTH, HEIGHT, SPOT = 176, 128, 12
WORDS = (
    *("adn=frozen", "adn.stages=[2,3]", "dataset.image_size=32", "folds=2"),
    *("tiles=3", "tile_overlap=0.25", "caan=none"),
)


def configured(command: str, home: Path, *words: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(command, overrides=[f"paths.runs={home}", *words])
    container: Any = OmegaConf.to_container(config, resolve=True)
    return container


def photograph(
    number: int, anomalous: bool, width: int = WIDTH, height: int = HEIGHT
) -> tuple[NDArray[Any], list[int]]:
    """Green noise (H, W, 3), and the place (top, left) of a red spot of `SPOT` pixels if it is anomalous."""
    random = np.random.default_rng([number, int(anomalous)])
    coarse = Image.fromarray(random.integers(60, 140, (8, 8), dtype=np.uint8)).resize((width, height), 3)
    lightness = np.asarray(coarse) + random.integers(0, 30, (height, width))
    image = np.stack([lightness // 3, lightness, lightness // 4], axis=-1).astype(np.uint8)
    top, left = (int(random.integers(0, side - SPOT)) for side in (height, width))
    if anomalous:
        image[top : top + SPOT, left : left + SPOT] = [200, 40, 30]
    return image, [top, left]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MVTec AD's layout: 16 normal images and 10 with a spot, which masks mark; some are portraits."""
    root = tmp_path_factory.mktemp("photos")
    for folder in ("train/good", "test/good", "test/spot", "ground_truth/spot"):
        (root / folder).mkdir(parents=True)
    for number in range(26):
        anomalous = number >= 16
        image, (top, left) = photograph(number, anomalous)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[top : top + SPOT, left : left + SPOT] = 255
        if number % 5 == 0:
            image, mask = image.transpose(1, 0, 2), mask.T
        folder = "test/spot" if anomalous else "test/good" if number < 4 else "train/good"
        Image.fromarray(image).save(root / folder / f"{number:02}.png")
        if anomalous:
            Image.fromarray(mask).save(root / "ground_truth" / "spot" / f"{number:02}_mask.png")
    return root


@pytest.fixture(scope="module")
def home(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tiles")
    fit(configured("fit", home, "dataset=folder", f"dataset.root={photos}", *WORDS))
    return home


def test_small_anomalies_are_found_in_tiles_and_not_in_whole_images(home: Path, photos: Path) -> None:
    train(configured("train", home, "dataset=folder", f"dataset.root={photos}", *WORDS, "tiles=null"))
    folds = results(home)
    auroc = folds.groupby("model")["auroc"].mean()
    assert auroc["frozen-stages23-tiles3-overlap0.25"] > 0.95 > auroc["frozen-stages23"] + 0.1
    pixels = folds.groupby("model")["evidence_pixel_auroc"].mean()
    assert pixels["frozen-stages23-tiles3-overlap0.25"] > 0.9


def test_a_loaded_run_answers_about_its_test_images_as_it_did(home: Path, photos: Path) -> None:
    for folder in home.glob("detectors/photos*-tiles3*"):
        rows = list(csv.DictReader((folder / "predictions.csv").open()))
        found = leanet.load(folder).predict([photos / row["file"] for row in rows])
        np.testing.assert_allclose(found.probabilities, [float(row["adn"]) for row in rows], atol=1e-5)


def test_the_evidence_of_a_whole_image_is_largest_at_the_spot(home: Path) -> None:
    (model,) = home.glob("models/*")
    image, (top, left) = photograph(99, anomalous=True)
    evidence = leanet.load(model).predict(image, details=True).evidence
    assert evidence is not None and evidence.shape == (1, 1024, 1024)
    down, right = np.unravel_index(evidence[0].argmax(), evidence[0].shape)
    middle = np.array([top, left]) + SPOT / 2
    assert np.abs(np.array([down, right]) * [HEIGHT / 1024, WIDTH / 1024] - middle).max() < 16


def test_a_larger_image_gets_more_tiles_and_a_smaller_one_the_same(home: Path) -> None:
    (folder,) = home.glob("models/*")
    model = leanet.load(folder)
    counts = [len(model.view(Image.new("RGB", size)).tiles) for size in ((176, 128), (60, 44), (400, 128))]
    assert counts[0] == counts[1] < counts[2]


def test_overlays_and_predictions_of_files(home: Path, photos: Path, tmp_path: Path) -> None:
    (model,) = home.glob("models/*")
    words = (f"run={model}", f"source={photos}/test/spot", f"out={tmp_path}/out", "overlays=true")
    predict(configured("predict", home, *words))
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").open(encoding="utf-8-sig")))
    assert len(rows) == 10 and all(row["decision"] == "anomalous" for row in rows)
    assert all(float(row["distance"]) > 0 for row in rows)
    assert len(list((tmp_path / "out" / "overlays").rglob("*.jpg"))) == 10


@pytest.mark.slow
def test_an_exported_program_judges_the_tiles_of_an_image(home: Path, tmp_path: Path) -> None:
    (folder,) = home.glob("models/*")
    export(configured("export", home, f"run={folder}", "format=torch", f"out={tmp_path}/model.pt2"))
    facts = {"leanet.json": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=facts).module()
    assert json.loads(facts["leanet.json"])["tiles"]["tiling"]["tiles"] == 3
    model = leanet.load(folder)
    for size in ((WIDTH, HEIGHT), (400, 128)):
        image = Image.fromarray(photograph(98, True, *size)[0])
        tiles = torch.from_numpy(np.moveaxis(model.view(image).tiles, 1, -1).copy())
        with torch.inference_mode():
            found = float(program(tiles)["probability"][0])
        assert found == pytest.approx(model.predict(image).probabilities[0], abs=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tiles=3", "tile_size=64"), "give one of them"),
        (("tiles=null", "tile_size=160"), r"\d+.png: .* smaller than a tile of 160"),
        (("tile_pooling=top", "tile_top=50"), r"tile_top=50: images have 1\d tiles"),
        (("map=folder", "map.root=maps", "caan=direct", "point=3"), "its maps are of whole images"),
    ],
)
def test_what_does_not_fit_is_one_line(photos: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(LeanetError, match=message):
        train(configured("train", tmp_path, "dataset=folder", f"dataset.root={photos}", *WORDS, *words))


def test_painted_leaves_have_no_pixels_to_cut(tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match="no other size than"):
        train(configured("train", tmp_path, "dataset=synthetic", *WORDS))


@pytest.mark.parametrize("pooling", ["top", pytest.param("learned", marks=pytest.mark.slow)])
def test_lea_net_is_trained_on_tiles(photos: Path, tmp_path: Path, pooling: str) -> None:
    """With maps of a colorizer, attention and gradients; the pictures are of whole images."""
    words = ("adn=cnn", "caan=direct", "map.cross_fit=null", f"tile_pooling={pooling}", "tile_top=2", "fold=1")
    words = (*words, "trainer.max_epochs=2", "colorizer.max_epochs=1", "dataset=folder", f"dataset.root={photos}")
    train(configured("train", tmp_path, *words, *[word for word in WORDS if not word.startswith(("adn", "caan"))]))
    (folder,) = tmp_path.glob("detectors/*")
    result = json.loads((folder / "result.json").read_text())
    assert np.isfinite([result["f1"], result["auroc"], *result["localisation"]["map"].values()]).all()
    maps = np.load(next(tmp_path.glob("colorizers/*/maps-ciede2000.npy")), mmap_mode="r")
    assert maps.shape == (26 * result["tiles"]["short"] * result["tiles"]["long"], 1, 32, 32)
    assert Image.open(folder / "sheet.png").size[0] > 0
    found = leanet.load(folder).predict(photograph(99, True)[0], details=True)
    assert found.maps is not None and found.attention is not None and found.maps.shape == (1, 1024, 1024)
