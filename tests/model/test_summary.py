"""Layers, sizes and counts against the paper's tables, published figures and figures worked out by hand."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from leanet.colorizer.unet import UNet
from leanet.detector.adn import Adn, basic_cnn, resnet18, timm_adn, vgg
from leanet.detector.caan import DirectAttention, mobilenet_caan, resnet_caan, timm_caan
from leanet.detector.network import LeaNet
from leanet.model.layers import Row, is_by_layer, layer_rows, place_of
from leanet.model.parts import Count, adn_part, caan_part, colorizer_part, count, without_memory
from leanet.model.summary import describe, layers_table, points_table
from leanet.model.trace import trace

# As the paper prints it: ID, layer type, output dim, kernel, stride, filters, activation.
TABLE_9 = """\
1 | Input | 256 × 256 | - | - | - | -
2 | Conv2D | 128 × 128 | 4 | 2 | 64 | LeakyRelu
3 | Conv2D – BN | 64 × 64 | 4 | 2 | 128 | LeakyRelu
4 | Conv2D – BN | 32 × 32 | 4 | 2 | 256 | LeakyRelu
5 | Conv2D – BN | 16 × 16 | 4 | 2 | 512 | LeakyRelu
6 | Conv2D – BN | 8 × 8 | 4 | 2 | 512 | LeakyRelu
7 | Conv2D – BN | 4 × 4 | 4 | 2 | 512 | LeakyRelu
8 | Conv2D – BN | 2 × 2 | 4 | 2 | 512 | LeakyRelu
9 | Conv2D – BN | 1 × 1 | 4 | 2 | 512 | LeakyRelu
10 | Conv2DTranspose – BN | 2 × 2 | 2 | 2 | 512 | Relu
11 | Concat(8, 10) | 2 × 2 | - | - | 1024 | -
12 | Conv2DTranspose – BN | 4 × 4 | 2 | 2 | 512 | Relu
13 | Concat(7, 12) | 4 × 4 | - | - | 1024 | -
14 | Conv2DTranspose – BN | 8 × 8 | 2 | 2 | 512 | Relu
15 | Concat(6, 14) | 8 × 8 | - | - | 1024 | -
16 | Conv2DTranspose – BN | 16 × 16 | 2 | 2 | 512 | Relu
17 | Concat(5, 16) | 16 × 16 | - | - | 1024 | -
18 | Conv2DTranspose – BN | 32 × 32 | 2 | 2 | 256 | Relu
19 | Concat(4, 18) | 32 × 32 | - | - | 512 | -
20 | Conv2DTranspose – BN | 64 × 64 | 2 | 2 | 128 | Relu
21 | Concat(3, 20) | 64 × 64 | - | - | 256 | -
22 | Conv2DTranspose – BN | 128 × 128 | 2 | 2 | 64 | Relu
23 | Concat(2, 22) | 128 × 128 | - | - | 128 | -
24 | Conv2DTranspose | 256 × 256 | 2 | 2 | 2 | sigmoid"""

# Table 1: block, layer, kernel, channels; "point" where the attention map can leave.
TABLE_1_MOBILENET = [
    ("block 1", "Conv2D – BN", "3", "16", "1"),
    ("block 2", "Bottleneck", "3", "16", "2"),
    ("block 3", "Bottleneck", "3", "24", ""),
    ("block 3", "Bottleneck", "3", "24", "3 ←"),
    *[("block 4", "Bottleneck", "5", "40", "")] * 3,
    ("block 4", "Bottleneck", "5", "48", ""),
    ("block 4", "Bottleneck", "5", "48", "4"),
    *[("block 5", "Bottleneck", "5", "96", "")] * 2,
    ("block 5", "Bottleneck", "5", "96", "5"),
    ("block 6", "Conv2D – BN", "1", "576", ""),
    ("block 6", "average pool", "-", "576", ""),
    ("block 6", "Dense", "-", "1280", ""),
    ("block 6", "Dense", "-", "2", ""),
]
TABLE_1_RESNET = [  # without the shortcuts, of which Table 1 does not speak
    ("block 1", "Conv2D – BN", "7", "64", "1"),
    *[("block 2", "Conv2D – BN", "3", "64", "")] * 2,
    *[("block 3", "Conv2D – BN", "3", "128", "")] * 2,
    *[("block 4", "Conv2D – BN", "3", "256", "")] * 2,
    *[("block 5", "Conv2D – BN", "3", "512", "")] * 2,
    ("block 6", "average pool", "-", "512", ""),
    ("block 6", "Dense", "-", "2", ""),
]


def cells(table: str) -> list[dict[str, str]]:
    """The lines of a Markdown table by the names in its head."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def rows_of(module: nn.Module, channels: int, size: int, *more: Any, **options: Any) -> list[Row]:
    return layer_rows(
        module, trace(module.eval(), torch.zeros(1, channels, size, size, device="meta"), *more), **options
    )


def macs(module: nn.Module, *shape: int) -> int:
    """Multiply-adds of the only layer."""
    return sum(trace(module.to("meta").eval(), torch.zeros(1, *shape, device="meta")).macs.values())


def test_table_9() -> None:
    table = cells(layers_table(colorizer_part(without_memory(lambda: UNet(256)), 256)))
    columns = ("ID", "Layer Type", "Output dim", "Kernel", "Stride", "Filters", "Activation")
    found = "\n".join(" | ".join(line[column] for column in columns) for line in table)
    assert found.replace("ReLU", "Relu") == TABLE_9


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_leaves_the_table_as_it_is(dropout: float) -> None:
    rows = rows_of(without_memory(lambda: UNet(64, dropout)), 1, 64)
    assert [row.layer for row in rows][-4:] == [
        "Concat(3, 14)",
        "Conv2DTranspose – BN",
        "Concat(2, 16)",
        "Conv2DTranspose",
    ]


def table_1(make: Any) -> list[tuple[str, ...]]:
    part = caan_part(without_memory(make), 256)
    assert part is not None
    columns = ("Module", "Layer Type", "Kernel", "Filters", "Point")
    return [tuple(line[column] for column in columns) for line in cells(layers_table(part, [3]))[1:]]


def test_table_1_mobilenet() -> None:
    assert table_1(mobilenet_caan) == TABLE_1_MOBILENET


def test_table_1_resnet() -> None:
    found = table_1(resnet_caan)
    assert [line for line in found if line[1] in ("Conv2D – BN", "average pool", "Dense")] == TABLE_1_RESNET
    # Point 1 is the stem, 2 to 5 are where a block's shortcut has been added.
    reached = [(block, layer.partition("(")[0], point) for block, layer, _, _, point in found if point]
    assert reached[1:] == [
        ("block 2", "Add", "2"),
        ("block 3", "Add", "3 ←"),
        ("block 4", "Add", "4"),
        ("block 5", "Add", "5"),
    ]


def test_multiply_adds_worked_out_by_hand() -> None:
    assert macs(nn.Conv2d(3, 8, 3, 2, 1), 3, 32, 32) == 16 * 16 * 8 * 3 * 9
    assert macs(nn.Conv2d(6, 6, 5, padding=2, groups=6), 6, 10, 10) == 10 * 10 * 6 * 25
    assert macs(nn.ConvTranspose2d(4, 2, 2, 2), 4, 8, 8) == 8 * 8 * 4 * 2 * 4
    assert macs(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), 3, 4, 4) == 48 * 5
    assert macs(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)), 3, 4, 4) == 0


def test_multiply_adds_of_table_9s_layers() -> None:
    rows = rows_of(without_memory(lambda: UNet(256)), 1, 256)
    assert rows[1].macs == 128 * 128 * 64 * 16
    assert rows[2].macs == 64 * 64 * 128 * 64 * 16
    assert rows[23].macs == 256 * 256 * 2 * 128  # each output pixel of a 2×2 transposed convolution has one tap
    assert [rows[place].parameters for place in (1, 2, 23)] == [64 * 17, 128 * (64 * 16 + 1 + 2), 2 * (128 * 4 + 1)]


def test_published_multiply_adds() -> None:
    """He et al. 2016, Table 1, and the 15.5 thousand millions that are VGG16's, 0.12 of them in its dense layers."""
    whole = adn_part(LeaNet(without_memory(lambda: resnet18(3, 224))), 224)
    assert whole.macs == pytest.approx(1.8e9, rel=0.03)
    deeper = adn_part(LeaNet(without_memory(lambda: timm_adn("resnet50", 3, 224))), 224)
    assert deeper.macs == pytest.approx(4.1e9, rel=0.03)
    features = adn_part(LeaNet(without_memory(lambda: vgg("vgg16", 3, 224))), 224).network.get_submodule("features")
    assert sum(row.macs for row in rows_of(features, 3, 224)) == pytest.approx(15.5e9 - 0.124e9, rel=0.01)


NETWORKS = {
    "resnet18": lambda: timm.create_model("resnet18"),
    "resnet50": lambda: timm.create_model("resnet50"),
    "convnext": lambda: timm.create_model("convnext_atto"),
    "swin": lambda: timm.create_model("swin_tiny_patch4_window7_224", img_size=64),
    "vit": lambda: timm.create_model("vit_tiny_patch16_224", img_size=64),
    "efficientnet": lambda: timm.create_model("efficientnet_b0"),
    "densenet": lambda: timm.create_model("densenet121"),
    "cnn": lambda: basic_cnn(3, 64).network,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_add_up(name: str) -> None:
    module = without_memory(NETWORKS[name])
    seen = trace(module.eval(), torch.zeros(1, 3, 64, 64, device="meta"))
    for readable in (1, 40, 10_000):
        rows = layer_rows(module, seen, readable)
        assert sum(row.parameters for row in rows) == sum(parameter.numel() for parameter in module.parameters())
        assert sum(row.macs for row in rows) == sum(seen.macs.values()) > 0
        if readable == 40:
            assert len(rows) <= 41
    assert is_by_layer(rows)


def test_a_deep_network_is_told_by_its_blocks() -> None:
    rows = rows_of(without_memory(NETWORKS["resnet50"]), 3, 224)
    blocks = [row for row in rows if row.layer == "Bottleneck"]
    assert [row.size for row in blocks] == ["56 × 56"] * 3 + ["28 × 28"] * 4 + ["14 × 14"] * 6 + ["7 × 7"] * 3
    assert [row.stride for row in blocks if row.stride != "1"] == ["2", "2", "2"]
    assert {row.kernel for row in blocks} == {"3"}
    assert {row.activation for row in blocks} == {"ReLU"}
    # He et al. 2016: 1×1 of 64, 3×3 of 64, 1×1 of 256, and a 1×1 shortcut, without biases, each with batch norm.
    assert blocks[0].parameters == 64 * 64 + 9 * 64 * 64 + 64 * 256 + 64 * 256 + 2 * (64 + 64 + 256 + 256)


def test_channels_last_are_told_from_sizes() -> None:
    rows = rows_of(without_memory(lambda: timm.create_model("swin_tiny_patch4_window7_224")), 3, 224)
    stages = [(row.size, row.filters) for row in rows if row.layer == "PatchMerging"]
    assert stages == [("28 × 28", "192"), ("14 × 14", "384"), ("7 × 7", "768")]


class _Joins(nn.Module):
    """The sum of a layer and the input, and of that and something no layer gives."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        self.second = nn.Conv2d(3, 3, (1, 5), padding=(0, 2))
        self.scale = nn.Parameter(torch.ones(7))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        joined = torch.relu(self.first(images) + images)
        return self.second(joined) + joined * 2


def test_only_what_is_known_to_be_joined_is_told() -> None:
    rows = rows_of(without_memory(_Joins), 3, 8)
    assert [(row.layer, row.activation) for row in rows] == [
        ("Input", "-"),
        ("Conv2D", "-"),
        ("Add(2, 1)", "ReLU"),
        ("Conv2D", "-"),
        ("outside of these", "-"),
    ]
    assert rows[3].kernel == "1 × 5"
    assert rows[4].parameters == 7
    assert place_of(rows, "first") == 1
    assert place_of(rows, "third") is None


def test_hooks_are_gone_afterwards() -> None:
    module = without_memory(lambda: UNet(64))
    trace(module.eval(), torch.zeros(1, 1, 64, 64, device="meta"))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def points(adn: Adn, caan: Any, point: int | None, size: int) -> list[dict[str, str]]:
    whole = LeaNet(adn, caan, point)
    return cells(points_table(whole, adn_part(whole, size), caan_part(caan, size), size))


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
    assert [line["CAAN module"] for line in found] == [f"block {number}" for number in range(1, 6)]


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
