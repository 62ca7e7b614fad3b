"""How anomaly maps are made: a map maker is fitted on a fold's normal images, and then is a module, RGB → map.

A map maker knows the images that it was fitted on: their maps are fainter than those of others. With `map.cross_fit=K`
the normals are divided into K parts, and K map makers are fitted, each without one of them. The map of a training
normal is made by the map maker that was fitted without it. This is cross-fitting, as nuisance functions are estimated
in statistics (Chernozhukov et al. 2018, Econometrics Journal 21:C1–C68).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leanet.maps.scaling import mean_map
from leanet.storage.kept_array import kept_array
from leanet.storage.locks import lock

Rows = NDArray[np.int64]


class Recipe(ABC):
    """One kind of map of the images of a dataset: how its map maker is fitted, kept and used.

    A map maker is a module, sRGB in 0…1 (B, 3, S, S) → anomaly maps (B, 1, S, S).

    Args:
        images: all images of the dataset, (N, 3, S, S) uint8.
    """

    images: NDArray[np.uint8]

    def prepare(self, on_wait: Callable[[], object]) -> None:  # noqa: B027  # most kinds need nothing
        """Compute what folds share. Its time is not counted as that of one fold's maps."""

    @abstractmethod
    def load(self, folder: Path) -> nn.Module | None:
        """The map maker kept in `folder`; None if there is none."""

    @abstractmethod
    def fit(self, normals: Rows, folder: Path, label: str) -> nn.Module:
        """Fit a map maker on normal images, and keep it.

        Args:
            normals: rows of the images that it is fitted on; no other images are used.
            folder: in which it is kept.
            label: of the run, in messages.

        Returns:
            the map maker.
        """

    @abstractmethod
    def maps(self, maker: nn.Module) -> Iterator[Tensor]:
        """The maps of all images, in batches (B, 1, S, S) float16 on the CPU."""


@dataclass(frozen=True)
class FoldMaps:
    """The maps of all images that a fold's training normals give, and where they are kept.

    Args:
        file: of the maps, (N, 1, S, S) float16.
        makers: the folders of the map makers: one, or with cross-fitting one for each of the K parts.
        normals: rows of the training normals.
        part_of: (N,) the part of each image, 1…K; 0 for images in no part. None without cross-fitting.
    """

    file: Path
    makers: Sequence[Path]
    normals: Rows
    part_of: Rows | None = None

    def fitted_on(self, part: int) -> Rows:
        """The rows that the map maker number `part`, from 1, is fitted on."""
        return self.normals if self.part_of is None else self.normals[self.part_of[self.normals] != part]


def fold_maps(recipe: Recipe, fold: FoldMaps, label: str = "", say: Callable[[str], object] = print) -> Tensor:
    """The maps (N, 1, S, S) float16 of all images, memory-mapped. One process makes them, and the others wait for it.

    With cross-fitting, an image in a part gets the map of the map maker fitted without that part, and all other images
    get the mean of all K maps. If the process is killed, the next one resumes from its checkpoint.

    Args:
        recipe: of the kind of map.
        fold: which maps, and where they are kept.
        label: of the run, in messages.
        say: receives messages.

    Raises:
        LeanetError: the map maker cannot be fitted: too few normals, or a network or weights that cannot be had.
    """

    def on_wait() -> None:
        say(f"{label}: waiting for the process that is making these maps")

    def make() -> Iterator[Tensor]:
        if fold.part_of is None:
            return recipe.maps(_maker(recipe, fold, 1, label))
        each = []
        for part in range(1, len(fold.makers) + 1):
            maker = _maker(recipe, fold, part, f"{label}, part {part}/{len(fold.makers)}")
            each.append(torch.cat(list(recipe.maps(maker))))
        return iter([_joined(each, fold.part_of)])

    if not fold.file.exists():
        recipe.prepare(on_wait)
    count, _, *size = recipe.images.shape
    return kept_array(fold.file, (count, 1, *size), make, on_wait)


def _maker(recipe: Recipe, fold: FoldMaps, part: int, label: str) -> nn.Module:
    folder = fold.makers[part - 1]
    with nullcontext() if folder == fold.file.parent else lock(folder):  # the maps' own folder is locked already
        return recipe.load(folder) or recipe.fit(fold.fitted_on(part), folder, label)


def _joined(each: Sequence[Tensor], part_of: Rows) -> Tensor:
    """Of the maps (N, 1, S, S) by K map makers: for an image in a part those made without it, else their mean."""
    joined = mean_map(each)
    for part, maps in enumerate(each, start=1):
        rows = torch.from_numpy(np.flatnonzero(part_of == part))
        joined[rows] = maps[rows]
    return joined
