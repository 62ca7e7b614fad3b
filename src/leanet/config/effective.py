"""Check a configuration as a whole, and drop settings that have no effect."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from leanet.config.checked import check, read_settings
from leanet.config.map_settings import FEATURE_MAPS
from leanet.config.path_options import expanded, name_of
from leanet.config.rules import DATASET_TEXT, FIT, IMAGE_SIZE, NAME, POSITIVE, STAGES
from leanet.config.settings import AdnSettings, CaanSettings, InputSettings, Node, Settings
from leanet.config.weight_sources import IMAGENET, NONE
from leanet.errors import LeanetError

Trainable = TypeVar("Trainable", AdnSettings, CaanSettings)


def settings_of(config: Mapping[str, Any]) -> Settings:
    """Check a resolved configuration, and drop settings that have no effect.

    Args:
        config: as `composed` or Hydra returns it.

    Raises:
        LeanetError: a value that does not fit; the message names it.
    """
    settings = _without_idle(_with_weights(_with_name(read_settings(Settings, config))))
    if settings.has_epochs and settings.adn.lr is None:
        check("adn.lr", None, POSITIVE)
    if settings.adn.freeze and not settings.has_epochs:
        raise LeanetError(f"adn.freeze={settings.adn.freeze}: {settings.adn.name} trains no stages; leave it empty")
    if settings.adn.freeze and not (settings.adn.weights or settings.adn.network.get("pretrained")):
        raise LeanetError(f"adn.freeze={settings.adn.freeze} keeps pretrained weights: give adn.weights=… as well")
    check("dataset.image_size", settings.dataset.get("image_size"), IMAGE_SIZE)
    check("dataset.fit", settings.dataset.get("fit", "stretch"), FIT)
    check("dataset.name", settings.dataset["name"], NAME)
    for key in ("root", "file", "negative", "positive", "folds_file", "groups", "kinds"):  # optional
        check(f"dataset.{key}", settings.dataset.get(key), DATASET_TEXT)
    settings = replace(settings, dataset={**settings.dataset, **_expanded(settings.dataset)})
    if settings.fold is not None and settings.fold > settings.folds and not settings.folds_from_images:
        raise LeanetError(f"fold={settings.fold}: there are folds 1 to {settings.folds}; leave it empty for all")
    if settings.leave_kind_out and settings.dataset.get("folds_file"):
        raise LeanetError("leave_kind_out=true: the kinds decide the folds; leave dataset.folds_file empty")
    if settings.trainer.select != "last" and not settings.validation:
        raise LeanetError(
            f"trainer.select={settings.trainer.select} needs validation images: give validation=0.2, for example"
        )
    if settings.map.name == "folder":
        if settings.map.root is None:
            raise LeanetError("map=folder needs map.root=DIR, the folder that holds a map for each image")
        settings = replace(settings, map=replace(settings.map, cross_fit=None))  # nothing is fitted
    _check_tiles(settings)
    for key in FEATURE_MAPS.get(settings.map.name, {}):
        if getattr(settings.map, key) is None:
            raise LeanetError(f"map.{key} is missing; map={settings.map.name} sets it")
    return settings


def _check_tiles(settings: Settings) -> None:
    if settings.tiles is not None and settings.tile_size is not None:
        raise LeanetError(f"tiles={settings.tiles} tile_size={settings.tile_size}: give one of them")
    if not settings.has_tiles:
        return
    if settings.needs_maps and settings.map.name == "folder":
        raise LeanetError("map=folder: its maps are of whole images, not of tiles; choose another map")
    if settings.fit != "stretch":
        raise LeanetError(f"dataset.fit={settings.fit}: tiles are square cuts of an image; leave dataset.fit=stretch")


def kept_settings(config: Mapping[str, Any]) -> Settings:
    """Check the settings in a run's config.yaml, in which networks are under the key `network`.

    Args:
        config: as `read_config` returns it.

    Raises:
        LeanetError: as for `settings_of`.
    """
    known = {entry.name: config[entry.name] for entry in fields(Settings) if entry.name in config}
    for group in ("adn", "caan", "colorizer"):
        known[group] = {**known[group], **(known[group]["network"] or {})}
        del known[group]["network"]
    return settings_of(known)


def _with_weights(settings: Settings) -> Settings:
    """Replace `weights=none` and `weights=imagenet` by `pretrained` of the networks, which means the same."""
    maps = settings.map
    if maps.weights in (NONE, IMAGENET):
        maps = replace(maps, weights=None, pretrained=maps.weights == IMAGENET)
    elif not maps.pretrained:
        maps = replace(maps, weights=None)
    return replace(
        settings, adn=_as_pretrained("adn", settings.adn), caan=_as_pretrained("caan", settings.caan), map=maps
    )


def _as_pretrained(path: str, group: Trainable) -> Trainable:
    weights, network = group.weights, group.network or {}
    if weights is None or (weights == NONE and "pretrained" not in network):
        return replace(group, weights=None)
    if "pretrained" not in network:
        raise LeanetError(f"{path}.weights={weights}: {group.name} has no pretrained weights; leave it empty")
    named = weights in (NONE, IMAGENET)
    network = {**network, "pretrained": weights == IMAGENET}
    return replace(group, weights=None if named else weights, network=network)


def _with_name(settings: Settings) -> Settings:
    """Name a dataset without a name after its folder."""
    if settings.dataset.get("name") is not None or "root" not in settings.dataset:
        return settings
    root, file = settings.dataset["root"], settings.dataset.get("file")
    root = root or (str(Path(file).parent) if file else None)
    name = "table" if root is None and "file" in settings.dataset else name_of(root)
    return replace(settings, dataset={**settings.dataset, "name": name})


def _expanded(dataset: Node) -> Node:
    """The dataset's paths with ~ replaced by the home folder."""
    return {
        key: expanded(f"dataset.{key}", path) for key in ("root", "file", "folds_file") if (path := dataset.get(key))
    }


def _without_idle(settings: Settings) -> Settings:
    """Drop settings that have no effect on an ADN without epochs, so that they are not part of its identity."""
    adn = settings.adn
    if adn.fitted_to is None:
        return settings
    settings = replace(
        settings,
        adn=replace(adn, lr=None, bn_momentum=None),
        trainer=replace(settings.trainer, averaging="none", select="last", balance="none"),
    )
    no_attention = CaanSettings("none", None)
    if not adn.is_frozen:  # a baseline has no attention points, and its regression standardises maps
        maps = replace(settings.map, scaling="fixed")
        return replace(settings, caan=no_attention, input=InputSettings(adn.fitted_to), map=maps)
    caan = no_attention if settings.caan.is_trained else settings.caan
    if caan.network is not None and (settings.attention.reduce == "conv" or settings.attention.learned_gain):
        raise LeanetError(f"adn={adn.name}: it is not trained, and so neither are attention=conv and attention=gain")
    stages = adn.network.get("stages")
    if stages is not None:
        check("adn.stages", stages, STAGES)
        deepest = settings.points[-1]
        if caan.network is not None and deepest > stages[-1]:
            raise LeanetError(f"point={deepest}: it is deeper than adn.stages={stages}, and would have no effect")
    return replace(settings, caan=caan, input=InputSettings("rgb_map" if adn.uses_maps else "rgb"))
