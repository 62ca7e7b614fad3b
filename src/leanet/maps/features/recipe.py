"""Anomaly maps from features of a pretrained network, by PaDiM or PatchCore: fitting, keeping and loading."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leanet.config.map_settings import MapSettings
from leanet.detector.catalogue import without_weights
from leanet.errors import LeanetError
from leanet.maps.features.extractor import Extractor
from leanet.maps.features.feature_maps import FeatureMaps
from leanet.maps.features.layers import Layers, layers_of
from leanet.maps.features.padim import Padim, padim
from leanet.maps.features.patchcore import PatchCore, patchcore
from leanet.maps.recipe import Recipe, Rows
from leanet.storage.run_files import FEATURE_WEIGHTS
from leanet.storage.weights import give_weights, read_weights
from leanet.training.fit import save_tensors
from leanet.training.seeds import derive


def extractor_of(settings: MapSettings, image_size: int) -> Extractor:
    """Create the frozen network that computes the features, on the CPU.

    Args:
        settings: of the map.
        image_size: S.

    Raises:
        LeanetError: a network or layers that do not exist, or weights that cannot be loaded.
    """
    assert settings.network is not None and settings.layers is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(settings.seed, "features"))  # for networks with random weights
        return Extractor(settings.network, settings.layers, image_size, settings.pretrained, settings.weights)


def fit_features(extractor: Extractor, normals: Iterable[list[Tensor]], settings: MapSettings) -> FeatureMaps:
    """Fit a map maker to features of normal images.

    Args:
        extractor: the network that computed the features.
        normals: for each batch, (B, C, h, w) for each layer.
        settings: of the map; `name` is padim or patchcore.

    Returns:
        the map maker in evaluation mode, on the extractor's device.

    Raises:
        LeanetError: `settings.channels` is more than the layers have.
    """
    with torch.inference_mode(), _full_float32():
        if settings.name == "padim":
            assert settings.channels is not None  # checked by settings_of
            distances: Padim | PatchCore = padim(normals, settings.channels, settings.seed)
        else:
            assert settings.coreset is not None
            distances = patchcore(normals, settings.coreset, settings.seed)
    return FeatureMaps(extractor, distances).to(extractor.mean.device).eval()


def load_feature_maps(folder: Path, settings: MapSettings, image_size: int) -> FeatureMaps | None:
    """Load the map maker kept in a folder. Nothing is downloaded.

    Args:
        folder: of the map maker.
        settings: of the map that it was fitted with.
        image_size: S.

    Returns:
        the map maker in evaluation mode on the CPU; None if there is none.

    Raises:
        LeanetError: it is damaged, or was made with other settings.
    """
    file = folder / FEATURE_WEIGHTS
    if not file.exists():
        return None
    kept = read_weights(file)
    with without_weights():
        extractor = extractor_of(settings, image_size)
    maker = FeatureMaps(extractor, _empty(kept, settings, file))
    give_weights(maker, kept, file)
    return maker.eval()


def maps_of_layers(maker: FeatureMaps, layers: Iterable[list[Tensor]], size: int) -> Iterator[Tensor]:
    """Make maps from features.

    Args:
        maker: the fitted map maker.
        layers: for each batch, (B, C, h, w) for each layer.
        size: S.

    Yields:
        (B, 1, S, S) float16 on the CPU.
    """
    for batch in layers:
        with torch.inference_mode(), _full_float32():
            maps = maker.of(batch, size).half().cpu()
        yield maps


@dataclass
class FeatureRecipe(Recipe):
    """Maps from features.

    Args:
        images: all images of the dataset, (N, 3, S, S) uint8.
        settings: of the map.
        layers_folder: in which the features of all images are kept, shared by folds and kinds of maps.
        device: on which features and maps are computed.
        say: receives messages.
    """

    images: NDArray[np.uint8]
    settings: MapSettings
    layers_folder: Path
    device: torch.device
    say: Callable[[str], object] = print
    _layers: Layers = field(init=False)

    def prepare(self, on_wait: Callable[[], object]) -> None:
        self._layers = layers_of(self.layers_folder, self._extractor, self.images, self.device, on_wait)

    def load(self, folder: Path) -> FeatureMaps | None:
        maker = load_feature_maps(folder, self.settings, self.images.shape[-1])
        return maker and maker.to(self.device)

    def fit(self, normals: Rows, folder: Path, label: str) -> FeatureMaps:
        self.say(f"{label}: {self.settings.name}, features of {len(normals)} normal images")
        maker = fit_features(self._extractor, self._layers.batches(normals, self.device), self.settings)
        save_tensors(folder / FEATURE_WEIGHTS, maker.state_dict())
        return maker

    def maps(self, maker: nn.Module) -> Iterator[Tensor]:
        assert isinstance(maker, FeatureMaps)
        return maps_of_layers(maker, self._layers.batches(None, self.device), self.images.shape[-1])

    @cached_property
    def _extractor(self) -> Extractor:
        return extractor_of(self.settings, self.images.shape[-1]).to(self.device)


def _empty(kept: dict[str, Any], settings: MapSettings, file: Path) -> Padim | PatchCore:
    """An empty model with the sizes in the file, for `give_weights` to fill."""
    names = ("channels", "mean", "inverse") if settings.name == "padim" else ("memory",)
    try:
        sizes = [torch.empty_like(kept[f"distances.{name}"]) for name in names]
        return Padim(*sizes) if settings.name == "padim" else PatchCore(*sizes)
    except (KeyError, TypeError):
        raise LeanetError(f"{file}: of other maps than {settings.name}") from None


@contextmanager
def _full_float32() -> Iterator[None]:
    """Matrix products without TF32, which training turns on for GPUs: distances are differences of large numbers."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
