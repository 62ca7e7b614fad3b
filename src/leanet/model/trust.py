"""The settings of a model that may come from anyone: what they may have made is on a list."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from leanet.errors import LeanetError
from leanet.settings import Settings, kept_settings

# Everything that conf/adn, conf/caan and conf/colorizer name. No prefixes: from most modules there is a dotted way to
# anything that Python has.
TARGETS = frozenset(
    {
        "leanet.colorizer.autoencoder.Autoencoder",
        "leanet.colorizer.unet.UNet",
        "leanet.detector.adn.basic_cnn",
        "leanet.detector.adn.resnet18",
        "leanet.detector.adn.timm_adn",
        "leanet.detector.adn.vgg",
        "leanet.detector.baselines.lab_statistics",
        "leanet.detector.baselines.map_score",
        "leanet.detector.caan.DirectAttention",
        "leanet.detector.caan.mobilenet_caan",
        "leanet.detector.caan.resnet_caan",
        "leanet.detector.caan.timm_caan",
    }
)
# What timm would take for files to read, or addresses to read from.
_SOURCES = frozenset({"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"})


def settings_in(folder: Path, trust: bool = False) -> Settings:
    """The checked settings in config.yaml of the run or model in `folder`.

    Args:
        trust: whether its networks may be any code that Python finds, such as your own.

    Raises:
        LeanetError: no such file, settings that do not fit, or networks that are not leanet's own.
    """
    file = folder / "config.yaml"
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        settings = kept_settings(config)
    except OSError as error:
        raise LeanetError(f"{file}: {error.strerror}") from None
    except LeanetError as error:
        raise LeanetError(f"{file}: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        raise LeanetError(f"{file}: not as leanet writes it") from None
    if not trust:
        _check(
            file, {"adn": settings.adn.network, "caan": settings.caan.network, "colorizer": settings.colorizer.network}
        )
    return settings


def _check(file: Path, networks: dict[str, Any]) -> None:
    for path, value in _leaves(networks):
        parts = path.split(".")
        if "_target_" in parts and value not in TARGETS:
            raise LeanetError(
                f"{file}: {path}={value} is none of leanet's own networks, and was not run; if it is yours, or you "
                "know what it does, trust=true lets it run"
            )
        if _SOURCES.intersection(parts) or (
            isinstance(value, str) and "${" in value
        ):  # interpolations can make nodes of text
            raise LeanetError(f"{file}: {path}={value} does not belong into a finished run; trust=true lets it pass")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no container, with its place."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part, path)
    else:
        yield path, value
