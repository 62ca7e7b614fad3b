"""How far new images are from those that a model was trained on. Imports no torch.

The distance is that of Mahalanobis to the nearer of the two classes, with one covariance for both (Lee et al. 2018,
arXiv 1807.03888), shrunk by Ledoit and Wolf. Those of the training images themselves are computed by cross-validation,
each without the image itself, so that they are those of new images of the same kind.
"""

import hashlib
import math
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from leanet.model.find import FoundModel
from leanet.storage.files import damaged, write_atomically
from leanet.storage.run_files import REFERENCE

Floats = NDArray[np.float64]

MOST, LEAST = 500, 20  # training images that are used; with fewer, quantiles say nothing
LEVEL = 0.95  # of the quantile that images of a batch are counted above
FAR = 0.99  # of the quantile from which a single image is called unlike the training images
CHANCE = 0.01  # how often a batch of images like the training images is called unlike them
_PARTS = 5  # of the cross-validation
_LEAST_SD = 1e-6
_MOST_SDS = 5.0  # of a feature, so that a channel that is nearly always 0 does not decide alone


@dataclass(frozen=True)
class Reference:
    """The distribution of F features of a model's training images.

    Args:
        mean: (F,).
        deviation: (F,), the SD; features are standardised by both.
        classes: (C, F), the means of each class, standardised.
        precision: (F, F), the inverse covariance within classes, of standardised features.
        distances: (N,), of the training images, cross-validated, ascending.
    """

    mean: Floats
    deviation: Floats
    classes: Floats
    precision: Floats
    distances: Floats

    def distances_of(self, features: NDArray[np.floating]) -> Floats:
        """The distances (B,) of features (B, F), divided by the square root of F: about 1 for images alike."""
        off = _standardised(features, self.mean, self.deviation)[:, None] - self.classes
        squares = np.einsum("bcf,fg,bcg->bc", off, self.precision, off, optimize=True).min(axis=1)
        found: Floats = np.sqrt(np.maximum(squares, 0) / features.shape[1])
        return found

    def quantiles_of(self, distances: Floats) -> Floats:
        """The share of the training images that are nearer, 0…1, for each of distances (B,)."""
        found: Floats = np.searchsorted(self.distances, distances) / len(self.distances)
        return found

    @cached_property
    def rank(self) -> int:
        """Images are counted that are farther than the training image of this rank, 1 being the farthest."""
        return max(1, math.floor((1 - LEVEL) * len(self.distances)))

    @property
    def limit(self) -> float:
        """The distance of that training image."""
        return float(self.distances[-self.rank])

    def chance(self, far: int, images: int) -> float:
        """The probability that at least as many of a batch are farther than `limit`, if all are like the training's.

        The number has a beta-binomial distribution, whatever that of the distances is, which takes into account that
        the limit itself is from a sample.

        Args:
            far: the number of images that are farther than `limit`.
            images: of the batch.
        """
        from scipy.stats import betabinom  # here, since its import takes a second

        return float(betabinom.sf(far - 1, images, self.rank, len(self.distances) + 1 - self.rank))

    @cached_property
    def digest(self) -> str:
        """12 hex digits of SHA-256 over all values."""
        values = (np.ascontiguousarray(getattr(self, entry.name)).tobytes() for entry in fields(self))
        return hashlib.sha256(b"".join(values)).hexdigest()[:12]

    @property
    def facts(self) -> dict[str, Any]:
        """What the model card says."""
        levels = (0.5, LEVEL, FAR)
        return {
            "images": len(self.distances),
            "quantiles": {f"{level:g}": float(np.quantile(self.distances, level)) for level in levels},
        }

    def write(self, folder: Path) -> None:
        """Write the reference into a model's folder."""
        write_atomically(folder / REFERENCE, lambda out: np.savez(out, **asdict(self)))


class FarImages:
    """Counts the images of a batch that are far from the training images, one after the other."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._images = self._far = 0

    def add(self, distance: float | None) -> tuple[str, str]:
        """Count an image; returns its distance and quantile as texts, empty if its distance is not known."""
        if distance is None:  # in the journal of an older version
            return "", ""
        self._images += 1
        self._far += distance > self._reference.limit
        [quantile] = self._reference.quantiles_of(np.array([distance]))
        return f"{distance:.6g}", f"{quantile:.4g}"

    @property
    def facts(self) -> dict[str, Any] | None:
        """Of prediction.json; None if no distance is known."""
        if not self._images:
            return None
        count = len(self._reference.distances)
        return {
            "images": self._images,
            "far": self._far,
            "expected": self._images * self._reference.rank / (count + 1),
            "chance": self._reference.chance(self._far, self._images),
        }


def read_reference(folder: Path) -> Reference | None:
    """Read the reference in a model's folder; None if there is none, as in models of older versions.

    Raises:
        LeanetError: it is damaged.
    """
    file = folder / REFERENCE
    try:
        with np.load(file, allow_pickle=False) as kept:
            found = Reference(**{entry.name: kept[entry.name].astype(np.float64) for entry in fields(Reference)})
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, KeyError, BadZipFile):
        raise damaged(file) from None
    count = len(found.mean) if found.mean.ndim == 1 else -1
    shapes = (found.deviation.shape, found.classes.shape[1:], found.precision.shape)
    if shapes != ((count,), (count,), (count, count)) or found.distances.ndim != 1 or not len(found.distances):
        raise damaged(file)
    return found


def reference_of(found: FoundModel) -> Reference | None:
    """The reference of a fitted model; None for runs and cells, which have none, and for models of older versions."""
    return read_reference(found.members[0].folder) if len(found.members) == 1 else None


def chosen(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of at most `MOST` training images, at random, in order."""
    order = np.random.default_rng(0).permutation(len(labels))[:MOST]
    return np.sort(order)


def fit_reference(features: NDArray[np.floating], labels: NDArray[np.int64]) -> Reference | None:
    """Fit a reference to the features of training images.

    Args:
        features: (N, F).
        labels: (N,), 0 normal and 1 anomalous.

    Returns:
        the reference; None for fewer than `LEAST` images.
    """
    if len(labels) < LEAST:
        return None
    known, part = features.astype(np.float64), _parts(labels)
    distances = np.empty(len(labels))
    for out in range(_PARTS):
        without = _fitted(known[part != out], labels[part != out])
        distances[part == out] = Reference(*without, distances).distances_of(known[part == out])
    return Reference(*_fitted(known, labels), np.sort(distances))


def _parts(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A part for each image, 0…`_PARTS` - 1, stratified."""
    part, random = np.empty(len(labels), dtype=np.int64), np.random.default_rng(0)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        part[random.permutation(rows)] = np.arange(len(rows)) % _PARTS
    return part


def _fitted(known: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, SD, class means and precision, as in `Reference`."""
    from sklearn.covariance import LedoitWolf  # here, since its import takes a second

    mean, deviation = known.mean(axis=0), known.std(axis=0)
    deviation = np.where(deviation > _LEAST_SD, deviation, 1)
    standardised = _standardised(known, mean, deviation)
    kinds, place = np.unique(labels, return_inverse=True)
    classes = np.stack([standardised[labels == kind].mean(axis=0) for kind in kinds])
    covariance = LedoitWolf(assume_centered=True).fit(standardised - classes[place])
    return mean, deviation, classes, covariance.precision_


def _standardised(features: NDArray[np.floating], mean: Floats, deviation: Floats) -> Floats:
    found: Floats = np.clip((features - mean) / deviation, -_MOST_SDS, _MOST_SDS)
    return found
