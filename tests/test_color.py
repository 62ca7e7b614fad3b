import shutil
from collections.abc import Callable

import colour
import cv2
import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from leanet.color import (
    chroma_difference,
    ciede2000,
    fancy_pca,
    lab_to_rgb,
    principal_colors,
    rgb_to_lab,
    scale_lab,
    twice_converted_ciede2000,
    unscale_lab,
)
from leanet.data.synthetic import SyntheticLeaves

Difference = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Sharma, Wu & Dalal (2005), Table 1: L*1 a*1 b*1 L*2 a*2 b*2 ΔE00.
SHARMA = np.array(
    [
        [float(number) for number in row.split()]
        for row in """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
""".strip().splitlines()
    ]
)


def image(colors: np.ndarray | list, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """(N, 3) colours as an (3, N, 1) image."""
    return torch.tensor(np.asarray(colors), dtype=dtype).T.unsqueeze(-1)


def difference(first: np.ndarray, second: np.ndarray, dtype: torch.dtype = torch.float64) -> np.ndarray:
    return ciede2000(image(first, dtype), image(second, dtype))[0, :, 0].double().numpy()


def random_lab(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform([0, -110, -110], [100, 110, 110], (count, 3))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_published_pairs(dtype: torch.dtype) -> None:
    found = difference(SHARMA[:, :3], SHARMA[:, 3:6], dtype)
    np.testing.assert_allclose(found, SHARMA[:, 6], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_agrees_with_colour_science(dtype: torch.dtype, tolerance: float) -> None:
    first, second = random_lab(100_000, seed=1), random_lab(100_000, seed=2)
    expected = colour.delta_E(first, second, method="CIE 2000")
    np.testing.assert_allclose(difference(first, second, dtype), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("spread", [1e-4, 1e-2, 1.0])
def test_close_colors_agree_with_colour_science(spread: float) -> None:
    first = random_lab(10_000, seed=3)
    second = first + np.random.default_rng(4).normal(0, spread, first.shape)
    expected = colour.delta_E(first, second, method="CIE 2000")
    np.testing.assert_allclose(difference(first, second), expected, atol=1e-9, rtol=0)
    rounded = colour.delta_E(np.float32(first).astype(float), np.float32(second).astype(float), method="CIE 2000")
    np.testing.assert_allclose(difference(first, second, torch.float32), rounded, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_equal_colors_differ_by_exactly_zero(dtype: torch.dtype) -> None:
    colors = image(np.vstack([random_lab(20_000, seed=5), np.zeros((1, 3)), [[100, 0, 0]]]), dtype)
    assert (ciede2000(colors, colors.clone()) == 0).all()


def test_tiles_and_broadcasting_change_nothing() -> None:
    first, second = (torch.from_numpy(random_lab(3 * 300 * 400, seed)).reshape(3, 300, 400, 3) for seed in (21, 22))
    first, second = first.movedim(-1, 1), second.movedim(-1, 1)
    with torch.no_grad():
        in_tiles = ciede2000(first, second[:1])
    assert in_tiles.shape == (3, 1, 300, 400)
    torch.testing.assert_close(in_tiles, ciede2000(first, second[:1]), rtol=1e-12, atol=1e-12)


def test_symmetric() -> None:
    first, second = random_lab(10_000, seed=6), random_lab(10_000, seed=7)
    np.testing.assert_allclose(difference(first, second), difference(second, first), rtol=1e-12)
    np.testing.assert_allclose(
        difference(SHARMA[:, :3], SHARMA[:, 3:6]), difference(SHARMA[:, 3:6], SHARMA[:, :3]), rtol=1e-12
    )


AWKWARD = {
    "equal": ([50, 20, -30], [50, 20, -30]),
    "both neutral": ([50, 0, 0], [60, 0, 0]),
    "equal and neutral": ([50, 0, 0], [50, 0, 0]),
    "one neutral": ([50, 0, 0], [50, 20, 30]),
    "black and white": ([0, 0, 0], [100, 0, 0]),
    "opposite hues": ([50, 2.5, -1], [50, -2.5, 1]),
    "opposite on the axis": ([50, 30, 0], [50, -30, 0]),
    "almost equal": ([50, 20, -30], [50, 20 + 1e-6, -30]),
    "almost neutral": ([50, 1e-8, 0], [50, 0, -1e-8]),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("pair", AWKWARD.values(), ids=AWKWARD.keys())
def test_gradients_are_finite(pair: tuple[list, list], dtype: torch.dtype) -> None:
    first, second = (image([color], dtype).requires_grad_() for color in pair)
    ciede2000(first, second).sum().backward()
    assert first.grad is not None and first.grad.isfinite().all()
    assert second.grad is not None and second.grad.isfinite().all()


def pairs_near_neutral(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs of neutral, nearly neutral (every decade, subnormal ones too) and strong colours: (3, N², 1) each."""
    sides = [(1, 0), (0, 1), (-1, 0), (0, -1), (0.7, -1)]
    sizes = [0.0, 5.0, 80.0, *(10.0**decade for decade in range(-45, 1))]
    colors = image([(light, size * a, size * b) for light in (0, 50, 100) for size in sizes for a, b in sides], dtype)
    count = colors.shape[1]
    first, second = colors.repeat_interleave(count, dim=1), colors.repeat(1, count, 1)
    return first.requires_grad_(), second.requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("difference", [ciede2000, chroma_difference, twice_converted_ciede2000])
def test_gradients_are_finite_near_neutral(difference: Difference, autocast: bool, dtype: torch.dtype) -> None:
    first, second = pairs_near_neutral(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = difference(first, second)
    found.sum().backward()
    assert found.isfinite().all()
    assert first.grad.isfinite().all() and second.grad.isfinite().all()


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("dtype", [pytest.param(torch.float64, marks=pytest.mark.slow), torch.float32])
def test_compiles_whole_and_keeps_values_and_finite_gradients(dtype: torch.dtype) -> None:
    """One call for all colours: another shape would compile once more."""
    equal = image(random_lab(1000, seed=5), dtype)
    first, second = pairs_near_neutral(dtype)
    lab1 = torch.cat([image(SHARMA[:, :3], dtype), equal, first], dim=1).detach().requires_grad_()
    lab2 = torch.cat([image(SHARMA[:, 3:6], dtype), equal, second], dim=1).detach().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = torch.compile(ciede2000, fullgraph=True)(lab1, lab2)
    found.sum().backward()
    values = found[0, :, 0].detach()
    np.testing.assert_allclose(values[: len(SHARMA)], SHARMA[:, 6], atol=1e-4, rtol=0)
    assert (values[len(SHARMA) : len(SHARMA) + 1000] == 0).all() and values.isfinite().all()
    assert lab1.grad.isfinite().all() and lab2.grad.isfinite().all()


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb])
def test_conversions_have_finite_gradients_near_neutral(convert: Callable[[torch.Tensor], torch.Tensor]) -> None:
    colors = pairs_near_neutral(torch.float32)[0]
    convert(colors).sum().backward()
    assert colors.grad.isfinite().all()


def test_float32_gradients_are_those_of_float64() -> None:
    # Hues 180° apart, and mean hues of 0°, are jumps of ΔE00, which either precision may see from another side.
    random = np.random.default_rng(12)
    lightness, chroma = random.uniform(0, 100, (2, 20_000)), 10 ** random.uniform(-15, 2, (2, 20_000))
    hue = random.uniform(0.1, 3.0, (2, 20_000))
    colors = [np.stack([lightness[i], chroma[i] * np.cos(hue[i]), chroma[i] * np.sin(hue[i])], -1) for i in (0, 1)]
    found = []
    for dtype in (torch.float64, torch.float32):
        pair = [image(np.float32(color), dtype).requires_grad_() for color in colors]
        found.append(torch.cat(torch.autograd.grad(ciede2000(*pair).sum(), pair)).double())
    assert ((found[1] - found[0]).norm(dim=0) / found[0].norm(dim=0)).max() < 1e-3


def test_gradients_are_right_at_hues_a_right_angle_apart() -> None:
    pairs = image([[50, 30, 0], [50, 0, 7]]).requires_grad_(), image([[50, 0, 20], [60, 12, 0]]).requires_grad_()
    assert torch.autograd.gradcheck(ciede2000, pairs)


def test_gradients_are_right_away_from_the_hue_jump() -> None:
    first, second = image(random_lab(40, seed=8)), image(random_lab(40, seed=9))
    hue = torch.atan2(first[2] * second[1] - first[1] * second[2], (first[1:] * second[1:]).sum(0))
    away = (hue.abs() < 3.0)[:, 0]
    assert away.sum() > 30
    pairs = first[:, away].requires_grad_(), second[:, away].requires_grad_()
    assert torch.autograd.gradcheck(ciede2000, pairs)


def test_batches_broadcast_and_shapes() -> None:
    colors = torch.rand(2, 4, 3, 5, 6) * 50
    found = ciede2000(colors, colors[0, 0])
    assert found.shape == (2, 4, 1, 5, 6)
    torch.testing.assert_close(found[1, 2], ciede2000(colors[1, 2], colors[0, 0]))
    with pytest.raises(ValueError, match=r"\(\.\.\., 3, H, W\)"):
        ciede2000(torch.rand(2, 8, 8), torch.rand(2, 8, 8))


def test_survives_autocast_and_half_precision() -> None:
    first, second = image(random_lab(100, 10), torch.float32), image(random_lab(100, 11), torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(ciede2000(first, second), ciede2000(first.double(), second.double()).float())
    half = ciede2000(first.bfloat16(), second.bfloat16())
    torch.testing.assert_close(half, ciede2000(first.bfloat16().float(), second.bfloat16().float()))


def leaves() -> tuple[np.ndarray, np.ndarray]:
    """sRGB (2, 3, 64, 64) in 0…1: a painted leaf, and another one with its colours."""
    painted = SyntheticLeaves(image_size=64, negatives=2, positives=1)
    return tuple(np.stack([painted.paint(number, False)[0]]) for number in (1, 3))


def test_twice_converted_agrees_with_opencv_and_scikit_image() -> None:
    # In the authors' code OpenCV makes 8-bit L*a*b*; the recoloured image has the L* of the first and a*, b* in 0…1.
    first, second = (np.moveaxis(rgb[0], 0, -1) for rgb in leaves())
    lab = cv2.cvtColor(np.rint(first * 255).astype(np.uint8), cv2.COLOR_RGB2Lab).astype(np.float32) / 255
    other = cv2.cvtColor(second.astype(np.float32), cv2.COLOR_RGB2Lab)
    other = np.concatenate([lab[..., :1], (other[..., 1:] + 128) / 255], axis=-1).astype(np.float32)
    twice = [cv2.cvtColor(scaled, cv2.COLOR_RGB2Lab) for scaled in (lab, other)]
    by_opencv = deltaE_ciede2000(*twice)
    by_scikit_image = deltaE_ciede2000(rgb2lab(lab), rgb2lab(other))

    def true_lab(scaled: np.ndarray) -> torch.Tensor:
        return unscale_lab(torch.from_numpy(scaled).movedim(-1, 0).double())

    found = twice_converted_ciede2000(true_lab(lab), true_lab(other))[0].numpy()
    np.testing.assert_allclose(found, by_scikit_image, atol=1e-2)
    assert np.abs(found - by_opencv).mean() < 0.1  # OpenCV looks the conversion up in a table
    assert np.corrcoef(found.ravel(), by_opencv.ravel())[0, 1] > 0.999
    true = deltaE_ciede2000(rgb2lab(first), rgb2lab(second))
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] < 0.95  # it is another map


def test_chroma_difference_ignores_lightness() -> None:
    first, second = random_lab(500, 0), random_lab(500, 1)
    expected = np.hypot(*(first - second)[:, 1:].T)
    found = chroma_difference(image(first), image(second))
    np.testing.assert_allclose(found.squeeze().numpy(), expected, rtol=1e-9)
    brighter = image(first) + torch.tensor([20.0, 0, 0]).double()[:, None, None]
    assert (chroma_difference(image(first), brighter) == 0).all()


def test_lab_agrees_with_scikit_image_and_comes_back() -> None:
    rgb = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    lab = rgb_to_lab(rgb)
    np.testing.assert_allclose(lab.movedim(1, -1), rgb2lab(rgb.movedim(1, -1).double().numpy()), atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rgb_to_lab(rgb), lab)
    torch.testing.assert_close(lab_to_rgb(lab), rgb, atol=2e-3, rtol=0)
    torch.testing.assert_close(unscale_lab(scale_lab(lab)), lab, atol=1e-3, rtol=0)
    assert scale_lab(lab).min() >= 0 and scale_lab(lab).max() <= 1


def test_principal_colors_of_bytes_are_those_of_their_pixels_at_once() -> None:
    images = torch.randint(0, 256, (7, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    values, vectors = np.linalg.eigh(np.cov(images.movedim(1, 0).reshape(3, -1).double() / 255))
    found = principal_colors(images.split(3)).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(vectors * values), rtol=1e-5)


def test_fancy_pca_moves_each_image_along_the_principal_colors() -> None:
    generator = torch.Generator().manual_seed(0)
    grey = torch.rand(4, 1, 8, 8, generator=generator) * 0.4 + 0.3
    rgb = grey.expand(-1, 3, -1, -1) + torch.randn(4, 3, 8, 8, generator=generator) * 1e-3
    components = principal_colors([rgb])
    values, vectors = np.linalg.eigh(np.cov(rgb.movedim(1, 0).reshape(3, -1).double()))
    np.testing.assert_allclose(components.norm(dim=0).numpy(), values, rtol=1e-3)
    direction = (components[:, 2] / components[:, 2].norm()).numpy()
    np.testing.assert_allclose(np.abs(direction), np.abs(vectors[:, 2]), atol=1e-4)

    alpha = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 1.0, 1.0]])
    moved = fancy_pca(rgb, components, alpha) - rgb
    torch.testing.assert_close(moved[0], torch.zeros_like(moved[0]))
    torch.testing.assert_close(moved[1], -moved[2], atol=1e-6, rtol=0)
    torch.testing.assert_close(moved[1], components[:, 2, None, None].expand_as(moved[1]), atol=1e-6, rtol=0)
