from functools import cache

import pytest
import timm
import torch
from torch import nn

from leanet.detector.adn import Adn, basic_cnn, resnet18, timm_adn, vgg
from leanet.errors import LeanetError

SIZES = [128, 64, 32, 16, 8]  # at the five points of a 256×256 image, by the authors' code


def counts(network: nn.Module) -> tuple[int, int]:
    """Numbers in all (batch-norm statistics included), and trainable ones."""
    trainable = sum(parameter.numel() for parameter in network.parameters())
    return trainable + sum(b.numel() for n, b in network.named_buffers() if "running" in n), trainable


@cache
def paper(name: str) -> Adn:
    """The paper's network for 256×256, without its memory."""
    with torch.device("meta"):
        match name:
            case "resnet18":
                return resnet18(3, 256)
            case "resnet50":
                return timm_adn("resnet50", 3, 256)
            case "cnn":
                return basic_cnn(3, 256)
        return vgg(name, 3, 256)


# Trainable or all numbers, whichever the paper's (or the authors' network's) count is; and the paper's figure.
@pytest.mark.parametrize(
    ("name", "which", "count", "printed"),
    [
        ("resnet18", 1, 11_177_538, "11.2M"),
        ("resnet50", 1, 23_512_130, "23.6M"),
        ("vgg16", 1, 165_726_018, "165.7M"),
        ("vgg19", 1, 171_035_714, "171.0M"),
        ("cnn", 0, 3_982_210, "4.0M"),
    ],
)
def test_parameters_are_the_papers(name: str, which: int, count: int, printed: str) -> None:
    found = counts(paper(name))[which]
    assert found == count
    assert found / 1e6 == pytest.approx(float(printed[:-1]), rel=0.005)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vgg16", "vgg19", "cnn"])
def test_sizes_at_the_points_are_the_papers(name: str) -> None:
    adn, sizes = paper(name), []
    hooks = [
        adn.network.get_submodule(str(point)).register_forward_hook(lambda *call: sizes.append(call[2].shape[-1]))
        for point in adn.points
    ]
    assert adn.eval()(torch.rand(1, 3, 256, 256, device="meta")).shape == (1, 2)
    for hook in hooks:
        hook.remove()
    assert sizes == SIZES


def test_the_authors_extra_convolution_sits_after_point_1() -> None:
    plain, extra = resnet18(3, 64).eval(), resnet18(3, 64, extra_conv=True).eval()
    assert counts(extra)[1] - counts(plain)[1] == 64 * 64 * 9 + 64
    extra.load_state_dict(plain.state_dict(), strict=False)
    conv = extra.network.get_submodule("maxpool.0")
    nn.init.dirac_(conv.weight)  # a convolution that changes nothing
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(extra(images), plain(images))
    nn.init.zeros_(conv.weight)
    assert not torch.allclose(extra(images), plain(images))


@pytest.mark.parametrize("make", [lambda size: vgg("vgg16", 3, size), lambda size: basic_cnn(3, size)])
def test_flat_heads_follow_the_image_size(make) -> None:
    with torch.device("meta"):
        for size in (64, 96):
            assert make(size)(torch.rand(2, 3, size, size)).shape == (2, 2)
        with pytest.raises(RuntimeError):
            make(64)(torch.rand(2, 3, 96, 96))


def test_vgg_has_dropout_when_asked_for() -> None:
    with torch.device("meta"):
        rates = [
            [layer.p for layer in vgg("vgg16", 3, 64, dropout=rate).modules() if isinstance(layer, nn.Dropout)]
            for rate in (0.0, 0.5)
        ]
    assert rates == [[0.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize("channels", [1, 4])
def test_other_inputs(channels: int) -> None:
    with torch.device("meta"):
        for adn in (resnet18(channels, 64), vgg("vgg16", channels, 64), basic_cnn(channels, 64)):
            assert adn(torch.rand(2, channels, 64, 64)).shape == (2, 2)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Weights of a network of 1000 classes that timm finds when it asks the hub for them."""
    torch.manual_seed(1)
    weights = timm.create_model("resnet18").state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *args, **kwargs: dict(weights))
    return weights


def test_pretrained_weights_come_with_their_normalisation(published: dict[str, torch.Tensor]) -> None:
    adn = resnet18(3, 64, pretrained=True)
    assert torch.equal(adn.network.get_submodule("layer3.0.conv1").weight, published["layer3.0.conv1.weight"])
    assert adn.network.get_submodule("fc").weight.shape == (2, 512)
    # ImageNet's mean and standard deviation.
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = torch.rand(2, 3, 64, 64)
    expected = (images - mean[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(adn.normalize(images), expected)
    four = resnet18(4, 64, pretrained=True).normalize(torch.cat([images, images[:, :1]], dim=1))
    torch.testing.assert_close(four, torch.cat([expected, images[:, :1]], dim=1))
    assert torch.equal(resnet18(3, 64).normalize(images), images)


def test_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        LeanetError, match=r"weights=imagenet: those of resnet18 cannot be fetched \(.*\); go .* or use weights=bundled"
    ):
        resnet18(3, 64, pretrained=True)
