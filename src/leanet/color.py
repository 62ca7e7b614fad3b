"""Colour as pure functions of tensors: CIEDE2000, L*a*b* as networks receive it, and Fancy PCA."""

import math
from cmath import rect
from collections.abc import Iterable, Iterator, Sequence
from math import factorial, pi, radians
from typing import NamedTuple

import kornia
import torch
from torch import Tensor

_25_POW_7 = 25.0**7
_TINY, _TINY_SQUARED = 2.0**-60, 2.0**-120
_TILE = 2**16  # pixels a thread
_TIE = 2.0**-100  # far below any difference of two unit vectors
# X, Y and Z of linear sRGB, with the digits of ITU-R BT.709, as shares of D65's white point.
_XYZ_OF_WHITE = (
    (0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883),
)
_K1, _K3, _K4 = -0.17 * rect(1, radians(-30)), 0.32 * rect(1, radians(6)), -0.20 * rect(1, radians(-63))  # of T, (15)


def ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    """CIEDE2000 colour difference ΔE00 of Sharma, Wu & Dalal (2005), with kL = kC = kH = 1.

    Args:
        lab1, lab2: (..., 3, H, W), true L*a*b* (L* in 0…100), broadcast against each other.

    Returns:
        (..., 1, H, W), in float32 or float64 (half precision is computed in float32). Exactly zero for equal
        colours. Gradients are finite everywhere; where ΔE00 has none (equal or neutral colours) they are zero.

    Raises:
        ValueError: the third-last dimension is not 3.

    Angles are never subtracted: half-angle identities on unit vectors of (a', b*) keep float32 exact enough to
    decide Sharma's pairs with opposite hues. Equation numbers in comments are those of the article.
    """
    if lab1.shape[-3] != 3 or lab2.shape[-3] != 3:
        raise ValueError(f"L*a*b* tensors are (..., 3, H, W), not {tuple(lab1.shape)} and {tuple(lab2.shape)}")
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or lab1.device.type != "cpu":
        return _ciede2000(lab1, lab2)
    return torch.cat([_ciede2000(*tiles) for tiles in _tiles(lab1, lab2)], dim=-2)


def _tiles(lab1: Tensor, lab2: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of both images, so few that intermediate results stay in a CPU's cache."""
    shape = torch.broadcast_shapes(lab1.shape, lab2.shape)  # type: ignore[no-untyped-call]
    tiles = math.ceil(math.prod(shape) / 3 / (_TILE * torch.get_num_threads()))
    return zip(*(lab.expand(shape).chunk(max(1, tiles), dim=-2) for lab in (lab1, lab2)), strict=True)


def _ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    dtype = torch.promote_types(torch.promote_types(lab1.dtype, lab2.dtype), torch.float32)
    l1, a1, b1 = lab1.to(dtype).unbind(-3)
    l2, a2, b2 = lab2.to(dtype).unbind(-3)

    mean_c_star = (_sqrt(a1 * a1 + b1 * b1) + _sqrt(a2 * a2 + b2 * b2)) / 2  # (2), (3)
    stretch = 1.5 - 0.5 * _chroma_weight(mean_c_star)  # 1 + G, (4)
    a1, a2 = a1 * stretch, a2 * stretch  # (5)
    c1, c2 = _sqrt(a1 * a1 + b1 * b1), _sqrt(a2 * a2 + b2 * b2)  # (6)
    hues = _hues(a1, b1, c1, a2, b2, c2)
    sin_half, mean_x, mean_y = _half_difference_and_mean(hues)

    delta_l = l2 - l1  # (8)
    delta_c = c2 - c1  # (9)
    delta_h = 2 * _sqrt(c1 * c2) * sin_half  # (11)
    mean_c = (c1 + c2) / 2  # (13)
    off_l = ((l1 + l2) / 2 - 50) ** 2  # (12)
    root_l = torch.sqrt(20 + off_l)

    term_l = delta_l * root_l / (root_l + 0.015 * off_l)  # (18)
    term_c = delta_c / (1 + 0.045 * mean_c)  # (19)
    term_h = delta_h / (1 + 0.015 * mean_c * _hue_weight(hues, mean_x, mean_y))  # (20)
    squared = term_l**2 + term_c**2 + term_h * (term_h + _rotation(mean_c, mean_x, mean_y) * term_c)  # (22)
    return _sqrt(squared).unsqueeze(-3)


class _Hues(NamedTuple):
    """The hue angles h'1 and h'2 of (7) as unit vectors; (0, 0) for a neutral colour, which has none."""

    x1: Tensor
    y1: Tensor
    x2: Tensor
    y2: Tensor


def _sqrt(x: Tensor) -> Tensor:
    """√x; exactly 0, with gradient 0, up to 2⁻¹²⁰, where autograd's own gradient would be infinite or NaN.

    `x` is used once only: a compiler that inlines shared values takes minutes over the usual two `where`s.
    """
    return x.clamp(min=_TINY_SQUARED).sqrt() - _TINY


def _chroma_weight(c: Tensor) -> Tensor:
    """√(C⁷ / (C⁷ + 25⁷)), of (4) and (17)."""
    c7 = c * (c * c) ** 3
    return _sqrt(c7 / (c7 + _25_POW_7))


def _hues(a1: Tensor, b1: Tensor, c1: Tensor, a2: Tensor, b2: Tensor, c2: Tensor) -> _Hues:
    """(a', b*) / C' of both colours.

    Each has a reciprocal of its own: the backward pass squares reciprocals, and that of c1·c2 would overflow float32.
    """
    inverse1, inverse2 = c1.clamp(min=_TINY).reciprocal(), c2.clamp(min=_TINY).reciprocal()
    return _Hues(a1 * inverse1, b1 * inverse1, a2 * inverse2, b2 * inverse2)


def _half_difference_and_mean(hues: _Hues) -> tuple[Tensor, Tensor, Tensor]:
    """sin(Δh'/2) of (10) and the mean hue h̄' of (14) as a unit vector (cos, sin).

    With unit vectors u1, u2 of the two hues, and their sum and difference s, d: |s| = 2 cos(Δh'/2) and
    |d| = 2 sin(Δh'/2); s points along the mean hue, d across it. Up to 90° apart s is the long, well-conditioned
    one, beyond that d is. Hues exactly 180° apart are ordered by their angle in 0…360°, as the article does.
    Where a colour is neutral Δh' is 0, and no mean hue matters.

    Choices are made by factors of 0, 1 and -1: selecting by a mask costs ten times as much where nothing is compiled.
    """
    x1, y1, x2, y2 = hues
    dot = x1 * x2 + y1 * y2
    side = _sign(dot)  # 1 up to 90° apart, -1 beyond
    side_x, side_y = side * x1, side * y1
    long_x, long_y = x2 + side_x, y2 + side_y
    # The short one of s and d is exactly zero for equal and for opposite hues, and so is this cross product,
    # even where a compiler fuses multiply and add.
    cross = x1 * (y2 - side_y) - y1 * (x2 - side_x)
    near = 0.5 + 0.5 * side
    far = (1 - near) * _sign(cross + _TIE * _sign(y1 + _TIE * x1))
    long_squared = 1 + side * dot  # half of it; |dot| would have no gradient at 90°
    inverse = (2 * long_squared).rsqrt()
    sin_half = (near * cross + far * long_squared) * inverse
    return sin_half, (near * long_x + far * long_y) * inverse, (near * long_y - far * long_x) * inverse


def _sign(x: Tensor) -> Tensor:
    """1 or -1, never 0. (Not `copysign`, which ONNX does not have.)"""
    return torch.sign(torch.sign(x) + 0.5)


def _hue_weight(hues: _Hues, x: Tensor, y: Tensor) -> Tensor:
    """T of (15), as the real part of k1·z + k2·z² + k3·z³ + k4·z⁴, z = x + iy being the unit vector of h̄'.

    z² = (cos, sin) of h'1 + h'2 needs no half angle.
    """
    x1, y1, x2, y2 = hues
    square_x, square_y = x1 * x2 - y1 * y2, x1 * y2 + y1 * x2
    even_x, even_y = 0.24 + _K4.real * square_x - _K4.imag * square_y, _K4.real * square_y + _K4.imag * square_x
    odd_x = _K1.real + _K3.real * square_x - _K3.imag * square_y
    odd_y = _K1.imag + _K3.real * square_y + _K3.imag * square_x
    return 1 + square_x * even_x - square_y * even_y + x * odd_x - y * odd_y


def _rotation(mean_c: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """R_T of (21), (16), (17)."""
    # (h̄' - 275°) / 25°, with h̄' in 0…360° being the angle of the opposite vector and 180°.
    # Adding 2⁻⁶⁰ changes no unit vector, and gives the vector (0, 0) of neutral colours a finite gradient.
    distance = torch.atan2(-y, _TINY - x) * (180 / pi / 25) - 95 / 25
    # e⁻⁸⁰ is nothing beside 1; what underflows is slow on CPUs.
    sine = _sin_of_two_delta_theta(torch.exp(-(distance * distance).clamp(max=80)))
    return -2 * sine * _chroma_weight(mean_c)


def _sin_of_two_delta_theta(e: Tensor) -> Tensor:
    """sin(60°·e) for e in 0…1, by its series: exact in float64, and much faster than `sin`, which serves any angle."""
    x = e * (pi / 3)
    w = x * x
    w2 = w * w
    low = (1 - w / 6) + w2 * (1 / factorial(5) - w / factorial(7))
    high = (1 / factorial(9) - w / factorial(11)) + w2 * (1 / factorial(13) - w / factorial(15))
    return x * (low + w2 * w2 * high)


def chroma_difference(lab1: Tensor, lab2: Tensor) -> Tensor:
    """Chroma difference √(Δa*² + Δb*²), the part of ΔE*ab without lightness.

    Args:
        lab1, lab2: (..., 3, H, W), true L*a*b*.

    Returns:
        (..., 1, H, W).
    """
    a, b = (lab2 - lab1)[..., 1:, :, :].unbind(-3)
    return _sqrt(a * a + b * b).unsqueeze(-3)


def twice_converted_ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    """The colour difference in the authors' released code, which converts to L*a*b* twice.

    L*a*b*, scaled to 0…1, is treated as RGB and converted to L*a*b* again. The image and the L* of both come from 8-bit
    L*a*b*; the recoloured a* and b* are not rounded.

    Args:
        lab1: (..., 3, H, W), true L*a*b* of the image.
        lab2: (..., 3, H, W), true L*a*b* of the recoloured image.

    Returns:
        (..., 1, H, W).
    """
    first, second = scale_lab(lab1), scale_lab(lab2)
    second = torch.cat([_in_8_bits(second[..., :1, :, :]), second[..., 1:, :, :]], dim=-3)
    return ciede2000(rgb_to_lab(_in_8_bits(first)), rgb_to_lab(second))


def _in_8_bits(values: Tensor) -> Tensor:
    return (values * 255).round().clamp(0, 255) / 255


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to true L*a*b* (D65).

    It has no constant tensors, so a GPU copies nothing from the host, and no matrix product, which TF32 and autocast
    would compute in lower precision.

    Args:
        rgb: (..., 3, H, W) in 0…1.

    Returns:
        (..., 3, H, W), in float32 or float64: L* in 0…100, a* and b* in about −128…127.
    """
    rgb = rgb.to(torch.promote_types(rgb.dtype, torch.float32))
    # IEC 61966-2-1. A branch that is not chosen needs a finite gradient too, so its powers are clamped.
    curve = ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    linear = torch.where(rgb > 0.04045, curve, rgb / 12.92).unbind(-3)
    x, y, z = (_cube_root_or_line(_weighted(linear, weights)) for weights in _XYZ_OF_WHITE)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def _weighted(channels: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    red, green, blue = channels
    return (weights[0] * red).add(green, alpha=weights[1]).add(blue, alpha=weights[2])


def _cube_root_or_line(t: Tensor) -> Tensor:
    """f(t) of CIE 15: ∛t above (6/29)³, a line below. t: X, Y or Z as a share of the white point's."""
    return torch.where(t > 0.008856, t.clamp(min=0.008856) ** (1 / 3), 7.787 * t + 4 / 29)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert true L*a*b* (..., 3, H, W) to sRGB in 0…1; colours outside the gamut are clipped."""
    rgb: Tensor = kornia.color.lab_to_rgb(lab, clip=True)
    return rgb


def scale_lab(lab: Tensor) -> Tensor:
    """Scale true L*a*b* (..., 3, H, W) to 0…1 for networks: L*/100 and (a* + 128)/255, (b* + 128)/255."""
    return torch.cat([lab[..., :1, :, :] / 100, (lab[..., 1:, :, :] + 128) / 255], dim=-3)


def unscale_lab(scaled: Tensor) -> Tensor:
    """Undo `scale_lab`."""
    return torch.cat([scaled[..., :1, :, :] * 100, scaled[..., 1:, :, :] * 255 - 128], dim=-3)


def principal_colors(batches: Iterable[Tensor]) -> Tensor:
    """The principal colours of images, for `fancy_pca`. Sums are in float64: exact for uint8.

    Args:
        batches: sRGB images, (B, 3, H, W) each, uint8 or in 0…1.

    Returns:
        (3, 3), with columns λᵢ·pᵢ: eigenvalues times eigenvectors of the covariance of all pixels.
    """
    count, total, products = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for batch in batches:
        pixels = batch.movedim(-3, -1).reshape(-1, 3).double()
        count, total, products = count + len(pixels), total + pixels.sum(0), products + pixels.T @ pixels
        whole = 255 if batch.dtype == torch.uint8 else 1
    covariance = (products - total.outer(total) / count) / (count - 1) / whole**2
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
    components: Tensor = (eigenvectors * eigenvalues).float()
    return components


def fancy_pca(rgb: Tensor, components: Tensor, alpha: Tensor) -> Tensor:
    """Shift the colours of each image along the principal colours of the training set (Krizhevsky et al. 2012, §4.1).

    Args:
        rgb: (B, 3, H, W) sRGB in 0…1.
        components: (3, 3), from `principal_colors`.
        alpha: (B, 3), one draw per image and component, N(0, σ) with σ = 0.1 in the article.

    Returns:
        (B, 3, H, W), clamped to 0…1.
    """
    return (rgb + (alpha @ components.T)[:, :, None, None]).clamp(0, 1)
