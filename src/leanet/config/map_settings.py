"""The settings of anomaly maps."""

from dataclasses import dataclass
from typing import Annotated, Any

from leanet.config.rules import BOOLEAN, LAYERS, PATH, SHARE, TEXT, WEIGHTS, one_of, whole

# Maps from features of a frozen network: the settings of each kind, with the values of its article.
FEATURE_MAPS: dict[str, dict[str, Any]] = {
    "padim": {"network": "resnet18", "layers": [1, 2, 3], "channels": 100},
    "patchcore": {"network": "resnet18", "layers": [2, 3], "coreset": 0.1},
}


@dataclass(frozen=True)
class MapSettings:
    """The anomaly maps.

    Args:
        name: the kind of map.
        scaling: as for `leanet.maps.scaling.map_divisor`.
        root: for `folder`, the folder of the maps; `{fold}` in it is replaced by the fold's number.
        cross_fit: the number of parts for cross-fitting (see `leanet.maps.recipe`); None: one map maker.
        network: for maps from features, as for `leanet.maps.features.extractor.Extractor`.
        layers: like `network`.
        pretrained: like `network`.
        channels: of `padim`.
        coreset: of `patchcore`.
        seed: for maps from features, of everything random.
        weights: like `network`.
    """

    name: Annotated[str, one_of("ciede2000", "legacy", "ab", "folder", *FEATURE_MAPS)]
    scaling: Annotated[str, one_of("image_max", "fold", "fixed")]
    root: Annotated[str | None, PATH] = None
    cross_fit: Annotated[int | None, whole(2)] = None
    network: Annotated[str | None, TEXT] = None
    layers: Annotated[list[int] | None, LAYERS] = None
    pretrained: Annotated[bool, BOOLEAN] = True
    channels: Annotated[int | None, whole(1)] = None
    coreset: Annotated[float | None, SHARE] = None
    seed: Annotated[int, whole(0)] = 0
    weights: Annotated[str | None, WEIGHTS] = None

    @property
    def unit(self) -> str:
        """The unit of the maps for people; empty for maps from a folder."""
        colours = {"ciede2000": "ΔE00", "legacy": "ΔE00 (legacy)", "ab": "ΔE in a*b*"}
        return colours.get(self.name, "distance" if self.is_of_features else "")

    @property
    def is_of_features(self) -> bool:
        """Whether maps are made from features of a frozen network and not by a colorizer."""
        return self.name in FEATURE_MAPS
