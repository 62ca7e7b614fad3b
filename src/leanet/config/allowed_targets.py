"""Read the config.yaml of a finished run or model. It may be untrusted, so only listed classes may be built from it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from leanet.config.effective import kept_settings
from leanet.config.settings import Settings
from leanet.errors import LeanetError

CONFIG = "config.yaml"

# All targets in conf/adn, conf/caan, conf/colorizer and conf/dataset. Prefixes such as `leanet.` would not be safe,
# since modules give access to everything that they import.
TARGETS = frozenset(
    {
        "leanet.colorizer.autoencoder.Autoencoder",
        "leanet.colorizer.unet.UNet",
        "leanet.data.arrays.ImageArrays",
        "leanet.data.folder.ImageFolder",
        "leanet.data.synthetic.SyntheticLeaves",
        "leanet.data.table.ImageTable",
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
        "leanet.detector.frozen.frozen",
    }
)
# Arguments that timm would use as files or addresses to read from.
_SOURCES = frozenset({"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"})


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.yaml as plain values, without building anything.

    Args:
        folder: of the run or model.

    Raises:
        LeanetError: there is no such file, or it is damaged.
    """
    file = folder / CONFIG
    try:
        config = yaml.load(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise LeanetError(f"{file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        config = None
    if not isinstance(config, dict):
        raise LeanetError(f"{file}: not as leanet writes it; remove the folder, and the same command makes it again")
    return config


def settings_in(folder: Path, trust: bool = False, data: Path | None = None) -> Settings:
    """Read and check the settings of a finished run or model.

    Args:
        folder: of the run or model.
        trust: whether networks and dataset may be code that is not part of leanet.
        data: `paths.data` on this machine, where the dataset is also looked for. None if its images are not needed; the
            dataset is then not checked and must not be built.

    Raises:
        LeanetError: no such file, settings that do not fit, or code that is not part of leanet.
    """
    file = folder / CONFIG
    try:
        settings = kept_settings(read_config(folder))
    except (KeyError, TypeError, AttributeError):
        raise LeanetError(f"{file}: not as leanet writes it") from None
    except LeanetError as error:
        raise error if str(error).startswith(str(file)) else LeanetError(f"{file}: {error}") from None
    if not trust:
        groups = {name: getattr(settings, name).network for name in ("adn", "caan", "colorizer")}
        _check(file, groups if data is None else {**groups, "dataset": settings.dataset})
    settings = replace(settings, logger={"_target_": ""})  # a finished run logs nothing
    return settings if data is None else _found_again(settings, data, folder)


def _found_again(settings: Settings, data: Path, folder: Path) -> Settings:
    """The settings with the dataset's root on this machine, since the run may come from another one.

    A root inside the run's own `paths.data` is looked for inside `data` first, any other root at its own path. A
    relative root is also looked for beside the folder `runs` that contains the run.
    """
    root, relative = settings.dataset.get("root"), settings.root
    if not root or not relative:
        return settings
    kept, there = Path(root), Path(relative)
    others = [kept, folder.absolute().parents[2] / kept, data / kept.name]
    places = others if relative == root else [data / there, *others]
    found = next((place for place in places if place.is_dir()), kept)
    return replace(settings, dataset={**settings.dataset, "root": str(found)})


def _check(file: Path, nodes: dict[str, Any]) -> None:
    for path, value in _leaves(nodes):
        parts = path.split(".")
        if "_target_" in parts and value not in TARGETS:
            raise LeanetError(
                f"{file}: {path}={value} is not part of leanet, and was not run; if it is yours, or you know what it "
                "does, trust=true lets it run"
            )
        if _SOURCES.intersection(parts) or (
            isinstance(value, str) and "${" in value
        ):  # interpolations can turn text into nodes
            raise LeanetError(f"{file}: {path}={value} does not belong into a finished run; trust=true lets it pass")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything that is not a container."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part, path)
    else:
        yield path, value
