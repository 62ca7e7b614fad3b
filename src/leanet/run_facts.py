"""What of a run's settings is part of its identity, and what of them people read in its name."""

from dataclasses import MISSING, fields
from typing import Any

from leanet.settings import (
    FEATURE_MAPS,
    AdnSettings,
    AttentionSettings,
    CaanSettings,
    ColorizerSettings,
    MapSettings,
    TrainerSettings,
)
from leanet.weight_sources import digest_of


def facts_of(group: AdnSettings | ColorizerSettings) -> dict[str, Any]:
    """What of a group changes the numbers."""
    given = {entry.name: getattr(group, entry.name) for entry in fields(group) if entry.default is MISSING}
    return {name: value for name, value in given.items() if name != "name"} | changed(group) | weights_of(group)


def weights_of(group: AdnSettings | CaanSettings | ColorizerSettings | MapSettings) -> dict[str, str]:
    """The content of its pretrained weights, where they come from a file."""
    weights = getattr(group, "weights", None)
    return {"weights": digest_of(weights)} if weights else {}


def changed(group: AdnSettings | AttentionSettings | ColorizerSettings | TrainerSettings) -> dict[str, Any]:
    """Its values that are not at their default: where they are, the runs made before there were such are the same."""
    values = {entry.name: (getattr(group, entry.name), entry.default) for entry in fields(group)}
    return {name: value for name, (value, default) in values.items() if default not in (MISSING, value)}


def feature_facts(maps: MapSettings) -> dict[str, Any]:
    own = {name: getattr(maps, name) for name in FEATURE_MAPS[maps.name]}
    return {"name": maps.name, "pretrained": maps.pretrained, "seed": maps.seed, **own, **weights_of(maps)}


def words_of_features(maps: MapSettings) -> list[str]:
    """For people, what is not as in its article: resnet50, layers23, channels50, random."""
    words = []
    for name, usual in FEATURE_MAPS.get(maps.name, {}).items():
        value = getattr(maps, name)
        if value != usual:
            told = "".join(map(str, value)) if isinstance(value, list) else f"{value}"
            words.append(told if name == "network" else f"{name}{told}")
    return words if maps.pretrained else [*words, "random"]


def words_of_maps_in(adn: AdnSettings) -> list[str]:
    """For people, what a frozen ADN makes of maps: mappool, mapstats."""
    return ["mappool"] * (adn.pooling == "map") + ["mapstats"] * adn.map_statistics


def words_of(attention: AttentionSettings) -> list[str]:
    """For people, what is not as in the paper: standardized, tanh, gain4, learned."""
    words = [] if attention.reduce == "mean" else [attention.reduce]
    words += ["standardized"] if attention.standardized else []
    words += {"sigmoid": [], "tanh": ["tanh"], "none": ["linear"]}[attention.squash]
    words += ["centred"] if attention.centred else []
    words += [] if attention.gain == 1 else [f"gain{attention.gain:g}"]
    return [*words, "learned"] if attention.learned_gain else words
