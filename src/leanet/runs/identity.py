"""Which settings of a run are part of its identity."""

from dataclasses import MISSING, fields
from typing import Any

from leanet.config.map_settings import FEATURE_MAPS, MapSettings
from leanet.config.settings import (
    AdnSettings,
    AttentionSettings,
    CaanSettings,
    ColorizerSettings,
    TrainerSettings,
)
from leanet.config.weight_sources import digest_of


def facts_of(group: AdnSettings | ColorizerSettings) -> dict[str, Any]:
    """The settings of a group that change results. Those with a default are included only if they differ from it."""
    given = {entry.name: getattr(group, entry.name) for entry in fields(group) if entry.default is MISSING}
    return {name: value for name, value in given.items() if name != "name"} | changed(group) | weights_of(group)


def weights_of(group: AdnSettings | CaanSettings | ColorizerSettings | MapSettings) -> dict[str, str]:
    """The SHA-256 of a group's pretrained weights if they come from a file; else empty."""
    weights = getattr(group, "weights", None)
    return {"weights": digest_of(weights)} if weights else {}


def changed(group: AdnSettings | AttentionSettings | ColorizerSettings | TrainerSettings) -> dict[str, Any]:
    """The settings that differ from their defaults. A new setting thus does not change the identity of older runs."""
    values = {entry.name: (getattr(group, entry.name), entry.default) for entry in fields(group)}
    return {name: value for name, (value, default) in values.items() if default not in (MISSING, value)}


def feature_facts(maps: MapSettings) -> dict[str, Any]:
    """The settings that change maps from features."""
    own = {name: getattr(maps, name) for name in FEATURE_MAPS[maps.name]}
    return {"name": maps.name, "pretrained": maps.pretrained, "seed": maps.seed, **own, **weights_of(maps)}
