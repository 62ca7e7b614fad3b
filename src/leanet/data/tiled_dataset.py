"""A dataset whose images are cut into tiles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from leanet.data.decode import decoded, each
from leanet.data.images import DECODER, Dataset, ImageSet, Index
from leanet.data.tiles import TileGrid, Tiles, Tiling
from leanet.errors import LeanetError
from leanet.storage.files import read_array, write_array
from leanet.storage.locks import lock

if TYPE_CHECKING:
    from leanet.data.arrays import Picture


@runtime_checkable
class HasPictures(Protocol):
    """A dataset that gives its images at their own size."""

    def pictures(self, index: Index) -> Sequence["Picture"]:
        """The images in the order of `index`, before they are decoded."""


@dataclass(frozen=True)
class TiledDataset:
    """A `Dataset` with the images of another one, and their tiles.

    Args:
        whole: the other dataset.
        tiling: how its images are cut.
    """

    whole: Dataset
    tiling: Tiling

    @property
    def name(self) -> str:
        """As that of the whole images."""
        return self.whole.name

    @property
    def image_size(self) -> int:
        """S, the side of tiles as networks see them, and of whole images."""
        return self.whole.image_size

    def index(self) -> Index:
        """As that of the whole images."""
        return self.whole.index()

    def load(self, cache: Path) -> ImageSet:
        """The whole images at (S, S), and their tiles. Decoded images and tiles are kept in the folder `cache`.

        Raises:
            LeanetError: as for the whole images; an image smaller than a tile; or images that have no other size than
                `image_size`, such as painted leaves.
        """
        if not isinstance(self.whole, HasPictures):
            raise LeanetError(f"{self.name}: its images have no other size than dataset.image_size: nothing to cut")
        images = self.whole.load(cache)
        grid, tiling = self._grid(images), self.tiling
        cut = f"tiles{tiling.tiles}" if tiling.tiles else f"tile{tiling.size}"
        name = f"{self.name}-{self.image_size}-{images.index.fingerprint[:12]}-{cut}-{tiling.overlap:g}-v{DECODER}.npy"
        file, pictures = cache / name, self.whole.pictures(images.index)
        shape = (len(images.index), grid.count, 3, self.image_size, self.image_size)
        if not file.exists():
            with lock(cache, lambda: print(f"{cache}: waiting for the process that decodes images")):
                if not file.exists():
                    write_array(file, shape, np.uint8, lambda out: _cut(pictures, grid, out, f"cut {self.name}"))
        return replace(images, tiles=Tiles(read_array(file), grid))

    def _grid(self, images: ImageSet) -> TileGrid:
        for name, (width, height) in zip(images.index.names, images.sizes.tolist(), strict=True):
            try:
                self.tiling.side(width, height)
            except LeanetError as error:
                raise LeanetError(f"{name}: {error}; lower tile_size") from None
        return self.tiling.grid(images.sizes)


def _cut(pictures: Sequence["Picture"], grid: TileGrid, out: NDArray[np.uint8], label: str) -> None:
    """Fill `out` (N, T, 3, S, S) with the tiles of N images."""
    from leanet.data.arrays import as_image, files_of  # here, since it imports torch: mistakes are reported before

    def of_file(position: int, path: Path) -> None:
        with decoded(path) as image:
            out[position] = grid.cut(image, out.shape[-1])

    if files := files_of(pictures):
        each(of_file, files, label)
        return
    for position, picture in enumerate(pictures):
        out[position] = grid.cut(as_image(picture), out.shape[-1])
