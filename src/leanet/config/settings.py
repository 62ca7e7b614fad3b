"""The configuration's schema and its checks. Imports neither torch nor lightning, so that mistakes show at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from leanet.config.rules import (
    BETAS,
    BOOLEAN,
    LAYERS,
    MOMENTUM,
    NODE,
    PATH,
    POSITIVE,
    REST,
    SEVERAL,
    SHARE,
    TEXT,
    number,
    one_of,
    whole,
)

Node = dict[str, Any]  # a free part of the configuration: what `_target_` names, with its arguments


@dataclass(frozen=True)
class AdnSettings:
    """`network` is called with `channels` and `image_size` as well, and gives an `Adn`.

    lr: None for one that fits itself.
    bn_momentum: of batch norm in ADN and CAAN, as `set_batch_norm` has it.
    weights: pretrained ones, `bundled` or a file; None: as `pretrained` in `network` says (imagenet or none).
    freeze: how many of the five points' stages keep their pretrained weights; None: all stages train.
    fitted_to: of an ADN that fits itself, without epochs, what it sees: the images or their anomaly maps; None for
        networks that are trained.
    pooling, map_statistics: of a frozen ADN, as `leanet.detector.frozen.Frozen` has them.
    """

    name: Annotated[str, TEXT]
    lr: Annotated[float | None, POSITIVE]
    network: Annotated[Node, REST]
    bn_momentum: Annotated[float | str | None, MOMENTUM] = None  # like every default here: not in older config.yaml
    fitted_to: Annotated[str | None, one_of("rgb", "map")] = None
    weights: Annotated[str | None, PATH] = None
    freeze: Annotated[int | None, whole(1, 5)] = None
    pooling: Annotated[str, one_of("mean", "map")] = "mean"
    map_statistics: Annotated[bool, BOOLEAN] = False

    @property
    def is_frozen(self) -> bool:
        """Whether it is a regression of a frozen network's features: the one that fits itself and has points."""
        return self.network.get("_target_") == "leanet.detector.frozen.frozen"

    @property
    def uses_maps(self) -> bool:
        """Whether anomaly maps are among what a frozen ADN sees; attention is another matter."""
        return self.pooling == "map" or self.map_statistics


@dataclass(frozen=True)
class CaanSettings:
    """`network` gives an `ExternalNetwork`; without it there is no attention."""

    name: Annotated[str, TEXT]
    network: Annotated[Node | None, REST]
    weights: Annotated[str | None, PATH] = None  # as an ADN's

    @property
    def is_trained(self) -> bool:
        """Whether it has parameters: all but direct attention, and none at all."""
        return self.network is not None and self.network.get("_target_") != "leanet.detector.caan.DirectAttention"


@dataclass(frozen=True)
class AttentionSettings:
    """How the external network's features become the attention (`leanet.detector.attention.Attention`).

    The defaults are the paper's, and what older runs had.
    """

    reduce: Annotated[str, one_of("mean", "max", "conv")] = "mean"
    standardized: Annotated[bool, BOOLEAN] = False
    squash: Annotated[str, one_of("sigmoid", "tanh", "none")] = "sigmoid"
    centred: Annotated[bool, BOOLEAN] = False
    gain: Annotated[float, POSITIVE] = 1.0
    learned_gain: Annotated[bool, BOOLEAN] = False
    points: Annotated[list[int] | None, SEVERAL] = None


@dataclass(frozen=True)
class InputSettings:
    """What the ADN sees."""

    name: Annotated[str, one_of("rgb", "map", "rgb_map", "attentioned")]


# Maps by features of a frozen network: what each has to say of them, and what its article takes.
FEATURE_MAPS: dict[str, Node] = {
    "padim": {"network": "resnet18", "layers": [1, 2, 3], "channels": 100},
    "patchcore": {"network": "resnet18", "layers": [2, 3], "coreset": 0.1},
}


@dataclass(frozen=True)
class MapSettings:
    """`root` is for maps made elsewhere; {fold} in it stands for the fold's number.

    cross_fit: into how many parts the normals are dealt, as `cross_fitted_maps` has it; None for one colorizer of all.
    network, layers, pretrained, seed, weights: of maps by features, as `leanet.features.Extractor` has them.
    channels, coreset: of `padim` and of `patchcore`.
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
    weights: Annotated[str | None, PATH] = None

    @property
    def unit(self) -> str:
        """For people."""
        colours = {"ciede2000": "ΔE00", "legacy": "ΔE00 (legacy)", "ab": "ΔE in a*b*"}
        return colours.get(self.name, "distance" if self.is_of_features else "")

    @property
    def is_of_features(self) -> bool:
        """Whether a frozen network's features make the maps, and no colorizer."""
        return self.name in FEATURE_MAPS


@dataclass(frozen=True)
class ColorizerSettings:
    """Everything that changes a colorizer, its seed included: runs that agree on it share their maps.

    `network` is called with `image_size` as well, and gives a `Colorizer`.
    """

    name: Annotated[str, TEXT]
    max_epochs: Annotated[int, whole(1)]
    patience: Annotated[int, whole(1)]
    batch_size: Annotated[int, whole(2)]
    lr: Annotated[float, POSITIVE]
    betas: Annotated[list[float], BETAS]
    loss: Annotated[str, one_of("bce", "mse", "ciede2000")]
    fancy_pca: Annotated[float, number(0, 10)]
    seed: Annotated[int, whole(0)]
    network: Annotated[Node, REST]
    bn_momentum: Annotated[float | str | None, MOMENTUM] = None


@dataclass(frozen=True)
class TrainerSettings:
    max_epochs: Annotated[int, whole(1)]
    batch_size: Annotated[int, whole(2)]
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "mps")]
    devices: Annotated[int, whole(1)]
    precision: Annotated[str, one_of("32-true", "16-mixed", "bf16-mixed")]
    checkpoint_seconds: Annotated[float, number(0, 86400)]
    compile: Annotated[bool, BOOLEAN] = False
    averaging: Annotated[str, one_of("none", "ema", "swa")] = "none"
    select: Annotated[str, one_of("last", "val_f1", "val_loss")] = "last"
    balance: Annotated[str, one_of("none", "weights", "prior")] = "none"


@dataclass(frozen=True)
class RunPaths:
    """Of commands that read no dataset."""

    runs: Annotated[str, PATH]


@dataclass(frozen=True)
class PathSettings:
    data: Annotated[str, PATH]
    runs: Annotated[str, PATH]


@dataclass(frozen=True)
class Settings:
    """The whole of conf/train.yaml. `point` is 1…5 and `fold` 1…folds, as the paper counts them."""

    point: Annotated[int, whole(1, 5)]
    folds: Annotated[int, whole(2)]
    fold: Annotated[int | None, whole(1)]
    seed: Annotated[int, whole(0)]
    split_seed: Annotated[int, whole(0)]
    positive_rate: Annotated[float, SHARE]
    dataset: Annotated[Node, NODE]
    adn: AdnSettings
    caan: CaanSettings
    input: InputSettings
    map: MapSettings
    colorizer: ColorizerSettings
    trainer: TrainerSettings
    logger: Annotated[Node, NODE]
    paths: PathSettings
    # Not in the config.yaml of older runs:
    validation: Annotated[float, number(0, 0.5)] = 0.0
    attention: AttentionSettings = AttentionSettings()

    @property
    def dataset_name(self) -> str:
        return str(self.dataset["name"])

    @property
    def image_size(self) -> int:
        return int(self.dataset["image_size"])

    @property
    def root(self) -> str | None:
        """The folder of the images, relative to `paths.data` where it is in there; None for a dataset without one."""
        root, home = self.dataset.get("root"), Path(self.paths.data)
        return str(Path(root).relative_to(home)) if root and Path(root).is_relative_to(home) else root

    @property
    def points(self) -> list[int]:
        """Where the attention enters: the one point, or the several that take its place."""
        return self.attention.points or [self.point]

    @property
    def has_epochs(self) -> bool:
        """Whether its detector is trained in epochs; one that fits itself is not."""
        return self.adn.fitted_to is None

    @property
    def has_attention(self) -> bool:
        return self.caan.network is not None

    @property
    def needs_maps(self) -> bool:
        return self.has_attention or self.input.name != "rgb"

    @property
    def makes_maps(self) -> bool:
        """Whether its maps are made here, and not read from a folder."""
        return self.needs_maps and self.map.name != "folder"

    @property
    def has_colorizer(self) -> bool:
        """Whether a colorizer makes its maps."""
        return self.makes_maps and not self.map.is_of_features

    @property
    def cross_fit(self) -> int | None:
        """The number of map makers, each fitted without one part of the normals; None for one fitted on all."""
        return self.map.cross_fit if self.makes_maps else None

    @property
    def selected_folds(self) -> list[int]:
        return list(range(1, self.folds + 1)) if self.fold is None else [self.fold]
