"""Anomaly detection networks: ordinary classifiers with five named points for the attention (§3-3)."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from leanet.detector.catalogue import timm_network
from leanet.detector.points import Names, find_points
from leanet.detector.pretrained import expected

CNN_WIDTHS = (64, 128, 256, 512, 512)


class Adn(nn.Module):
    """A classifier of images with names for its five attention points.

    Args:
        network: (B, C, S, S) → (B, 2) logits of normal and anomalous.
        points: the names of five of its modules, from the shallowest to the deepest; None where it has none.
        normalize: maps images in 0…1 to what the pretrained weights expect; None: no change.
        model: timm's name of the backbone; None if there are no pretrained weights for it.
    """

    def __init__(
        self, network: nn.Module, points: Names, normalize: nn.Module | None = None, model: str | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.points = points
        self.normalize = normalize or nn.Identity()
        self.model = model
        self.kept: tuple[str, ...] = ()  # modules of the network that stay in evaluation mode

    def train(self, mode: bool = True) -> "Adn":
        """Set the training mode of all modules but those that `freeze` keeps in evaluation mode."""
        super().train(mode)
        for name in self.kept:
            self.network.get_submodule(name).training = False
        return self

    @property
    def backbone(self) -> nn.Module:
        """The module that has timm's names for the layers of `model`."""
        return self.network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(self.normalize(images))
        return logits


def timm_adn(
    model: str,
    channels: int,
    image_size: int,
    pretrained: bool = False,
    points: Sequence[str] | None = None,
    **options: Any,
) -> Adn:
    """An ADN from any timm classifier.

    Args:
        model: the network's name in timm.
        channels: C of its input (B, C, S, S).
        image_size: S.
        pretrained: whether to use ImageNet weights and the normalisation that they expect.
        points: names of five modules; None: timm's features of sizes S/2 … S/32.
        options: further arguments of the network.

    Raises:
        LeanetError: no such network, option or point, or weights that cannot be downloaded.
    """
    network = timm_network(model, channels, image_size, pretrained, **options)
    return Adn(network, find_points(network, points), expected(model, channels) if pretrained else None, model)


def resnet18(channels: int, image_size: int, pretrained: bool = False, extra_conv: bool = False) -> Adn:
    """ResNet18 (He et al. 2016), 11,177,538 parameters.

    Args:
        channels: C of its input (B, C, S, S).
        image_size: S.
        pretrained: whether to use ImageNet weights.
        extra_conv: whether to add a 3×3 convolution after point 1, as in the authors' code.
    """
    adn = timm_adn("resnet18", channels, image_size, pretrained)
    if extra_conv:
        conv = nn.Conv2d(64, 64, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")  # as timm's others
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        adn.network.maxpool = nn.Sequential(conv, adn.network.get_submodule("maxpool"))
    return adn


def vgg(model: str, channels: int, image_size: int, pretrained: bool = False, dropout: float = 0.0) -> Adn:
    """VGG16 or VGG19 (Simonyan & Zisserman 2015) with the paper's head: flatten → 4096 → 4096 → 2.

    VGG16 has 165,726,018 parameters at 256×256 (Table 3: 165.7M). The original network pools to 7×7 before the head and
    has 134M. The five points are the poolings.

    Args:
        model: vgg16 or vgg19.
        channels: C of its input (B, C, S, S).
        image_size: S, at least 32.
        pretrained: whether to use ImageNet weights for the convolutions.
        dropout: of the two hidden dense layers.
    """
    network = timm_network(model, channels, image_size, pretrained)
    head = nn.Sequential(
        nn.Flatten(),
        nn.Linear(512 * (image_size // 2**5) ** 2, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, 2),
    )
    whole = nn.Sequential(OrderedDict(features=network.get_submodule("features"), head=_glorot(head)))
    pools = tuple(name for name, layer in whole.named_modules() if isinstance(layer, nn.MaxPool2d))
    return Adn(whole, pools, expected(model, channels) if pretrained else None, model)


def basic_cnn(channels: int, image_size: int) -> Adn:
    """The basic CNN of Tables 7 and 8: five blocks of 3×3 convolution (stride 2), batch norm and ReLU; flatten, dense.

    3,982,210 numbers at 256×256, batch-norm statistics included (the paper: 4.0M).

    Args:
        channels: C of its input (B, C, S, S).
        image_size: S, at least 32.
    """
    network = nn.Sequential()
    for number, width in enumerate(CNN_WIDTHS, start=1):
        conv = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        network.add_module(f"block{number}", nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU()))
        channels = width
    network.add_module("flatten", nn.Flatten())
    network.add_module("dense", _glorot(nn.Linear(channels * (image_size // 2**5) ** 2, 2)))
    return Adn(network, tuple(f"block{number}" for number in range(1, 6)))


def _glorot(head: nn.Module) -> nn.Module:
    """Glorot & Bengio's initial weights of dense layers, the default in the authors' Keras; the paper names none."""
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return head
