"""External networks, whose features become the attention (Table 1), and the anomaly map in place of one."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from leanet.detector.attention import resized
from leanet.detector.catalogue import timm_network
from leanet.detector.points import find_points, module_at
from leanet.detector.taps import Taps


class ExternalNetwork(Protocol):
    """Anomaly maps (B, 1, S, S) and points, 1…5 → features (B, C, h, w) at each point, and logits (B, 2) or None."""

    def __call__(self, maps: Tensor, points: Sequence[int]) -> tuple[list[Tensor], Tensor | None]: ...


class Caan(nn.Module):
    """A classifier of anomaly maps with five blocks; the features of any block can become the attention (§3-2).

    Args:
        blocks: five modules, each of which halves the size: S/2, S/4, S/8, S/16, S/32.
        head: features of the fifth block → (B, 2) logits of normal and anomalous.
    """

    def __init__(self, blocks: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.head = head

    def forward(self, maps: Tensor, points: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        features, found = maps, {}
        for number, block in enumerate(self.blocks, start=1):
            features = block(features)
            if number in points:
                # This node, before the next block's, fixes the order in which gradients are summed: that of older runs,
                # bit for bit.
                found[number] = features.view_as(features)
        return [found[point] for point in points], self.head(features)


class DirectAttention(nn.Module):
    """Attention without CAAN (baseline v of §4-3): the anomaly map, at the point's size, in place of features."""

    def forward(self, maps: Tensor, points: Sequence[int]) -> tuple[list[Tensor], None]:
        sizes = [maps.shape[-1] // 2**point for point in points]
        return [resized(maps, (size, size)) for size in sizes], None


class TimmCaan(nn.Module):
    """A timm classifier as the external network.

    Args:
        network: (B, 1, S, S) → (B, 2) logits.
        model: its name in timm.
        points: names of five of its modules; None: timm's features of sizes S/2 … S/32.

    Raises:
        LeanetError: it has no such modules.
    """

    def __init__(self, network: nn.Module, model: str, points: Sequence[str] | None) -> None:
        super().__init__()
        self.model = model
        self.network = network
        self.points = find_points(network, points)
        self._taps = Taps(network, {point: name for point, name in enumerate(self.points, start=1) if name is not None})

    def forward(self, maps: Tensor, points: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        for point in points:
            module_at(self.points, point)  # raises a LeanetError where there is none
        with self._taps.open() as found:
            logits: Tensor = self.network(maps)
        return [found[point] for point in points], logits


@torch.no_grad()
def channels_at(caan: ExternalNetwork, points: Sequence[int], image_size: int) -> list[int]:
    """The number of channels of an external network's features at each point.

    Args:
        caan: the external network.
        points: 1…5 each.
        image_size: S.
    """
    network = caan if isinstance(caan, nn.Module) else nn.Module()
    training = network.training
    network.eval()  # for one pass that leaves its statistics as they are
    features, _ = caan(torch.zeros(1, 1, image_size, image_size), points)
    network.train(training)
    return [of_point.shape[1] for of_point in features]


def timm_caan(
    model: str, image_size: int, pretrained: bool = False, points: Sequence[str] | None = None, **options: Any
) -> TimmCaan:
    """A CAAN from any timm classifier; arguments and errors as for `timm_adn`."""
    return TimmCaan(timm_network(model, 1, image_size, pretrained, **options), model, points)


def mobilenet_caan(hard_swish: bool = True) -> Caan:
    """MobileNet-like CAAN: 3,041,906 numbers, batch-norm statistics included (Table 1: 3.042M).

    MobileNetV3-Small (Howard et al. 2019, Table 2) with squeeze-and-excitation of full width, which is what gives
    the paper's count. `hard_swish=False` has ReLU throughout, as the authors' code.
    """
    late = nn.Hardswish if hard_swish else nn.ReLU
    blocks: list[nn.Module] = [
        _conv(1, 16, 3, late, stride=2),
        _Bottleneck(16, 16, 16, 3, True, nn.ReLU, stride=2),
        nn.Sequential(
            _Bottleneck(16, 72, 24, 3, False, nn.ReLU, stride=2),
            _Bottleneck(24, 88, 24, 3, False, nn.ReLU),
        ),
        nn.Sequential(
            _Bottleneck(24, 96, 40, 5, True, late, stride=2),
            _Bottleneck(40, 240, 40, 5, True, late),
            _Bottleneck(40, 240, 40, 5, True, late),
            _Bottleneck(40, 120, 48, 5, True, late),
            _Bottleneck(48, 144, 48, 5, True, late),
        ),
        nn.Sequential(
            _Bottleneck(48, 288, 96, 5, True, late, stride=2),
            _Bottleneck(96, 576, 96, 5, True, late),
            _Bottleneck(96, 576, 96, 5, True, late),
        ),
    ]
    head = nn.Sequential(_conv(96, 576, 1, late), _pool(), nn.Linear(576, 1280), late(), nn.Linear(1280, 2))
    return Caan(blocks, head)


def resnet_caan() -> Caan:
    """ResNet-based CAAN: a 7×7 stem and four residual blocks, 4,905,602 numbers with batch-norm statistics.

    Table 1 prints 4.491M, but Table 3 adds 4.9M for it. The first block halves by max-pooling.
    """
    blocks: list[nn.Module] = [
        _conv(1, 64, 7, nn.ReLU, stride=2),
        nn.Sequential(nn.MaxPool2d(3, 2, 1), _Residual(64, 64, stride=1)),
        _Residual(64, 128, stride=2),
        _Residual(128, 256, stride=2),
        _Residual(256, 512, stride=2),
    ]
    return Caan(blocks, nn.Sequential(_pool(), nn.Linear(512, 2)))


def _conv(
    channels: int, width: int, kernel: int, activation: type[nn.Module], stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution (with bias, as the paper's counts have it), batch norm, activation."""
    conv = nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups)
    return nn.Sequential(conv, nn.BatchNorm2d(width), activation())


def _pool() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class _Bottleneck(nn.Module):
    """The inverted residual of MobileNetV3: expand, depthwise, squeeze-and-excite, project."""

    def __init__(
        self,
        channels: int,
        expanded: int,
        width: int,
        kernel: int,
        excite: bool,
        activation: type[nn.Module],
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, expanded, 1, activation),
            _conv(expanded, expanded, kernel, activation, stride, groups=expanded),
            _Excitation(expanded) if excite else nn.Identity(),
            _conv(expanded, width, 1, nn.Identity),
        )
        self.residual = stride == 1 and channels == width

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.body(features)
        return features + out if self.residual else out


class _Excitation(nn.Module):
    """Squeeze-and-excitation whose two layers are as wide as the features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            _pool(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.Hardsigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        weights: Tensor = self.weigh(features)
        return features * weights[:, :, None, None]


class _Residual(nn.Module):
    """Two 3×3 convolutions and a shortcut, which is a 1×1 convolution where the width changes (He et al. 2016)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, width, 3, nn.ReLU, stride), _conv(width, width, 3, nn.Identity))
        self.shortcut = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1, stride)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.body(features) + self.shortcut(features))
