"""What people read of a run's settings: the name of its model, and the size of its images."""

from pathlib import Path

from leanet.config.map_settings import FEATURE_MAPS, MapSettings
from leanet.config.settings import AdnSettings, AttentionSettings, Settings
from leanet.config.weight_sources import BUNDLED, BUNDLED_MODEL, IMAGENET

STAGES, STRENGTH = [3, 4, 5], 0.1  # of conf/adn/frozen.yaml


def size_name(settings: Settings) -> str:
    """`256 px`, or `256 px, fit=pad`."""
    return f"{settings.image_size} px" + ("" if settings.fit == "stretch" else f", fit={settings.fit}")


def model_name(settings: Settings, *, point: bool = True, balance: bool = True, rate: bool = True) -> str:
    """resnet18, resnet18-map for another input, resnet18+mobilenet@4 for attention at point 4.

    Another kind of attention, map or colorizer and thinned positives are named as well:
    resnet18+direct@4-centred-gain4-ab-pos0.5.

    Args:
        point: whether to name the attention's point. Several points are part of the model and are always named.
        balance: whether to name a balanced loss.
        rate: whether to name the share of the positives, if not all are trained on.
    """
    points = "+".join(map(str, settings.points))  # 2+3+4 for several
    at = f"@{points}" if settings.has_attention and (point or settings.attention.points) else ""
    words = [*_words_of_maps(settings), *_words_of_training(settings), *_words_of_tiles(settings)]
    if balance and settings.trainer.balance != "none":
        words.append("balanced" if settings.trainer.balance == "weights" else "adjusted")
    if rate and settings.positive_rate != 1:
        words.append(f"pos{settings.positive_rate:g}")
    return f"{settings.adn.name}{variant_name(settings)}{at}{''.join(f'-{word}' for word in words)}"


def variant_name(settings: Settings) -> str:
    """What the detector makes of anomaly maps, as its name has it: -map for another input, +mobilenet for attention."""
    seen = "" if settings.input.name == "rgb" or not settings.has_epochs else f"-{settings.input.name}"
    return seen + (f"+{settings.caan.name}" if settings.has_attention else "")


def attention_name(settings: Settings) -> str | None:
    """What of the attention is not as in the paper: centred-gain4. Empty if nothing; None without attention."""
    return "-".join(_words_of_attention(settings.attention)) if settings.has_attention else None


def _words_of_maps(settings: Settings) -> list[str]:
    """Those that the plain ADN does not have."""
    words = _words_of_attention(settings.attention) if settings.has_attention else []
    words += _words_of_maps_in(settings.adn)
    if settings.needs_maps and settings.map.name != "ciede2000":
        words.append("maps" if settings.map.name == "folder" else settings.map.name)
        words += _words_of_features(settings.map)
    if settings.has_colorizer and settings.colorizer.name != "unet":
        words.append(settings.colorizer.name)
    if settings.cross_fit is not None:
        words.append(f"cross{settings.cross_fit}")
    if settings.has_colorizer and settings.colorizer.bn_momentum is not None:
        words.append(f"cbn{settings.colorizer.bn_momentum}")
    return words


def _words_of_frozen(adn: AdnSettings) -> list[str]:
    """What is not as in conf/adn/frozen.yaml: resnet50, stages45, C1; random, or where its weights are from."""
    network = adn.network
    words = [] if network["model"] == BUNDLED_MODEL else [str(network["model"])]
    if network.get("stages", STAGES) != STAGES:
        words.append(f"stages{''.join(map(str, network['stages']))}")
    if network.get("strength", STRENGTH) != STRENGTH:
        words.append(f"C{network['strength']:g}")
    if network.get("pretrained"):
        return [*words, IMAGENET]
    if adn.weights is None:
        return [*words, "random"]
    return words if adn.weights == BUNDLED else [*words, Path(adn.weights).stem]


def _words_of_training(settings: Settings) -> list[str]:
    words = _words_of_frozen(settings.adn) if settings.adn.is_frozen else []
    if settings.adn.network.get("statistic", "mean") != "mean":
        words.append(str(settings.adn.network["statistic"]))
    if settings.adn.bn_momentum is not None:
        words.append(f"bn{settings.adn.bn_momentum}")
    if settings.adn.freeze is not None:
        words.append(f"freeze{settings.adn.freeze}")
    if settings.trainer.averaging != "none":
        words.append(settings.trainer.averaging)
    if settings.trainer.select != "last":
        words.append(settings.trainer.select)
    return words


def _words_of_tiles(settings: Settings) -> list[str]:
    """How images are cut and judged: tiles4; tile256px, overlap0.5, top5, learned5."""
    if not settings.has_tiles:
        return []
    words = [f"tiles{settings.tiles}" if settings.tiles else f"tile{settings.tile_size}px"]
    words += [] if settings.tile_overlap == 0.1 else [f"overlap{settings.tile_overlap:g}"]
    return words if settings.tile_pooling == "max" else [*words, f"{settings.tile_pooling}{settings.tile_top}"]


def _words_of_features(maps: MapSettings) -> list[str]:
    """For people, what is not as in its article: resnet50, layers23, channels50, random."""
    words = []
    for name, usual in FEATURE_MAPS.get(maps.name, {}).items():
        value = getattr(maps, name)
        if value != usual:
            told = "".join(map(str, value)) if isinstance(value, list) else f"{value}"
            words.append(told if name == "network" else f"{name}{told}")
    return words if maps.pretrained else [*words, "random"]


def _words_of_maps_in(adn: AdnSettings) -> list[str]:
    """For people, what a frozen ADN makes of maps: mappool, mapstats."""
    return ["mappool"] * (adn.pooling == "map") + ["mapstats"] * adn.map_statistics


def _words_of_attention(attention: AttentionSettings) -> list[str]:
    """For people, what is not as in the paper: standardized, tanh, gain4, learned."""
    words = [] if attention.reduce == "mean" else [attention.reduce]
    words += ["standardized"] if attention.standardized else []
    words += {"sigmoid": [], "tanh": ["tanh"], "none": ["linear"]}[attention.squash]
    words += ["centred"] if attention.centred else []
    words += [] if attention.gain == 1 else [f"gain{attention.gain:g}"]
    return [*words, "learned"] if attention.learned_gain else words
