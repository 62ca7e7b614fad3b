"""A fold's maps by features of its training normals: made once, shared by every run that needs them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leanet.config.settings import MapSettings
from leanet.detector.catalogue import without_weights
from leanet.errors import LeanetError
from leanet.maps.cross_fit import joined_maps
from leanet.maps.features.extractor import Extractor
from leanet.maps.features.layers import Layers, extracted, layers_of
from leanet.maps.features.network import FeatureMaps
from leanet.maps.features.padim import Padim, padim
from leanet.maps.features.patchcore import PatchCore, patchcore
from leanet.maps.make import kept_maps, maps_file
from leanet.storage.run_files import FEATURE_WEIGHTS
from leanet.storage.weights import give_weights, read_weights
from leanet.training.fit import save_tensors
from leanet.training.seeds import derive


def fit_features(extractor: Extractor, normals: Iterable[list[Tensor]], settings: MapSettings) -> FeatureMaps:
    """The maps' network, made of the layers of normal images, which are all it is ever given.

    Args:
        extractor: whose layers they are; on the device that the network is to be on.
        normals: in batches, (B, C, h, w) of each layer.

    Raises:
        LeanetError: channels that there are not.
    """
    with torch.inference_mode(), _every_digit():
        if settings.name == "padim":
            assert settings.channels is not None  # settings_of sees to it
            distances: Padim | PatchCore = padim(normals, settings.channels, settings.seed)
        else:
            assert settings.coreset is not None
            distances = patchcore(normals, settings.coreset, settings.seed)
    return FeatureMaps(extractor, distances).to(extractor.mean.device).eval()


def load_features(folder: Path, settings: MapSettings, image_size: int) -> FeatureMaps | None:
    """The maps' network kept in `folder`, if there is one, on the CPU; nothing is fetched.

    Raises:
        LeanetError: it is damaged, or of other settings.
    """
    file = folder / FEATURE_WEIGHTS
    if not file.exists():
        return None
    kept = read_weights(file)
    with without_weights():
        extractor = extractor_of(settings, image_size)
    network = FeatureMaps(extractor, _empty(kept, settings, file))
    give_weights(network, kept, file)
    return network.eval()


def fold_feature_maps(
    folder: Path,
    parts: Sequence[Path],
    layers_folder: Path,
    images: NDArray[np.uint8],
    normals: NDArray[np.int64],
    part_of: NDArray[np.int64] | None,
    settings: MapSettings,
    device: torch.device,
    label: str,
    say: Callable[[str], object] = print,
) -> Tensor:
    """The maps (N, 1, S, S) float16 of all `images` by the features of the rows `normals`; kept in `folder`.

    Of several processes that ask together, one makes them and the others wait for it.

    Args:
        parts: where the networks are kept: `folder` itself, or where maps are cross-fitted a folder for each part.
        layers_folder: where the layers' features of all images are kept.
        part_of: (N,) the part of each image, as `cross_fitted_maps` has it; None where maps are not cross-fitted.

    Raises:
        LeanetError: a network, layers or channels that there are not, or weights that cannot be had.
    """
    waiting, size = f"{label}: waiting for the process that is making these maps", images.shape[-1]

    def layers_there() -> tuple[Extractor, Layers]:
        extractor = extractor_of(settings, size).to(device)
        return extractor, layers_of(layers_folder, extractor, images, device, lambda: say(waiting))

    def make() -> Iterator[Tensor]:
        each = []
        extractor, layers = layers_there()
        for part, place in enumerate(parts, start=1):
            seen = normals if part_of is None else normals[part_of[normals] != part]
            say(f"{label}: {settings.name}, features of {len(seen)} normal images")
            network = fit_features(extractor, layers.batches(seen, device), settings)
            save_tensors(place / FEATURE_WEIGHTS, network.state_dict())
            each.append(_maps(network, layers.batches(None, device), size))
        return iter([each[0] if part_of is None else joined_maps(each, part_of)])

    if not maps_file(folder, settings.name).exists():
        layers_there()  # first, so that what they take is not counted as these maps' own
    return kept_maps(folder, settings.name, images.shape, make, lambda: say(waiting))


def feature_maps(network: FeatureMaps, images: Tensor) -> Tensor:
    """The maps (N, 1, S, S) float16, on the CPU, of images (N, 3, S, S) uint8."""
    return _maps(network, extracted(network.extractor, images, network.extractor.mean.device), images.shape[-1])


def extractor_of(settings: MapSettings, image_size: int) -> Extractor:
    """The frozen network whose features are modelled, on the CPU.

    Raises:
        LeanetError: a network or layers that there are not, or weights that cannot be had.
    """
    assert settings.network is not None and settings.layers is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(settings.seed, "features"))  # of random weights
        return Extractor(settings.network, settings.layers, image_size, settings.pretrained, settings.weights)


def _maps(network: FeatureMaps, layers: Iterable[list[Tensor]], size: int) -> Tensor:
    with torch.inference_mode(), _every_digit():
        return torch.cat([network.of(batch, size).half().cpu() for batch in layers])


def _empty(kept: dict[str, Any], settings: MapSettings, file: Path) -> Padim | PatchCore:
    """What `give_weights` fills: only the file knows how large it is."""
    names = ("channels", "mean", "inverse") if settings.name == "padim" else ("memory",)
    try:
        sizes = [torch.empty_like(kept[f"distances.{name}"]) for name in names]
        return Padim(*sizes) if settings.name == "padim" else PatchCore(*sizes)
    except (KeyError, TypeError):
        raise LeanetError(f"{file}: of other maps than {settings.name}") from None


@contextmanager
def _every_digit() -> Iterator[None]:
    """Products of matrices without TF32, which fits turn on for GPUs: distances are differences of large numbers."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
