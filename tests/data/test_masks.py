import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from leanet.data.folder import ImageFolder
from leanet.data.images import ImageSet
from leanet.data.masks import Masks, masks_of
from leanet.errors import LeanetError
from leanet.experiment.localisation import localised


def picture(file: Path, seed: int, width: int = 40) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, width, 3), dtype=np.uint8)).save(file)


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


def found_in(root: Path) -> Masks:
    masks = masks_of(str(root), loaded(root))
    assert masks is not None
    return masks


def shares(masks: Masks) -> dict[str, float]:
    """How much of each image is anomalous, where it is known."""
    rows = masks.known(np.arange(len(masks.images.labels)))
    names = (masks.images.index.names[row] for row in rows)
    return {name: mask.mean() for name, mask in zip(names, masks.of(rows), strict=True)}


def test_masks_of_images_that_have_them_and_none_of_normal_ones(root: Path) -> None:
    masks = found_in(root)
    assert shares(masks) == {
        "train/good/0.png": 0, "test/good/1.png": 0, "test/hole/2.png": 0.5, "test/cut/3.png": 0.25,
    }  # fmt: skip
    assert masks.incomplete == "2 of 3 anomalous images have a mask"
    rows = {name: row for row, name in enumerate(masks.images.index.names)}
    assert masks.at(rows["test/cut/4.png"]) is None
    normal = masks.at(rows["test/good/1.png"])
    assert normal is not None and not normal.any()


def test_rows_without_any_mask_are_not_scored(root: Path) -> None:
    masks = found_in(root)
    rows = {name: row for row, name in enumerate(masks.images.index.names)}
    assert not len(masks.known(np.array([rows["test/cut/4.png"], rows["test/good/1.png"]])))
    assert masks_of(None, loaded(root)) is None
    shutil.rmtree(root / "ground_truth")
    assert masks_of(str(root), loaded(root)) is None


def test_folders_of_classes_may_have_masks_too_in_any_format(tmp_path: Path) -> None:
    picture(tmp_path / "Negative" / "0.png", 0)
    picture(tmp_path / "Positive" / "sub" / "1.png", 1)
    mask(tmp_path / "ground_truth" / "sub" / "1.BMP", left=10)
    masks = found_in(tmp_path)
    assert sorted(shares(masks).values()) == [0, 0.75] and masks.incomplete is None


def marked(mode: str) -> Image.Image:
    """A mask of the right half, as programs write it in different modes."""
    half = np.zeros((40, 40), dtype=np.uint8)
    half[:, 20:] = 1
    if mode == "P":
        indices = Image.fromarray(half, "P")
        indices.putpalette([0, 0, 0] * 256)
        return indices
    if mode == "RGBA":
        return Image.fromarray(np.dstack([np.full((40, 40, 3), 255, np.uint8), half * 255]))
    return (
        Image.fromarray(half.astype(np.uint16) * 1000) if mode == "I;16" else Image.fromarray(half * 255).convert(mode)
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_masks_of_all_modes(mode: str, root: Path) -> None:
    marked(mode).save(root / "ground_truth" / "cut" / "3.png")
    assert shares(found_in(root))["test/cut/3.png"] == 0.5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no picture", "a mask that cannot be read"),
        (np.zeros((40, 40), dtype=np.uint8), "without an anomalous pixel"),
        (np.full((10, 200), 255, dtype=np.uint8), "200×10 pixels, another shape than its image of 40×40"),
    ],
)
def test_a_mask_that_cannot_be_right_is_named(content: Any, reason: str, root: Path) -> None:
    file = root / "ground_truth" / "cut" / "3.png"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        Image.fromarray(content).save(file)
    with pytest.raises(LeanetError, match=rf"cut/3\.png: .*{reason}"):
        masks_of(str(root), loaded(root))


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_mask_stays_on_its_defect(fit: str, scale: int, tmp_path: Path) -> None:
    """A red defect in wide and in high images; the masks may be larger than the images."""
    for name, defect in {"Negative/0": None, "Positive/1": (55, 25, 75, 40), "Positive/2": (10, 60, 30, 70)}.items():
        wide = name != "Positive/2"
        values = np.zeros((50, 90) if wide else (90, 50), dtype=np.uint8)
        if defect:
            left, top, right, bottom = defect
            values[top:bottom, left:right] = 255
            file = tmp_path / "ground_truth" / f"{Path(name).name}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(values.repeat(scale, 0).repeat(scale, 1)).save(file)
        file = tmp_path / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.dstack([values, 0 * values, 0 * values])).save(file)
    images = ImageFolder("parts", str(tmp_path), 64, fit=fit).load(tmp_path / "cache")
    masks = masks_of(str(tmp_path), images)
    assert masks is not None and masks.incomplete is None
    found, red = masks.of(range(3)), images.images[:, 0] - images.images[:, 1].astype(int) > 100
    assert found.any((1, 2)).tolist() == images.labels.astype(bool).tolist()
    assert (found & red).sum() > 0.85 * (found | red).sum()
    scores = localised({"map": torch.from_numpy(images.images[:, 0].astype(np.float32))}, found)["map"]
    assert scores["pixel_auroc"] > 0.99 and scores["aupro"] > 0.95


def test_masks_outside_the_centre_are_told(tmp_path: Path) -> None:
    for number, name in enumerate(("Negative/0", "Positive/1")):
        picture(tmp_path / f"{name}.png", number, width=80)
    file = tmp_path / "ground_truth" / "1.png"
    file.parent.mkdir()
    Image.fromarray(np.arange(80, dtype=np.uint8)[None].repeat(40, 0) // 70 * np.uint8(255)).save(file)
    for fit, told in (("pad", None), ("crop", "dataset.fit=crop leaves nothing of 1 of 1 masks")):
        masks = masks_of(str(tmp_path), ImageFolder("parts", str(tmp_path), 32, fit=fit).load(tmp_path / "cache"))
        assert masks is not None and masks.incomplete == told
