"""Map makers that were fitted before."""

from pathlib import Path

from leanet.config.settings import Settings
from leanet.maps.color_maps import ColorMaps, load_color_maps
from leanet.maps.features.feature_maps import FeatureMaps
from leanet.maps.features.recipe import load_feature_maps


def load_maker(folder: Path, settings: Settings) -> ColorMaps | FeatureMaps | None:
    """The map maker kept in `folder`, in evaluation mode on the CPU; None if there is none.

    Args:
        folder: as `Run.maker_folders` names it, or a copy.
        settings: those that it was fitted with.

    Returns:
        a module, sRGB in 0…1 (B, 3, S, S) → anomaly maps (B, 1, S, S).

    Raises:
        LeanetError: it is damaged, or was made with other settings.
    """
    if settings.map.is_of_features:
        return load_feature_maps(folder, settings.map, settings.image_size)
    return load_color_maps(folder, settings.colorizer, settings.map.name, settings.image_size)
