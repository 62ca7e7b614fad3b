"""What one network makes of an image file must be what the run itself made of it, through its maps on disk."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leanet.data.images import ImageSet
from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.model.pipeline import ensemble_of, pipeline_of
from leanet.storage.files import read_json, write_json
from leanet.train import train

Configure = Callable[..., dict[str, Any]]

SHORT = ("adn=cnn", "trainer.max_epochs=1", "colorizer.max_epochs=1")
SMALL = ("caan=direct", "colorizer=autoencoder")


@pytest.fixture(scope="module")
def home(no_sheets: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that runs share colorizers."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path("unused"))


def run(configure: Configure, home: Path, *words: str) -> Path:
    """Train, and return the run's folder."""
    before = set(home.glob("detectors/*"))
    train(configure(home, *SHORT, *words))
    (folder,) = set(home.glob("detectors/*")) - before
    return folder


def predictions(folder: Path) -> dict[str, float]:
    with (folder / "predictions.csv").open(newline="") as file:
        return {row["file"]: float(row["adn"]) for row in csv.DictReader(file)}


def kept(folder: Path, images: ImageSet) -> tuple[torch.Tensor, np.ndarray]:
    """The run's test images, and the probabilities that it wrote down."""
    found = predictions(folder)
    rows = [row for row, name in enumerate(images.index.names) if name in found]
    assert len(rows) == len(found) == 18
    return torch.from_numpy(images.images[rows]), np.array([found[images.index.names[row]] for row in rows])


@pytest.mark.parametrize(
    "words",
    [
        ["caan=none", "adn=resnet18"],
        ["caan=none", "input=map", "map.scaling=image_max"],
        ["caan=none", "input=rgb_map", "map=ab", "map.scaling=fixed"],
        ["caan=none", "input=attentioned", "map=legacy"],
        ["caan=mobilenet", "colorizer=autoencoder"],
        ["caan=mobilenet", "map.cross_fit=2", "colorizer=autoencoder"],
        ["caan=direct", "point=2", "map=padim", "map.pretrained=false"],
        ["caan=none", "input=rgb_map", "map=patchcore", "map.pretrained=false", "map.cross_fit=2"],
        ["caan=direct", "point=2", "map.scaling=fixed"],
        ["caan=mobilenet", "point=1", "map=ab", "map.scaling=image_max", "input=rgb_map"],
    ],
    ids=" ".join,
)
def test_probabilities_are_the_run_s_own(words: list[str], configure: Configure, home: Path, images: ImageSet) -> None:
    folder = run(configure, home, *words)
    pixels, expected = kept(folder, images)
    with torch.inference_mode():
        seen = pipeline_of(folder)(pixels)
    np.testing.assert_allclose(seen.probability.numpy(), expected, atol=1e-5)
    assert np.ptp(expected) > 1e-3  # else any constant would do

    assert (seen.map is None) == (words == ["caan=none", "adn=resnet18"])
    assert (seen.attention is None) == ("caan=none" in words)
    if seen.map is not None:
        assert seen.map.shape == (18, 1, 32, 32) and seen.map.min() >= 0
        assert (read_json(folder / "result.json")["map_divisor"] is None) == ("map.scaling=image_max" in words)
    if seen.attention is not None:
        attention = np.load(folder / "attention.npy")
        assert np.sort(attention.ravel()) == pytest.approx(np.sort(seen.attention.half().numpy().ravel()), abs=2e-3)


def test_an_ensemble_is_the_mean_of_its_folds(configure: Configure, home: Path, images: ImageSet) -> None:
    folders = [run(configure, home, *SMALL, f"fold={fold}") for fold in (1, 2)]
    pixels = torch.from_numpy(images.images[:5])
    with torch.inference_mode():
        whole = ensemble_of(folders)(pixels)
        first, second = (pipeline_of(folder)(pixels) for folder in folders)
    for name in whole._fields:
        mean = (getattr(first, name) + getattr(second, name)) / 2
        torch.testing.assert_close(getattr(whole, name), mean)
        assert not torch.equal(getattr(first, name), getattr(second, name))
    assert all(part is None for part in ensemble_of([run(configure, home, "caan=none")])(pixels)[1:])


def test_a_run_of_an_older_version_says_what_to_do_and_that_does_it(
    configure: Configure, home: Path, images: ImageSet
) -> None:
    words = (*SMALL, "seed=2", *SHORT)
    folder = run(configure, home, *words)
    result = read_json(folder / "result.json")
    weights = (folder / "last.ckpt").read_bytes()
    write_json(folder / "result.json", {key: value for key, value in result.items() if key != "map_divisor"})
    with pytest.raises(LeanetError, match=r"remove result\.json there and give the training command again"):
        pipeline_of(folder)
    (folder / "result.json").unlink()
    train(configure(home, *words))
    assert read_json(folder / "result.json") == result  # the seconds that training took among it: it did not train
    assert (folder / "last.ckpt").read_bytes() == weights
    pixels, expected = kept(folder, images)
    with torch.inference_mode():
        np.testing.assert_allclose(pipeline_of(folder)(pixels).probability.numpy(), expected, atol=1e-5)


def test_maps_made_elsewhere_are_told_in_one_line(configure: Configure, home: Path) -> None:
    maps = home / "maps"
    maps.mkdir()
    for name in SyntheticLeaves(image_size=32, negatives=24, positives=12).index().names:
        np.save(maps / f"{Path(name).stem}.npy", np.ones((32, 32)))
    folder = run(configure, home, *SMALL, "map=folder", f"map.root={maps}")
    with pytest.raises(LeanetError, match=r"its maps come from map\.root=.*; train with maps that are made here"):
        pipeline_of(folder)


def test_what_is_not_there_is_told_in_one_line(configure: Configure, home: Path) -> None:
    with pytest.raises(LeanetError, match="no run is done there"):
        pipeline_of(home / "detectors" / "nothing")
    folder = run(configure, home, *SMALL, "colorizer.seed=3")
    (colorizer,) = home.glob(f"colorizers/{read_json(folder / 'result.json')['colorizer']}/colorizer.pt")
    colorizer.unlink()
    with pytest.raises(LeanetError, match="its colorizer is gone"):
        pipeline_of(folder)
    folder = run(configure, home, *SMALL, "map=padim", "map.pretrained=false", "map.seed=3")
    (features,) = home.glob(f"colorizers/{read_json(folder / 'result.json')['colorizer'][0]}/features.pt")
    features.unlink()
    with pytest.raises(LeanetError, match=r"its features\.pt is gone"):
        pipeline_of(folder)
