"""A synthetic dataset of painted leaves. Anomalous leaves have patches of wrong colour but right lightness."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leanet.data.images import NEGATIVE, POSITIVE, ImageSet, Index
from leanet.errors import LeanetError

GENERATOR = 1  # version of the painting; increase it when pixels change, since hashes are of settings and not of pixels
Plane = NDArray[np.float32]  # half the time of float64, and exact enough for 8-bit pixels
_WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)[:, None, None]  # D65
_XYZ = np.array([[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07218], [0.01933, 0.11919, 0.95030]], np.float32)
_RGB = np.linalg.inv(_XYZ)
# Directions in the (a*, b*) plane in which diseased tissue differs, in degrees: yellow, rust, purple, blue, less green.
_HUES = (55.0, 10.0, 315.0, 275.0, 340.0)


@dataclass(frozen=True, kw_only=True)
class SyntheticLeaves:
    """A `Dataset` of painted leaves, which needs no files. Positives have patches of wrong colour.

    An image depends only on data_seed, its number, class, image_size and difficulty. Negatives have odd numbers and
    positives even ones, so that the number of one class does not change the images of the other.

    Args:
        name: of the dataset.
        image_size: S, 32…2048; below 32 the faintest anomalies would vanish.
        negatives: number of normal images.
        positives: number of anomalous images.
        difficulty: from 0, large and strong anomalies, to 1, small and faint ones.
        data_seed: seed of all images.

    Raises:
        LeanetError: a value out of its range.
    """

    name: str = "synthetic"
    image_size: int = 64
    negatives: int
    positives: int
    difficulty: float = 0.5
    data_seed: int = 0

    def __post_init__(self) -> None:
        bounds = {"image_size": (32, 2048), "negatives": (1, 10**6), "positives": (1, 10**6), "data_seed": (0, 2**63)}
        for setting, (low, high) in bounds.items():
            value = getattr(self, setting)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise LeanetError(f"dataset.{setting}={value}: choose a whole number in {low}…{high}")
        if isinstance(self.difficulty, bool | str) or not 0 <= self.difficulty <= 1:
            raise LeanetError(f"dataset.difficulty={self.difficulty}: choose a number in 0…1 (0 easy, 1 hard)")

    def index(self) -> Index:
        """Names, labels and hashes, without painting; hashes are of the settings, and so the same on every machine."""
        return Index.of([(name, label, self._digest(n, label)) for name, (n, label) in self._numbers().items()])

    def load(self, cache: Path) -> ImageSet:
        """Paint all images. Nothing is written to `cache`."""
        index, numbers = self.index(), self._numbers()
        images = np.empty((len(index), 3, self.image_size, self.image_size), dtype=np.uint8)
        for image, name in zip(images, index.names, strict=True):
            number, label = numbers[name]
            image[:] = np.rint(self.paint(number, label == POSITIVE)[0] * 255)
        return ImageSet(index, images, index.sha256, np.full((len(index), 2), self.image_size))

    def paint(self, number: int, positive: bool) -> tuple[Plane, NDArray[np.bool_]]:
        """Paint one image.

        Args:
            number: of the image.
            positive: whether it has an anomaly; the leaf and its background are the same without it.

        Returns:
            sRGB (3, S, S) float32 in 0…1, and the mask (S, S) of the anomaly, all False without one.
        """
        # Separate random streams, so that the scene is the same with the anomaly and without.
        scene, harm = np.random.default_rng([self.data_seed, number]).spawn(2)
        form = int(scene.integers(2**32))
        rgb = _paint_scene(scene, form, self.image_size)
        if not positive:
            return rgb, np.zeros(rgb.shape[1:], dtype=np.bool_)
        return _discolour(harm, _leaf(form, self.image_size), rgb, self.difficulty)

    def _numbers(self) -> dict[str, tuple[int, int]]:
        """(number, label) by name."""
        pairs = [(2 * k + 1, NEGATIVE) for k in range(self.negatives)]
        pairs += [(2 * k + 2, POSITIVE) for k in range(self.positives)]
        return {f"leaf-{number:04d}.png": (number, label) for number, label in pairs}

    def _digest(self, number: int, label: int) -> str:
        recipe = [GENERATOR, self.image_size, float(self.difficulty), self.data_seed, number, label]
        return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()


@dataclass(frozen=True)
class _Leaf:
    """A leaf on a pixel grid; every field is (S, S).

    Args:
        along: 0 at the base … 1 at the tip.
        across: −1…1 between the margins.
        cover: 1 on the leaf, 0 outside.
        veins: 0…1.
        relief: height of the blade, in half leaf lengths.
    """

    along: Plane
    across: Plane
    cover: Plane
    veins: Plane
    relief: Plane


def _leaf(form: int, size: int, shift: tuple[float, float] = (0.0, 0.0), blur: float = 1.0) -> _Leaf:
    """The leaf of seed `form`, moved by `shift` in half image sides, with its outline blurred over `blur` pixels."""
    rng = np.random.default_rng(form)
    draw, lobed = rng.uniform, rng.random() < 0.25
    angle, scale, base, tip = draw(0, 2 * pi), draw(0.66, 0.86), draw(0.45, 0.8), draw(0.6, 1.15)
    axis = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    x, y = (axis[None, :] - draw(-0.1, 0.1) - shift[0]) / scale, (axis[:, None] - draw(-0.1, 0.1) - shift[1]) / scale
    u = cos(angle) * x + sin(angle) * y
    v = cos(angle) * y - sin(angle) * x - draw(-0.16, 0.16) * (u**2 - 0.4)
    along, peak = np.clip((u + 1) / 2, 0, 1), base / (base + tip)
    half = (along / peak) ** base * ((1 - along) / (1 - peak)) ** tip * (draw(0.5, 0.66) if lobed else draw(0.36, 0.6))
    half *= 1 - (draw(0.12, 0.2) if lobed else 0) * (1 + np.cos(2 * pi * int(rng.integers(3, 5)) * along))
    half *= 1 - draw(0, 0.11) * (int(rng.integers(12, 22)) * along % 1)
    stalk = np.where((u > -1.3) & (u < -0.9), 0.022 - 0.008 * (u + 1), -1.0)
    depth = np.maximum(half - np.clip(np.abs(u) - 1, 0, None), stalk) - np.abs(v)
    cover = np.clip(depth * (scale * size / 2 / blur) + 0.5, 0, 1)
    # Side veins alternate between the two sides, bend towards the tip, and fade before the margin.
    count, across = draw(6, 10), np.clip(v / np.maximum(half, 0.02), -1, 1)
    phase = count * (along - draw(0.35, 0.75) * np.abs(v) * (1 - 0.4 * np.abs(v))) + 0.5 * (v > 0)
    off = np.abs(phase - np.rint(phase))
    side = 0.75 * np.exp(-((off / count / 0.012) ** 2)) * (1 - across**2) * (along < 0.95)
    midrib = np.exp(-((v / (0.034 - 0.022 * along)) ** 2))
    relief = 0.035 * np.sin(pi * off) * (1 - across**2) + 0.22 * np.sqrt(v**2 + 0.002) - 0.25 * v**2
    return _Leaf(*(np.asarray(plane, np.float32) for plane in (along, across, cover, np.maximum(side, midrib), relief)))


def _clouds(rng: Generator, size: int, rows: float, columns: float | None = None) -> Plane:
    """Smooth noise (size, size) with mean 0 and SD about 1, from a grid of `rows` × `columns` random values."""
    down, across = _spline(size, int(rows)), _spline(size, int(columns or rows))
    lattice = rng.standard_normal((down.shape[1], across.shape[1]), dtype=np.float32)
    return np.asarray(2.1 * down @ lattice @ across.T, np.float32)  # 2.1 restores the SD that splines reduce


@cache
def _spline(size: int, steps: int) -> Plane:
    """Weights (size, steps + 3) of cubic B-splines at pixel centres."""
    far = np.abs((np.arange(size) + 0.5)[:, None] / size * steps + 1 - np.arange(steps + 3))
    return np.where(far < 1, 2 / 3 - far**2 + far**3 / 2, np.clip(2 - far, 0, None) ** 3 / 6).astype(np.float32)


def _background(rng: Generator, size: int) -> Plane:
    """A background of soil, cloth or a table top: L*a*b* (3, S, S)."""
    kind, draw = rng.integers(3), rng.uniform
    rough = sum(_clouds(rng, size, n) / n**0.5 for n in (4, 9, 20, 45))
    if kind == 0:  # soil, with crumbs
        light = draw(22, 42) + 7 * rough + 6 * np.clip(_clouds(rng, size, 28) - 0.4, 0, None)
        hue, chroma = draw(45, 75), draw(8, 20)
    elif kind == 1:  # cloth: folds and a weave
        axis = np.sin(np.arange(size, dtype=np.float32) / size * 2 * pi * draw(18, 30))
        light = draw(30, 82) + 5 * _clouds(rng, size, 2, 3) + 1.5 * rough + 2.5 * (axis[None, :] + axis[:, None])
        hue, chroma = draw(0, 360), draw(2, 30)
    else:  # a table: grain along one side
        grain = _clouds(rng, size, 2, 24) + 0.6 * _clouds(rng, size, 3, 60)
        light = draw(38, 76) + 4.5 * (grain if rng.random() < 0.5 else grain.T) + 1.5 * rough
        hue, chroma = draw(45, 80), draw(8, 32)
    tint = 1 + 0.01 * (light - light.mean()) + 0.05 * _clouds(rng, size, 5)
    angle = hue * pi / 180 + 0.04 * _clouds(rng, size, 4)
    return np.stack([light, chroma * tint * np.cos(angle), chroma * tint * np.sin(angle)])


def _blade(rng: Generator, leaf: _Leaf, sun: tuple[float, float]) -> Plane:
    """The leaf's surface, L*a*b* (3, S, S). Its colour depends on its lightness, so that a colorizer can learn it."""
    size, draw = len(leaf.cover), rng.uniform
    age = 0.6 * _clouds(rng, size, 2) + 0.35 * _clouds(rng, size, 6) + draw(-1, 1) * (2 * leaf.along - 1)
    pale = draw(36, 54) + 4.0 * age + draw(5, 13) * leaf.veins
    # Harmless dark spots and pale dust on both classes, so that lightness does not reveal an anomaly.
    spots = (rng.random() < 0.45) * draw(8, 18) * np.clip(3 * (_clouds(rng, size, 14) - draw(1.3, 1.9)), 0, 1)
    dust = (rng.random() < 0.3) * draw(6, 14) * np.clip(3 * (_clouds(rng, size, 26) - 1.9), 0, 1)
    hue = (draw(112, 132) - 0.45 * (pale - 45) - 0.6 * spots + 2 * _clouds(rng, size, 3)) * pi / 180
    chroma = draw(24, 38) + 0.35 * (pale - 45) - 0.5 * spots - 0.4 * dust
    slope = np.gradient((leaf.relief + 0.004 * _clouds(rng, size, 22)) * (size / 2))
    facing = np.tanh(-2.2 * (sun[0] * slope[1] + sun[1] * slope[0]))
    gloss = draw(0, 16) * np.exp(-(((facing - 0.55) / 0.22) ** 2)) * (1 - leaf.veins)
    light = np.clip(pale - spots + dust + 9 * facing + gloss, 6, 96)
    chroma = np.clip(chroma * (light - gloss) / np.clip(pale, 20, None), 4, None) * (1 - gloss / 40)
    return np.stack([light, chroma * np.cos(hue), chroma * np.sin(hue)])


def _paint_scene(rng: Generator, form: int, size: int) -> Plane:
    """A leaf on its background, sRGB (3, size, size) in 0…1."""
    fine = 2 if size <= 128 else 1  # small images are painted twice as large and averaged, so that veins do not break
    grid, draw, towards = size * fine, rng.uniform, rng.uniform(0, 2 * pi)
    sun = (cos(towards), sin(towards))
    leaf, drop = _leaf(form, grid), draw(0.03, 0.08)
    shadow = _leaf(form, size, (-drop * sun[0], -drop * sun[1]), blur=size * draw(0.02, 0.06)).cover
    ground = _background(rng, grid) * (1 - draw(0.35, 0.6) * shadow.repeat(fine, 0).repeat(fine, 1))
    lab = ground + leaf.cover * (_blade(rng, leaf, sun) - ground)
    axis = np.linspace(-1, 1, grid, dtype=np.float32)
    lit = draw(0.85, 1.15) * (1 + draw(0, 0.18) * (sun[0] * axis[None, :] + sun[1] * axis[:, None]))
    if rng.random() < 0.3:  # the shadow of something outside the picture
        lit *= 1 - draw(0.25, 0.5) * np.clip(4 * (_clouds(rng, grid, 2) - draw(0, 0.8)) + 0.5, 0, 1)
    warmth = draw(-0.06, 0.06)
    linear = _linear(lab) * lit * np.array([1 + warmth, 1, 1 - warmth], dtype=np.float32)[:, None, None]
    mean = np.clip(linear, 0, 1).reshape(3, size, fine, size, fine).mean((2, 4))
    return np.clip(_encode(mean) + 0.008 * rng.standard_normal((1, size, size), dtype=np.float32), 0, 1)


def _discolour(rng: Generator, leaf: _Leaf, rgb: Plane, difficulty: float) -> tuple[Plane, NDArray[np.bool_]]:
    """Add an anomaly to `rgb` (3, S, S): change a* and b* and keep L*. Returns the image and the mask (S, S)."""
    reach, distance = 1.7 - 0.8 * difficulty, rng.uniform(0.8, 1.25) * 60 * 0.23**difficulty
    kind, hue = int(rng.integers(4)), (_HUES[rng.integers(len(_HUES))] + rng.uniform(-12, 12)) * pi / 180
    ragged, draw = 0.25 * _clouds(rng, len(rgb[0]), 9), rng.uniform
    x, y = leaf.along * 2 - 1, leaf.across
    depth = np.full_like(x, -1.0)  # above 0 inside the anomaly
    for _ in range((rng.integers(4, 9), rng.integers(1, 3), 1, 1)[kind]):
        u, v = draw(-0.6, 0.6), draw(-0.7, 0.7)
        radius = reach * draw(*((0.09, 0.16), (0.16, 0.3), (0.6, 0.9), (0.4, 0.6))[kind])
        depth = np.maximum(depth, 1 - np.hypot(x - u, (y - v) * 0.5) / radius)
    strength = np.clip((depth + ragged) * (4 if kind else 3), 0, 1) * (depth > -0.6) * leaf.cover
    if kind == 2:  # yellowing along the veins
        strength *= np.clip(3 * leaf.veins - 0.15, 0, 1)
    strength[strength < 0.15] = 0
    mask = strength > 0
    move = np.array([0, distance * cos(hue), distance * sin(hue)], np.float32)[:, None, None] * strength[mask][:, None]
    inside, low, high = _lab(rgb[:, mask, None]), np.zeros_like(move[0]), np.ones_like(move[0])
    for _ in range(8):  # bisect for the largest change that stays in gamut, since clipping would change L*
        middle = (low + high) / 2
        linear = _linear(inside + middle * move)
        fits = ((linear >= -1e-5) & (linear <= 1 + 1e-5)).all(axis=0)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    out = rgb.copy()
    out[:, mask] = np.clip(_encode(_linear(inside + low * move)), 0, 1)[..., 0]
    return out, mask


def _linear(lab: Plane) -> Plane:
    """Convert L*a*b* (3, H, W) to linear sRGB, without clipping."""
    y = (lab[0] + 16) / 116
    f = np.stack([y + lab[1] / 500, y, y - lab[2] / 200])
    return np.asarray(np.tensordot(_RGB, _WHITE * np.where(f > 6 / 29, f**3, (f - 4 / 29) * 108 / 841), 1))


def _encode(linear: Plane) -> Plane:
    """Convert linear light in 0…1 to sRGB."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.clip(linear, 0, None) ** (1 / 2.4) - 0.055)


def _lab(rgb: Plane) -> Plane:
    """Convert sRGB (3, H, W) in 0…1 to L*a*b* (D65)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = np.tensordot(_XYZ, linear, 1) / _WHITE
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * 841 / 108 + 4 / 29)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
