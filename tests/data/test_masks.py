from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leanet.data.folder import ImageFolder
from leanet.data.images import ImageSet
from leanet.data.masks import masks_of
from leanet.errors import LeanetError


def picture(file: Path, seed: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file)


def mask(file: Path, left: int) -> None:
    """Anomalous from `left` of 40 pixels on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((40, 40), dtype=np.uint8)
    values[:, left:] = 255
    Image.fromarray(values).save(file)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """MVTec AD's layout: a defect with its kind of name, one with the image's, one without a mask, and two normals."""
    for number, name in enumerate(["train/good/0", "test/good/1", "test/hole/2", "test/cut/3", "test/cut/4"]):
        picture(tmp_path / f"{name}.png", number)
    mask(tmp_path / "ground_truth" / "hole" / "2_mask.png", left=20)
    mask(tmp_path / "ground_truth" / "cut" / "3.png", left=30)
    return tmp_path


def loaded(root: Path) -> ImageSet:
    return ImageFolder("parts", str(root), 32).load(root / "cache")


def test_masks_of_images_that_have_them_and_none_of_normal_ones(root: Path) -> None:
    images = loaded(root)
    found = masks_of(str(root), images, np.arange(5))
    assert found is not None
    shares = {images.index.names[row]: mask.mean() for row, mask in zip(found.rows, found.masks, strict=True)}
    assert shares == {"train/good/0.png": 0, "test/good/1.png": 0, "test/hole/2.png": 0.5, "test/cut/3.png": 0.25}


def test_some_rows_only(root: Path) -> None:
    images = loaded(root)
    wanted = np.array([images.index.names.index(name) for name in ("test/cut/3.png", "test/good/1.png")])
    found = masks_of(str(root), images, wanted)
    assert found is not None and found.rows.tolist() == wanted.tolist()
    without = np.array([images.index.names.index("test/cut/4.png"), wanted[1]])
    assert masks_of(str(root), images, without) is None
    assert masks_of(None, images, wanted) is None


def test_folders_of_classes_may_have_masks_too(tmp_path: Path) -> None:
    picture(tmp_path / "Negative" / "0.png", 0)
    picture(tmp_path / "Positive" / "sub" / "1.png", 1)
    mask(tmp_path / "ground_truth" / "sub" / "1.png", left=10)
    found = masks_of(str(tmp_path), loaded(tmp_path), np.arange(2))
    assert found is not None and sorted(mask.mean() for mask in found.masks) == [0, 0.75]


def test_a_damaged_mask_is_named(root: Path) -> None:
    (root / "ground_truth" / "cut" / "3.png").write_bytes(b"no picture")
    with pytest.raises(LeanetError, match=r"cut/3\.png: a mask that cannot be read"):
        masks_of(str(root), loaded(root), np.arange(5))
