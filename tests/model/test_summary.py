"""Modules, sizes and counts against the paper's tables, published figures and figures worked out by hand."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from leanet.colorizer.unet import UNet
from leanet.detector.adn import Adn, resnet18, timm_adn, vgg
from leanet.detector.caan import DirectAttention, mobilenet_caan, resnet_caan, timm_caan
from leanet.detector.lea_net import LeaNet
from leanet.model.summary import (
    MOST_ROWS,
    Count,
    Part,
    adn_part,
    caan_part,
    colorizer_part,
    count,
    describe,
    points_table,
    without_memory,
)

# Table 9: layer type, output dim, filters and activation of each convolution; its concatenations are no modules.
TABLE_9 = [
    ("Conv2d", 128, 64, "LeakyReLU"),
    ("Conv2d – BatchNorm2d", 64, 128, "LeakyReLU"),
    ("Conv2d – BatchNorm2d", 32, 256, "LeakyReLU"),
    *[("Conv2d – BatchNorm2d", size, 512, "LeakyReLU") for size in (16, 8, 4, 2, 1)],
    *[("ConvTranspose2x2 – BatchNorm2d", size, 512, "ReLU") for size in (2, 4, 8, 16)],
    ("ConvTranspose2x2 – BatchNorm2d", 32, 256, "ReLU"),
    ("ConvTranspose2x2 – BatchNorm2d", 64, 128, "ReLU"),
    ("ConvTranspose2x2 – BatchNorm2d", 128, 64, "ReLU"),
    ("ConvTranspose2x2", 256, 2, ""),
]
# Table 1: the size and the channels of each block; the attention map can leave any of the first five.
TABLE_1_MOBILENET = [(128, 16), (64, 16), (32, 24), (16, 48), (8, 96)]
TABLE_1_RESNET = [(128, 64), (64, 64), (32, 128), (16, 256), (8, 512)]


def cells(table: str) -> list[dict[str, str]]:
    """The lines of a Markdown table by the names in its head."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def part_of(network: nn.Module, channels: int, size: int) -> Part:
    return Part("ADN", network.to("meta"), [torch.zeros(1, channels, size, size, device="meta")])


def test_table_9() -> None:
    rows = colorizer_part(without_memory(lambda: UNet(256)), 256).rows()
    expected = [
        (" – ".join(filter(None, (layer, activation))), f"{size} × {size} × {filters}")
        for layer, size, filters, activation in TABLE_9
    ]
    assert [(row[1], row[2]) for row in rows] == expected


@pytest.mark.parametrize(("make", "table"), [(mobilenet_caan, TABLE_1_MOBILENET), (resnet_caan, TABLE_1_RESNET)])
def test_table_1(make: Any, table: list[tuple[int, int]]) -> None:
    part = caan_part(without_memory(make), 256)
    assert part is not None
    assert [part.features(point) for point in range(1, 6)] == [(size, size, width) for size, width in table]
    marked = {row[5]: row[2] for row in part.rows([3]) if row[5]}
    assert marked == {
        "3 ←" if point == 3 else str(point): f"{size} × {size} × {width}"
        for point, (size, width) in enumerate(table, start=1)
    }


def test_multiply_adds_worked_out_by_hand() -> None:
    assert part_of(nn.Conv2d(3, 8, 3, 2, 1), 3, 32).macs == 16 * 16 * 8 * 3 * 9
    assert part_of(nn.Conv2d(6, 6, 5, padding=2, groups=6), 6, 10).macs == 10 * 10 * 6 * 25
    assert part_of(nn.ConvTranspose2d(4, 2, 2, 2), 4, 8).macs == 8 * 8 * 4 * 2 * 4
    assert part_of(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), 3, 4).macs == 48 * 5
    assert part_of(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)), 3, 4).macs == 0


def test_multiply_adds_and_parameters_of_table_9s_layers() -> None:
    rows = colorizer_part(without_memory(lambda: UNet(256)), 256).rows()
    macs = [128 * 128 * 64 * 16, 64 * 64 * 128 * 64 * 16, 256 * 256 * 2 * 128]  # a pixel has one tap of a 2×2 window
    assert [rows[place][4] for place in (0, 1, 15)] == [f"{number / 1e6:.3f}" for number in macs]
    parameters = [64 * 17, 128 * (64 * 16 + 1 + 4), 2 * (128 * 4 + 1)]
    assert [rows[place][3] for place in (0, 1, 15)] == [f"{number:,}" for number in parameters]


def test_published_multiply_adds() -> None:
    """He et al. 2016, Table 1; and the 15.5 billion of VGG16, 0.12 of them in its dense layers."""
    whole = adn_part(LeaNet(without_memory(lambda: resnet18(3, 224))), 224)
    assert whole.macs == pytest.approx(1.8e9, rel=0.03)
    deeper = adn_part(LeaNet(without_memory(lambda: timm_adn("resnet50", 3, 224))), 224)
    assert deeper.macs == pytest.approx(4.1e9, rel=0.03)
    features = without_memory(lambda: vgg("vgg16", 3, 224)).network.get_submodule("features")
    assert part_of(features, 3, 224).macs == pytest.approx(15.5e9 - 0.124e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "size"), [("resnet50", 64), ("convnext_atto", 64), ("vit_tiny_patch16_224", 224), ("densenet121", 64)]
)
def test_a_table_of_any_network_is_short(name: str, size: int) -> None:
    rows = part_of(without_memory(lambda: timm.create_model(name)), 3, size).rows()
    assert 5 <= len(rows) <= MOST_ROWS


def test_channels_last_are_told_from_sizes() -> None:
    rows = part_of(without_memory(lambda: timm.create_model("swin_tiny_patch4_window7_224")), 3, 224).rows()
    assert {"56 × 56 × 96", "28 × 28 × 192", "14 × 14 × 384", "7 × 7 × 768"} <= {row[2] for row in rows}


def test_hooks_are_gone_afterwards() -> None:
    module = without_memory(lambda: UNet(64))
    colorizer_part(module, 64)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def points(adn: Adn, caan: Any, point: int | None, size: int) -> list[dict[str, str]]:
    whole = LeaNet(adn, caan, point)
    return cells(points_table(whole, size))


def test_the_five_points() -> None:
    found = points(without_memory(lambda: vgg("vgg16", 3, 256)), without_memory(resnet_caan), 2, 256)
    assert [line["point"] for line in found] == ["1", "2 ←", "3", "4", "5"]
    assert [line["attention map"] for line in found] == [f"{side} × {side}" for side in (128, 64, 32, 16, 8)]
    assert [line["ADN's features"] for line in found] == [
        "128 × 128 × 64",
        "64 × 64 × 128",
        "32 × 32 × 256",
        "16 × 16 × 512",
        "8 × 8 × 512",
    ]
    assert [line["CAAN's features"] for line in found] == [
        "128 × 128 × 64",
        "64 × 64 × 64",
        "32 × 32 × 128",
        "16 × 16 × 256",
        "8 × 8 × 512",
    ]
    assert [line["CAAN module"] for line in found] == [f"blocks.{place}" for place in range(5)]


def test_points_that_are_not_there() -> None:
    adn = without_memory(lambda: timm_adn("convnext_atto", 3, 64))
    first, second, *_ = points(adn, without_memory(lambda: timm_caan("convnext_atto", 64)), 2, 64)
    assert list(first.values()) == ["1", "-", "none of S/2", "-", "-", "-"]
    assert second["attention map"] == "16 × 16"


def test_a_map_of_another_size_is_resized() -> None:
    names = ["stages.0", "stages.0", "stages.1", "stages.2", "stages.3"]
    adn = without_memory(lambda: timm_adn("convnext_atto", 3, 64, points=names))
    found = points(adn, without_memory(mobilenet_caan), 1, 64)
    assert found[0]["attention map"] == "16 × 16, resized from 32 × 32"
    assert points(adn, DirectAttention(), 1, 64)[0]["attention map"] == "16 × 16, resized from 32 × 32"


def test_without_attention() -> None:
    page = describe(
        LeaNet(without_memory(lambda: resnet18(3, 64))), None, 64, {"ADN": "a", "CAAN": "none", "colorizer": "u"}
    )
    assert "## ADN a" in page and "## CAAN" not in page and "colorizer" not in page and "←" not in page


def test_counts() -> None:
    assert count(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))) == Count(20 + 4, 20 + 8)
    assert count(nn.BatchNorm2d(2)) + count(DirectAttention()) == Count(4, 8)
    assert count(lambda maps, point: (maps, None)) == Count(0, 0)


class _Curious(nn.Linear):
    """Asks for a number while it is made."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.first = torch.linspace(0, 1, 3)[1].item()


def test_networks_that_ask_for_numbers_can_be_made_too() -> None:
    made = without_memory(_Curious)
    assert made.first == 0.5
    assert made.weight.is_meta
