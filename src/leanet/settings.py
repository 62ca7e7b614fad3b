"""The configuration's schema and its checks. Imports neither torch nor lightning, so that mistakes show at once."""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, get_args

from leanet.errors import LeanetError

SIZE_STEP = 32  # both CAANs and the paper's ADNs halve an image five times

Node = dict[str, Any]  # a free part of the configuration: what `_target_` names, with its arguments


@dataclass(frozen=True)
class Rule:
    """What a value must be: a test, and the words for it."""

    holds: Callable[[Any], bool]
    words: str


def whole(low: int, high: int | None = None) -> Rule:
    words = f"a whole number from {low}" + (f" to {high}" if high is not None else "")
    return Rule(lambda v: type(v) is int and v >= low and (high is None or v <= high), words)


def number(low: float, high: float) -> Rule:
    return Rule(lambda v: type(v) in (int, float) and low <= v <= high, f"a number from {low:g} to {high:g}")


def one_of(*choices: str) -> Rule:
    return Rule(lambda v: v in choices, " or ".join([", ".join(choices[:-1]), choices[-1]]))


POSITIVE = Rule(lambda v: type(v) in (int, float) and 0 < v < float("inf"), "a number above 0")
TEXT = Rule(lambda v: isinstance(v, str) and v != "", "a text")
NODE = Rule(lambda v: isinstance(v, dict) and "_target_" in v, "a group with a _target_")
IMAGE_SIZE = Rule(
    lambda v: type(v) is int and v >= SIZE_STEP and v % SIZE_STEP == 0,
    f"a multiple of {SIZE_STEP}, since the networks halve an image five times",
)


def rule(rule: Rule) -> Any:
    return field(metadata={"rule": rule})


@dataclass(frozen=True)
class AdnSettings:
    name: str = rule(TEXT)
    lr: float = rule(POSITIVE)
    network: Node = rule(NODE)


@dataclass(frozen=True)
class CaanSettings:
    name: str = rule(TEXT)
    network: Node | None = rule(NODE)


@dataclass(frozen=True)
class MapSettings:
    name: str = rule(one_of("ciede2000"))
    scaling: str = rule(one_of("image_max", "fold", "fixed"))


@dataclass(frozen=True)
class ColorizerSettings:
    """Everything that changes a colorizer, its seed included: runs that agree on it share their maps."""

    max_epochs: int = rule(whole(1))
    patience: int = rule(whole(1))
    batch_size: int = rule(whole(2))
    lr: float = rule(POSITIVE)
    betas: list[float] = rule(
        Rule(lambda v: isinstance(v, list) and len(v) == 2 and all(0 <= b < 1 for b in v), "two numbers from 0 to 1")
    )
    dropout: float = rule(number(0, 0.9))
    loss: str = rule(one_of("bce", "mse"))
    fancy_pca: float = rule(number(0, 10))
    seed: int = rule(whole(0))


@dataclass(frozen=True)
class TrainerSettings:
    max_epochs: int = rule(whole(1))
    batch_size: int = rule(whole(2))
    accelerator: str = rule(one_of("auto", "cpu", "gpu", "mps"))
    precision: str = rule(one_of("32-true", "16-mixed", "bf16-mixed"))
    checkpoint_seconds: float = rule(number(0, 86400))


@dataclass(frozen=True)
class PathSettings:
    data: str = rule(TEXT)
    runs: str = rule(TEXT)


@dataclass(frozen=True)
class Settings:
    """The whole of conf/train.yaml. `point` is 1…5 and `fold` 1…folds, as the paper counts them."""

    dataset: Node = rule(NODE)
    adn: AdnSettings = rule(NODE)
    caan: CaanSettings = rule(NODE)
    map: MapSettings = rule(NODE)
    colorizer: ColorizerSettings = rule(NODE)
    trainer: TrainerSettings = rule(NODE)
    logger: Node = rule(NODE)
    paths: PathSettings = rule(NODE)
    point: int = rule(whole(1, 5))
    folds: int = rule(whole(2))
    fold: int | None = rule(whole(1))
    seed: int = rule(whole(0))
    split_seed: int = rule(whole(0))

    @property
    def dataset_name(self) -> str:
        return str(self.dataset["name"])

    @property
    def image_size(self) -> int:
        return int(self.dataset["image_size"])

    @property
    def selected_folds(self) -> list[int]:
        return list(range(1, self.folds + 1)) if self.fold is None else [self.fold]


def settings_of(config: Mapping[str, Any]) -> Settings:
    """The checked settings of a resolved configuration; LeanetError names the first value that does not fit."""
    settings: Settings = _read(Settings, config, "")
    _check("dataset.image_size", settings.dataset.get("image_size"), IMAGE_SIZE)
    if settings.fold is not None and settings.fold > settings.folds:
        raise LeanetError(f"fold={settings.fold}: there are folds 1 to {settings.folds}; leave it empty for all")
    return settings


def _read(schema: type, config: Mapping[str, Any], prefix: str) -> Any:
    """An instance of the dataclass `schema` with each of its fields taken from `config` and checked."""
    unknown = set(config) - {entry.name for entry in fields(schema)}
    if unknown:
        raise LeanetError(f"{prefix}{min(unknown)} is no setting; see --help for those there are")
    values = {}
    for entry in fields(schema):
        path, value = prefix + entry.name, config.get(entry.name, MISSING)
        if value is MISSING:
            raise LeanetError(f"{path} is missing from the configuration")
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            if not isinstance(value, Mapping):
                raise LeanetError(f"{path}={value}: no such choice; see --help for those there are")
            value = _read(entry.type, value, path + ".")
        elif not (value is None and types.NoneType in get_args(entry.type)):
            _check(path, value, entry.metadata["rule"])
        values[entry.name] = value
    return schema(**values)


def _check(path: str, value: Any, expected: Rule) -> None:
    if not expected.holds(value):
        raise LeanetError(f"{path}={'' if value is None else value}: must be {expected.words}")
