"""What is laid over a photograph, by the colours of the written picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leanet.model.load import Look
from leanet.model.overlay import draw_overlays

SIDE = 400  # of a photograph, in pixels of the picture


def drawn(folder: Path, look: Look) -> np.ndarray:
    """The overlay (H, W, 3) of a grey photograph."""
    Image.new("RGB", (64, 64), (128, 128, 128)).save(folder / "grey.png")
    draw_overlays(folder, ["grey.png"], look, 0.5, folder)
    return np.asarray(Image.open(folder / "overlays" / "grey.png.jpg"), dtype=int)


def test_evidence_is_orange_for_anomalous_and_violet_for_normal(tmp_path: Path) -> None:
    evidence = np.array([[[0.4, -0.4], [0.0, 0.01]]], dtype=np.float32)
    picture = drawn(tmp_path, Look(np.array([[0.6]]), evidence=evidence))
    left, top = 20 + SIDE + 20, 62
    shown = picture[top : top + SIDE, left : left + SIDE].reshape(2, SIDE // 2, 2, SIDE // 2, 3).mean((1, 3))
    (orange, violet), (none, little) = shown
    assert orange[0] > orange[1] + 20 > orange[2] + 40 and violet[2] > violet[1] + 40
    assert none == pytest.approx([128] * 3, abs=3) and little == pytest.approx([128] * 3, abs=12)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_layer_for_each_map_that_the_model_has(tmp_path: Path, layers: int) -> None:
    maps = [np.zeros((1, 4, 4), dtype=np.float32) if place < layers else None for place in range(3)]
    picture = drawn(tmp_path, Look(np.array([[0.6]]), *maps))
    assert picture.shape[1] == 20 + (1 + layers) * (SIDE + 20)


def wide(folder: Path, evidence: list[list[float]], fit: str) -> np.ndarray:
    """The evidence over a grey photograph of twice its height: (4, 8, 3), means over squares of 50 pixels."""
    Image.new("RGB", (64, 32), (120, 120, 120)).save(folder / "grey.png")
    look = Look(np.array([[0.6]]), evidence=np.array([evidence], dtype=np.float32))
    draw_overlays(folder, ["grey.png"], look, 0.5, folder, fit)
    picture = np.asarray(Image.open(folder / "overlays" / "grey.png.jpg"), dtype=int)
    left, top = 20 + SIDE + 20, 62
    assert (picture[top - 6 : top - 2, left : left + SIDE] > 225).all()  # nothing but JPEG's noise above it
    return picture[top : top + SIDE // 2, left : left + SIDE].reshape(4, 50, 8, 50, 3).mean((1, 3))


def test_maps_of_padded_photographs_are_cut_to_the_photograph(tmp_path: Path) -> None:
    rows = [[0.4] * 2, [0.0, 0.4], [0.0, -0.4], [-0.4] * 2]  # the first and the last are of padding
    shown = wide(tmp_path, rows, "pad")
    assert shown[:, :4] == pytest.approx(120, abs=3)
    assert (shown[:2, 4:, 0] > shown[:2, 4:, 1] + 20).all() and (shown[2:, 4:, 2] > shown[2:, 4:, 1] + 40).all()


def test_maps_of_cropped_photographs_are_over_their_centre(tmp_path: Path) -> None:
    shown = wide(tmp_path, [[0.4, -0.4]], "crop")
    assert shown[:, [0, 1, 6, 7]] == pytest.approx(210, abs=3)  # pale: not seen
    assert (shown[:, 2:4, 0] > shown[:, 2:4, 1] + 20).all() and (shown[:, 4:6, 2] > shown[:, 4:6, 1] + 40).all()
