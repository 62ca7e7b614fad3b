"""All settings as dataclasses. Imports neither torch nor lightning, so that mistakes are reported at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from leanet.config.map_settings import MapSettings
from leanet.config.rules import (
    BETAS,
    BOOLEAN,
    MOMENTUM,
    NODE,
    PATH,
    POSITIVE,
    REST,
    SEVERAL,
    SHARE,
    TEXT,
    WEIGHTS,
    number,
    one_of,
    whole,
)

Node = dict[str, Any]  # a part of the configuration without a schema: `_target_` and its arguments


@dataclass(frozen=True)
class AdnSettings:
    """The ADN.

    Args:
        name: of the choice `adn=`.
        lr: learning rate; None for an ADN without epochs.
        network: `_target_` and arguments of a function that returns an `Adn`; `channels` and `image_size` are added.
        bn_momentum: of batch norm in ADN and CAAN, as for `set_batch_norm`.
        fitted_to: for an ADN without epochs (`FitsItself`), its input: rgb or map; None for trained networks.
        weights: `bundled` or a weight file; None: `pretrained` in `network` decides between imagenet and none.
        freeze: the number of stages that keep their pretrained weights, 1…5; None: all stages are trained.
        pooling: of a frozen ADN, as for `leanet.detector.frozen.Frozen`.
        map_statistics: of a frozen ADN, as for `leanet.detector.frozen.Frozen`.
    """

    name: Annotated[str, TEXT]
    lr: Annotated[float | None, POSITIVE]
    network: Annotated[Node, REST]
    bn_momentum: Annotated[float | str | None, MOMENTUM] = None  # defaults: older config.yaml lack these
    fitted_to: Annotated[str | None, one_of("rgb", "map")] = None
    weights: Annotated[str | None, WEIGHTS] = None
    freeze: Annotated[int | None, whole(1, 5)] = None
    pooling: Annotated[str, one_of("mean", "map")] = "mean"
    map_statistics: Annotated[bool, BOOLEAN] = False

    @property
    def is_frozen(self) -> bool:
        """Whether the ADN is a logistic regression on features of a frozen network."""
        return self.network.get("_target_") == "leanet.detector.frozen.frozen"

    @property
    def uses_maps(self) -> bool:
        """Whether a frozen ADN has anomaly maps in its input, apart from attention."""
        return self.pooling == "map" or self.map_statistics


@dataclass(frozen=True)
class CaanSettings:
    """The external network.

    Args:
        name: of the choice `caan=`.
        network: `_target_` and arguments of an `ExternalNetwork`; None: no attention.
        weights: as for `AdnSettings`.
    """

    name: Annotated[str, TEXT]
    network: Annotated[Node | None, REST]
    weights: Annotated[str | None, WEIGHTS] = None

    @property
    def is_trained(self) -> bool:
        """Whether there is an external network with parameters, which direct attention has not."""
        return self.network is not None and self.network.get("_target_") != "leanet.detector.caan.DirectAttention"


@dataclass(frozen=True)
class AttentionSettings:
    """How features of the external network become the attention, as for `leanet.detector.attention.Attention`.

    The defaults are the paper's. `points` are several attention points; None: the one of `point`.
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
    """The input of the ADN."""

    name: Annotated[str, one_of("rgb", "map", "rgb_map", "attentioned")]


@dataclass(frozen=True)
class ColorizerSettings:
    """The colorizer and its training. Runs with the same values, seed included, share their maps.

    `network` has `_target_` and arguments of a function that returns a `Colorizer`; `image_size` is added.
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
    held_out: Annotated[float, number(0, 0.5)] = 0.0
    upsampling: Annotated[str, one_of("transposed", "resize")] = "transposed"


@dataclass(frozen=True)
class TrainerSettings:
    """The training of the detector."""

    max_epochs: Annotated[int, whole(1)]
    batch_size: Annotated[int, whole(2)]
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "mps")]
    devices: Annotated[int, whole(1)]
    precision: Annotated[str, one_of("32-true", "16-mixed", "bf16-mixed")]
    checkpoint_seconds: Annotated[float, number(0, 86400)]
    compile: Annotated[str | bool, one_of("auto", True, False)] = "auto"
    averaging: Annotated[str, one_of("none", "ema", "swa")] = "none"
    select: Annotated[str, one_of("last", "val_f1", "val_loss")] = "last"
    balance: Annotated[str, one_of("none", "weights", "prior")] = "none"


@dataclass(frozen=True)
class RunPaths:
    """The paths of commands that read no dataset."""

    runs: Annotated[str, PATH]


@dataclass(frozen=True)
class PathSettings:
    """The folders of datasets and of all output."""

    data: Annotated[str, PATH]
    runs: Annotated[str, PATH]


@dataclass(frozen=True)
class Settings:
    """All settings of conf/train.yaml. `point` is 1…5 and `fold` 1…folds, as in the paper; no fold means all."""

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
    leave_kind_out: Annotated[bool, BOOLEAN] = False
    tiles: Annotated[int | None, whole(2, 64)] = None
    tile_size: Annotated[int | None, whole(16)] = None
    tile_overlap: Annotated[float, number(0, 0.9)] = 0.1
    tile_pooling: Annotated[str, one_of("max", "top", "learned")] = "max"
    tile_top: Annotated[int, whole(2)] = 5

    @property
    def has_tiles(self) -> bool:
        """Whether images are cut into tiles: `tiles` along the shorter side, or tiles of `tile_size` pixels."""
        return self.tiles is not None or self.tile_size is not None

    @property
    def dataset_name(self) -> str:
        """The dataset's name, in names of runs and in reports."""
        return str(self.dataset["name"])

    @property
    def image_size(self) -> int:
        """S, to which images are resized."""
        return int(self.dataset["image_size"])

    @property
    def fit(self) -> str:
        """How images that are not square become square: `stretch`, `pad` or `crop`."""
        return str(self.dataset.get("fit", "stretch"))  # runs of older versions, and other datasets, do not have it

    @property
    def folds_from_images(self) -> bool:
        """Whether the number of folds may come from the dataset: from kinds, or from a column of a table."""
        return self.leave_kind_out or "file" in self.dataset

    @property
    def root(self) -> str | None:
        """The folder of the images, relative to `paths.data` if it is inside; None for a dataset without a folder."""
        root, home = self.dataset.get("root"), Path(self.paths.data)
        return str(Path(root).relative_to(home)) if root and Path(root).is_relative_to(home) else root

    @property
    def points(self) -> list[int]:
        """The attention points: `attention.points`, or else the one of `point`."""
        return self.attention.points or [self.point]

    @property
    def has_epochs(self) -> bool:
        """Whether the detector is trained in epochs, and not by fitting a regression."""
        return self.adn.fitted_to is None

    @property
    def has_attention(self) -> bool:
        """Whether there is an external network."""
        return self.caan.network is not None

    @property
    def needs_maps(self) -> bool:
        """Whether the detector uses anomaly maps, as attention or as input."""
        return self.has_attention or self.input.name != "rgb"

    @property
    def makes_maps(self) -> bool:
        """Whether anomaly maps are made by leanet and not read from a folder."""
        return self.needs_maps and self.map.name != "folder"

    @property
    def has_colorizer(self) -> bool:
        """Whether anomaly maps are made by a colorizer."""
        return self.makes_maps and not self.map.is_of_features

    @property
    def cross_fit(self) -> int | None:
        """The number of map makers, each fitted without one part of the normals; None for one fitted on all."""
        return self.map.cross_fit if self.makes_maps else None

    @property
    def selected_folds(self) -> list[int]:
        """The folds to train: the one of `fold`, or all."""
        return list(range(1, self.folds + 1)) if self.fold is None else [self.fold]
