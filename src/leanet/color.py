"""Colour as pure functions of tensors: CIEDE2000, the network's view of L*a*b*, and Fancy PCA."""

from math import cos, pi, radians, sin

import kornia
import torch
from torch import Tensor

_25_POW_7 = 25.0**7
_TINY, _TINY_SQUARED = 2.0**-60, 2.0**-120


def ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    """CIEDE2000 colour difference ΔE00 of Sharma, Wu & Dalal (2005), with kL = kC = kH = 1.

    Args:
        lab1, lab2: (..., 3, H, W), true L*a*b* (L* in 0…100), broadcast against each other.

    Returns:
        (..., 1, H, W), in float32 or float64 (half precision is computed in float32). Exactly zero for equal
        colours. Gradients are finite everywhere; where ΔE00 has none (equal or neutral colours) they are zero.

    Angles are never subtracted: half-angle identities on unit vectors of (a', b*) keep float32 exact enough to
    decide Sharma's pairs with opposite hues. Equation numbers in comments are those of the article.
    """
    if lab1.shape[-3] != 3 or lab2.shape[-3] != 3:
        raise ValueError(f"L*a*b* tensors are (..., 3, H, W), not {tuple(lab1.shape)} and {tuple(lab2.shape)}")
    dtype = torch.promote_types(torch.promote_types(lab1.dtype, lab2.dtype), torch.float32)
    l1, a1, b1 = lab1.to(dtype).unbind(-3)
    l2, a2, b2 = lab2.to(dtype).unbind(-3)

    mean_c_star = (_sqrt(a1 * a1 + b1 * b1) + _sqrt(a2 * a2 + b2 * b2)) / 2  # (2), (3)
    stretch = 1.5 - 0.5 * _chroma_weight(mean_c_star)  # 1 + G, (4)
    a1, a2 = a1 * stretch, a2 * stretch  # (5)
    c1, c2 = _sqrt(a1 * a1 + b1 * b1), _sqrt(a2 * a2 + b2 * b2)  # (6)
    sin_half, mean_x, mean_y = _half_difference_and_mean_hue(a1, b1, c1, a2, b2, c2)

    delta_l = l2 - l1  # (8)
    delta_c = c2 - c1  # (9)
    delta_h = 2 * _sqrt(c1 * c2) * sin_half  # (11)
    mean_c = (c1 + c2) / 2  # (13)
    off_l = ((l1 + l2) / 2 - 50) ** 2  # (12)

    term_l = delta_l / (1 + 0.015 * off_l * torch.rsqrt(20 + off_l))  # (18)
    term_c = delta_c / (1 + 0.045 * mean_c)  # (19)
    term_h = delta_h / (1 + 0.015 * mean_c * _hue_weight(mean_x, mean_y))  # (20)
    rotation = _rotation(mean_c, mean_x, mean_y)
    squared = term_l**2 + term_c**2 + term_h**2 + rotation * term_c * term_h  # (22)
    return _sqrt(squared).unsqueeze(-3)


def _sqrt(x: Tensor) -> Tensor:
    """√x; exactly 0, with gradient 0, up to 2⁻¹²⁰, where autograd's own gradient would be infinite or NaN.

    `x` is used once only: a compiler that inlines shared values takes minutes over the usual two `where`s.
    """
    return x.clamp(min=_TINY_SQUARED).sqrt() - _TINY


def _chroma_weight(c: Tensor) -> Tensor:
    """√(C⁷ / (C⁷ + 25⁷)), of (4) and (17)."""
    c7 = c * (c * c) ** 3
    return _sqrt(c7 / (c7 + _25_POW_7))


def _half_difference_and_mean_hue(
    a1: Tensor, b1: Tensor, c1: Tensor, a2: Tensor, b2: Tensor, c2: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """sin(Δh'/2) of (10) and the mean hue h̄' of (14) as a unit vector (cos, sin).

    With unit vectors u1, u2 of the two hues, and their sum and difference s, d: |s| = 2 cos(Δh'/2) and
    |d| = 2 sin(Δh'/2); s points along the mean hue, d across it. Up to 90° apart s is the long, well-conditioned
    one, beyond that d is. Hues exactly 180° apart are ordered by their angle in 0…360°, as the article does.
    """
    x1, y1 = _divide(a1, c1), _divide(b1, c1)
    x2, y2 = _divide(a2, c2), _divide(b2, c2)
    sum_x, sum_y, diff_x, diff_y = x1 + x2, y1 + y2, x2 - x1, y2 - y1
    far = x1 * x2 + y1 * y2 < 0
    # The short one of s and d is exactly zero for equal and for opposite hues, and so is this cross product,
    # even where a compiler fuses multiply and add.
    cross = x1 * torch.where(far, sum_y, diff_y) - y1 * torch.where(far, sum_x, diff_x)
    upper = (y1 > 0) | ((y1 == 0) & (x1 > 0))
    sign = torch.where((cross > 0) | ((cross == 0) & upper), 1.0, -1.0).to(cross.dtype)

    length_squared = torch.where(far, diff_x**2 + diff_y**2, sum_x**2 + sum_y**2)
    length = _sqrt(length_squared)
    sin_half = torch.where(far, sign * length / 2, _divide(cross, length))
    mean_x = torch.where(far, sign * diff_y, sum_x)
    mean_y = torch.where(far, -sign * diff_x, sum_y)
    has_hue = length > 0  # otherwise both colours are neutral, and h̄' is 0 by (14)
    return sin_half, torch.where(has_hue, _divide(mean_x, length), 1), _divide(mean_y, length)


def _divide(x: Tensor, length: Tensor) -> Tensor:
    """x / length, for |x| ≤ length; 0 where both are 0."""
    return x / length.clamp(min=_TINY)


def _hue_weight(x: Tensor, y: Tensor) -> Tensor:
    """T of (15) from the unit vector of h̄'; multiples of the angle by the addition theorems."""
    x2, y2 = x * x - y * y, 2 * x * y
    x3, y3 = x * x2 - y * y2, y * x2 + x * y2
    x4, y4 = x2 * x2 - y2 * y2, 2 * x2 * y2
    first = cos(radians(30)) * x + sin(radians(30)) * y
    third = cos(radians(6)) * x3 - sin(radians(6)) * y3
    fourth = cos(radians(63)) * x4 + sin(radians(63)) * y4
    return 1 - 0.17 * first + 0.24 * x2 + 0.32 * third - 0.20 * fourth


def _rotation(mean_c: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """R_T of (21), (16), (17)."""
    angle = torch.atan2(y, x)
    degrees = torch.where(angle < 0, angle + 2 * pi, angle) * (180 / pi)
    delta_theta = radians(30) * torch.exp(-(((degrees - 275) / 25) ** 2))
    return -torch.sin(2 * delta_theta) * 2 * _chroma_weight(mean_c)


def chroma_difference(lab1: Tensor, lab2: Tensor) -> Tensor:
    """√(Δa*² + Δb*²), the chroma part of ΔE*ab: (..., 3, H, W) twice → (..., 1, H, W)."""
    a, b = (lab2 - lab1)[..., 1:, :, :].unbind(-3)
    return _sqrt(a * a + b * b).unsqueeze(-3)


def twice_converted_ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    """What the authors' released code has for ΔE00 of an image and its recoloured self.

    L*a*b*, scaled to 0…1, is taken for RGB and converted to L*a*b* once more. The image comes from 8-bit L*a*b*, and
    so does the L* of both; recoloured a* and b* are not rounded.
    """
    first, second = scale_lab(lab1), scale_lab(lab2)
    second = torch.cat([_in_8_bits(second[..., :1, :, :]), second[..., 1:, :, :]], dim=-3)
    return ciede2000(rgb_to_lab(_in_8_bits(first)), rgb_to_lab(second))


def _in_8_bits(values: Tensor) -> Tensor:
    return (values * 255).round().clamp(0, 255) / 255


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB (..., 3, H, W) in 0…1 to true L*a*b* (D65): L* in 0…100, a* and b* about −128…127."""
    lab: Tensor = kornia.color.rgb_to_lab(rgb)
    return lab


def lab_to_rgb(lab: Tensor) -> Tensor:
    """L*a*b* (..., 3, H, W) to sRGB in 0…1; colours outside the gamut are clipped."""
    rgb: Tensor = kornia.color.lab_to_rgb(lab, clip=True)
    return rgb


def scale_lab(lab: Tensor) -> Tensor:
    """L*a*b* to the 0…1 that networks see: L*/100 and (a* or b* + 128)/255."""
    return torch.cat([lab[..., :1, :, :] / 100, (lab[..., 1:, :, :] + 128) / 255], dim=-3)


def unscale_lab(scaled: Tensor) -> Tensor:
    """The inverse of `scale_lab`."""
    return torch.cat([scaled[..., :1, :, :] * 100, scaled[..., 1:, :, :] * 255 - 128], dim=-3)


def principal_colors(rgb: Tensor) -> Tensor:
    """Columns λᵢ·pᵢ of the 3×3 covariance of all pixels of (N, 3, H, W) sRGB images in 0…1."""
    pixels = rgb.movedim(-3, -1).reshape(-1, 3).double()
    eigenvalues, eigenvectors = torch.linalg.eigh(torch.cov(pixels.T))
    components: Tensor = eigenvectors * eigenvalues
    return components.to(rgb.dtype)


def fancy_pca(rgb: Tensor, components: Tensor, alpha: Tensor) -> Tensor:
    """Shift each image's colours along the principal colours of the training set (Krizhevsky et al. 2012, §4.1).

    Args:
        rgb: (B, 3, H, W) sRGB in 0…1.
        components: (3, 3), from `principal_colors`.
        alpha: (B, 3), one draw per image and component, N(0, σ) with σ = 0.1 in the article.

    Returns:
        (B, 3, H, W), clamped to 0…1.
    """
    return (rgb + (alpha @ components.T)[:, :, None, None]).clamp(0, 1)
