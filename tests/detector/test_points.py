"""Attention at the points of networks that nobody thought of when the program was written."""

import pytest
import timm
import torch
from torch import nn

from leanet.detector.adn import timm_adn
from leanet.detector.caan import channels_at, mobilenet_caan, timm_caan
from leanet.detector.lea_net import LeaNet
from leanet.detector.loss import head_loss
from leanet.detector.points import find_points, module_at
from leanet.errors import LeanetError

# One of each family, small; and the points that it has.
FAMILIES = {
    "convnext_atto": [2, 3, 4, 5],
    "efficientnet_lite0": [1, 2, 3, 4, 5],
    "densenet121": [1, 2, 3, 4, 5],
    "regnetx_002": [1, 2, 3, 4, 5],
    "mobilenetv3_small_050": [1, 2, 3, 4, 5],
    "mobilenetv4_conv_small_050": [1, 2, 3, 4, 5],
    "resnext26ts": [1, 2, 3, 4, 5],
    "test_maxvit": [1, 2, 3, 4, 5],  # convolutions and attention
    "mobilevit_xxs": [1, 2, 3, 4, 5],
    "swin_s3_tiny_224": [2, 3, 4, 5],  # features (B, H, W, C)
}


@pytest.mark.parametrize("model", FAMILIES)
def test_a_step_with_attention_at_each_point(model: str) -> None:
    images, maps, labels = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64), torch.tensor([0, 1])
    torch.manual_seed(0)
    adn = timm_adn(model, 3, 64)
    assert [point for point, name in enumerate(adn.points, start=1) if name] == FAMILIES[model]
    for point in FAMILIES[model]:
        network = LeaNet(adn, mobilenet_caan(), point)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        output = network(images, maps)
        head_loss(output.adn, labels).backward()  # not CAAN's own: what it learns comes through the attention
        assert output.attention.shape == (2, 1, 64 // 2**point, 64 // 2**point)
        gradient = network.caan.blocks[0][0].weight.grad
        assert gradient.isfinite().all() and gradient.abs().max() > 0
        optimizer.step()
        adn.network.get_submodule(module_at(adn.points, point))._forward_hooks.clear()


@pytest.mark.parametrize("model", ["mobilenetv4_conv_small_050", "swin_s3_tiny_224", "convnext_atto"])
def test_any_network_as_caan(model: str) -> None:
    caan = timm_caan(model, 64).eval()
    maps = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        (features,), logits = caan(maps, [3])
    assert features.shape == (2, *channels_at(caan, [3], 64), 8, 8) and logits.shape == (2, 2)


def test_features_are_those_of_timms_own_extractor() -> None:
    torch.manual_seed(0)
    whole = timm.create_model("regnetx_002", in_chans=1, num_classes=2)
    caan = timm_caan("regnetx_002", 64).eval()
    caan.network.load_state_dict(whole.state_dict())
    extractor = timm.create_model("regnetx_002", in_chans=1, features_only=True).eval()
    extractor.load_state_dict(whole.state_dict(), strict=False)
    maps = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        for point, features in enumerate(extractor(maps), start=1):
            torch.testing.assert_close(caan(maps, [point])[0][0], features)


def test_points_by_name() -> None:
    names = ["conv1", "layer1", "layer2.0", "layer3", "layer4"]
    assert timm_adn("resnet18", 3, 64, points=names).points == tuple(names)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["conv1", "layer1", "layer2", "layer3", "layer9"], "has no module 'layer9'; it has conv1, bn1, act1, maxpool"),
        (["conv1"], "give the names of 5 modules"),
        ("conv1", "give the names of 5 modules"),
    ],
)
def test_a_wrong_name_lists_the_modules(names: list[str], told: str) -> None:
    with pytest.raises(LeanetError, match=told):
        timm_adn("resnet18", 3, 64, points=names)


def test_a_point_that_a_network_does_not_have() -> None:
    adn = timm_adn("convnext_atto", 3, 64)
    with pytest.raises(LeanetError, match=r"point=1: the network has no features of S/2; choose point=2\|3\|4\|5, or"):
        LeaNet(adn, mobilenet_caan(), 1)


def test_features_of_one_size_need_names() -> None:
    with pytest.raises(LeanetError, match=r"do not shrink from S/2 to S/32; .*points=\[…\] out of .*blocks\.0"):
        timm_adn("test_vit", 3, 64)


def test_features_that_are_no_maps_are_told() -> None:
    adn = timm_adn("test_vit", 3, 64, points=[f"blocks.{number}" for number in range(5)])
    network = LeaNet(adn, mobilenet_caan(), 1)
    with pytest.raises(LeanetError, match=r"module blocks\.0 gives no maps \(B, C, H, W\) but \(2, 17, 64\)"):
        network(torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64))


def test_a_network_without_feature_information() -> None:
    with pytest.raises(LeanetError, match="does not say where its features are"):
        find_points(nn.Sequential(nn.Conv2d(3, 2, 1)), None)


def test_a_model_that_timm_does_not_have() -> None:
    with pytest.raises(LeanetError, match=r"model=convnext_tyni: .*did you mean convnext_tiny"):
        timm_adn("convnext_tyni", 3, 64)
    with pytest.raises(LeanetError, match=r"model=resnet18: .*unexpected keyword argument 'colour'"):
        timm_adn("resnet18", 3, 64, colour=True)
