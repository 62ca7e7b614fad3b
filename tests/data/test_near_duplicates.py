import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from leanet.data.near_duplicates import near_duplicates
from leanet.data.synthetic import SyntheticLeaves


def as_pillow(image: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(image.transpose(1, 2, 0))


def as_array(image: Image.Image, size: int) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB").resize((size, size))).transpose(2, 0, 1)


def test_altered_copies_are_found_and_other_leaves_are_not(tmp_path: Path) -> None:
    leaves = (
        SyntheticLeaves(name="leaves", image_size=64, negatives=12, positives=4, difficulty=0.5, data_seed=0)
        .load(tmp_path)
        .images
    )
    compressed = io.BytesIO()
    as_pillow(leaves[0]).save(compressed, "JPEG", quality=60)
    copies = [
        Image.open(compressed),
        ImageEnhance.Brightness(as_pillow(leaves[1])).enhance(0.85),
        as_pillow(leaves[2]).resize((40, 40)),
    ]
    images = np.concatenate([leaves, np.stack([as_array(copy, 64) for copy in copies])])
    assert near_duplicates(images) == [(0, 16), (1, 17), (2, 18)]


def test_images_of_one_colour_are_no_pairs() -> None:
    levels = np.array([0, 7, 50, 200], np.uint8)
    assert near_duplicates(np.broadcast_to(levels[:, None, None, None], (4, 3, 64, 64))) == []
