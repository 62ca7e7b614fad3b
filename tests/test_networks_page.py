"""docs/networks.md says what the networks are: every count and size in it is found again."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.colorizer.build import colorizer_of
from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.detector.build import detector_of
from leanet.model.summary import Count, Part, adn_part, caan_part, colorizer_part, count, without_memory

PAGE = (Path(__file__).parents[1] / "docs/networks.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
COUNTED = [row for row in ROWS if "GMACs" not in row and "," in row[2]]
SIZED = [row for row in ROWS if row[2].isdigit()]


@cache
def parts(words: str) -> dict[str, Part]:
    """The networks at 256×256 of a configuration."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["dataset.image_size=256", *words.split()])
    container: Any = OmegaConf.to_container(config, resolve=True)
    settings = settings_of(container)
    network = without_memory(lambda: detector_of(settings, 1))
    colorizer = without_memory(lambda: colorizer_of(settings.colorizer, 256))
    caan = caan_part(network.caan, 256)
    found = [adn_part(network, 256), colorizer_part(colorizer, 256), *([caan] if caan else [])]
    return {part.kind: part for part in found}


def named(words: str) -> list[Part]:
    """Those of the networks that the words name."""
    names = [word.partition("=")[0] for word in words.split() if not word.endswith("=none")]
    return [part for name, part in parts(words).items() if name.lower() in names]


def test_every_network_is_there() -> None:
    assert len(COUNTED) == 14
    assert len(SIZED) == 7


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: row[0])
def test_counts(row: list[str]) -> None:
    found = named(row[1].strip("`"))
    assert len(found) == (2 if "+" in row[0] else 1)
    total = sum((part.count for part in found), Count(0, 0))
    assert [f"{total.trainable:,}", f"{total.with_statistics:,}"] == row[2:4]
    assert f"{sum(part.macs for part in found) / 1e9:.3f}" == row[4]


@pytest.mark.parametrize("row", SIZED, ids=lambda row: row[0])
def test_sizes_at_the_points(row: list[str]) -> None:
    (part,) = named(row[1].strip("`"))
    expected = [(side, side, int(width)) for side, width in zip((128, 64, 32, 16, 8), row[2:], strict=True)]
    assert [part.features(point) for point in range(1, 6)] == expected


def test_what_is_said_of_the_head() -> None:
    caan = parts("caan=mobilenet")["CAAN"]
    head = count(caan.network.get_submodule("head")).with_statistics

    def without_head(words: str) -> int:
        return sum(part.count.with_statistics for part in named(words)) - head

    assert f"{head:,} numbers" in PAGE
    assert f"{without_head('adn=vgg16 caan=mobilenet'):,}" in PAGE
    assert f"{without_head('adn=resnet18 caan=mobilenet'):,}" in PAGE
    extra = without_head("adn=resnet18 adn.extra_conv=true caan=mobilenet")
    assert f"{extra / 1e6:.2f}M with the extra convolution" in re.sub(r"\s+", " ", PAGE)
