import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from leanet.colorizer.unet import UNet
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.data.images import NEGATIVE
from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.experiment.fold import run_fold
from leanet.maps import color_maps as color
from leanet.maps.color_maps import ColorMaps, ColorRecipe, color_maps
from leanet.maps.recipe import FoldMaps, fold_maps
from leanet.runs.run import Run

# Eight processes that ask at the same moment: each fit adds a line to the file FITS.
EIGHT = """
import json, os, sys
from pathlib import Path
import numpy as np
import torch
from leanet.maps import color_maps as color
from leanet.maps.color_maps import ColorRecipe
from leanet.maps.recipe import FoldMaps, fold_maps
from leanet.config.effective import settings_of

torch.set_num_threads(1)
home, settings = Path(), settings_of(json.loads(sys.argv[1]))
images = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
fit, (start, gun) = color.fit, os.pipe()

def counted(*arguments, **options):
    with (home / "fits").open("a") as file:
        file.write("a fit\\n")
    return fit(*arguments, **options)

color.fit = counted
children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        os.close(gun)
        os.read(start, 1)  # ends when the parent closes its end
        recipe = ColorRecipe(images, settings.colorizer, settings.trainer, "ciede2000")
        fold = FoldMaps(home / "colorizer" / "maps-ciede2000.npy", [home / "colorizer"], np.arange(8))
        found = fold_maps(recipe, fold, "test", lambda text: None)
        np.save(home / f"{number}.npy", found.numpy())
        os._exit(0)
    children.append(child)
os.close(gun)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.fixture
def settings(configure: Any, tmp_path: Path) -> Settings:
    return settings_of(configure(tmp_path, "colorizer=autoencoder"))


@pytest.fixture(scope="module")
def leaves() -> tuple[np.ndarray, np.ndarray]:
    """Images (36, 3, 32, 32) and labels."""
    images = SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path())
    return images.images, images.labels


def make(folder: Path, images: np.ndarray, normals: np.ndarray, settings: Settings) -> torch.Tensor:
    recipe = ColorRecipe(images, settings.colorizer, settings.trainer, settings.map.name)
    return fold_maps(recipe, FoldMaps(folder / "maps-ciede2000.npy", [folder], normals), "test")


def test_no_other_image_reaches_the_colorizer(
    tmp_path: Path, leaves: tuple[np.ndarray, np.ndarray], settings: Settings
) -> None:
    images, labels = leaves
    normals = np.flatnonzero(labels == NEGATIVE)[:16]
    others = np.setdiff1d(np.arange(len(images)), normals)
    poisoned = images.copy()
    poisoned[others] = np.random.default_rng(0).integers(0, 256, poisoned[others].shape, dtype=np.uint8)

    clean = make(tmp_path / "clean", images, normals, settings)
    dirty = make(tmp_path / "dirty", poisoned, normals, settings)
    assert torch.equal(clean[normals], dirty[normals])
    assert not torch.equal(clean[others], dirty[others])
    weights = [torch.load(tmp_path / name / "colorizer.pt", weights_only=True) for name in ("clean", "dirty")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_run_gives_the_colorizer_the_training_normals_of_its_fold(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SeenError(Exception):
        pass

    def stop(normals: torch.Tensor, *rest: object) -> None:
        raise SeenError(normals)

    monkeypatch.setattr(color, "train_colorizer", stop)
    dataset = SyntheticLeaves(image_size=32, negatives=24, positives=12)
    images = dataset.load(Path())
    fold_of = np.arange(len(images.index)) % 2 + 1
    with pytest.raises(SeenError) as seen:
        run_fold(Run(settings, images.index.fingerprint, 1), images, fold_of)
    expected = images.images[(fold_of != 1) & (images.labels == NEGATIVE)]
    assert np.array_equal(seen.value.args[0][:].numpy(), expected)


def test_one_normal_image_is_too_few_for_a_colorizer(
    tmp_path: Path, leaves: tuple[np.ndarray, np.ndarray], settings: Settings
) -> None:
    images, normals = leaves
    with pytest.raises(LeanetError, match=r": a colorizer needs 2 normal images to train on, and has 1; add normal"):
        make(tmp_path, images, normals[:1], settings)


def test_maps_are_made_once(tmp_path: Path, leaves: tuple[np.ndarray, np.ndarray], settings: Settings) -> None:
    images, labels = leaves
    normals = np.flatnonzero(labels == NEGATIVE)[:8]
    first = make(tmp_path, images, normals, settings)
    stamp = (tmp_path / "maps-ciede2000.npy").stat().st_mtime_ns
    assert torch.equal(make(tmp_path, images, normals, settings), first)
    assert (tmp_path / "maps-ciede2000.npy").stat().st_mtime_ns == stamp
    assert not list(tmp_path.glob("*.part")) and not (tmp_path / "last.ckpt").exists()


def test_of_eight_processes_one_trains(configure: Any, python: Any, tmp_path: Path) -> None:
    given = json.dumps(configure(tmp_path, "colorizer=autoencoder"))
    found = python("-c", EIGHT, given, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "fits").read_text() == "a fit\n"
    maps = [np.load(tmp_path / f"{number}.npy") for number in range(8)]
    assert all(np.array_equal(one, maps[0]) for one in maps)
    assert {file.name for file in (tmp_path / "colorizer").iterdir()} == {
        "colorizer.json",
        "colorizer.pt",
        "curves.csv",
        "maps-ciede2000.npy",
        "maps-ciede2000.seconds.json",
    }


def test_maps_are_the_difference_of_original_and_recolored(leaves: tuple[np.ndarray, np.ndarray]) -> None:
    images = leaves[0][:3]
    torch.manual_seed(0)
    unet = UNet(32)
    (found,) = color_maps(ColorMaps(unet.eval()), torch.from_numpy(images))
    assert found.shape == (3, 1, 32, 32) and found.dtype == torch.float16

    lab = rgb2lab(np.moveaxis(images, 1, -1))
    lightness = torch.from_numpy(lab[..., 0] / 100).float()[:, None]
    with torch.no_grad():
        ab = unet.eval()(lightness).movedim(1, -1).numpy() * 255 - 128
    expected = deltaE_ciede2000(lab, np.concatenate([lab[..., :1], ab], axis=-1))
    np.testing.assert_allclose(found[:, 0].float().numpy(), expected, rtol=5e-3, atol=0.05)
