from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from scipy.ndimage import gaussian_filter

from leanet.errors import LeanetError
from leanet.maps.features.extractor import Extractor
from leanet.maps.features.feature_maps import FeatureMaps, blurred
from leanet.maps.features.padim import padim


@pytest.mark.parametrize(("side", "sigma"), [(32, 4 * 32 / 224), (64, 4 * 64 / 224), (40, 3.0)])
def test_the_blur_is_scipy_s(side: int, sigma: float) -> None:
    maps = torch.rand(2, 1, side, side)
    expected = [gaussian_filter(each[0].double().numpy(), sigma, mode="mirror") for each in maps]
    np.testing.assert_allclose(blurred(maps, sigma)[:, 0].numpy(), expected, atol=1e-4)


def test_features_are_those_of_timm_s_whole_network_on_normalised_images() -> None:
    torch.manual_seed(0)
    extractor = Extractor("resnet18", [1, 2, 3], 64, pretrained=False)
    whole = timm.create_model("resnet18", pretrained=False).eval()
    whole.load_state_dict(extractor.network.state_dict(), strict=False)
    rgb = torch.rand(2, 3, 64, 64)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    features = whole.maxpool(whole.act1(whole.bn1(whole.conv1((rgb - mean[:, None, None]) / deviation[:, None, None]))))
    for layer, found in zip((whole.layer1, whole.layer2, whole.layer3), extractor(rgb), strict=True):
        features = layer(features)
        torch.testing.assert_close(found, features)
    assert [tuple(each.shape[1:]) for each in extractor(rgb)] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


def test_threads_get_their_own_features_where_timm_keeps_them_in_the_network() -> None:
    extractor = Extractor("legacy_xception", [1], 32, pretrained=False)

    @torch.inference_mode()
    def features_of(rgb: torch.Tensor) -> torch.Tensor:
        return extractor(rgb)[0]

    inputs = list(torch.rand(16, 1, 3, 32, 32))
    expected = [features_of(rgb) for rgb in inputs]
    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(pool.map(features_of, inputs), expected, strict=True):
            torch.testing.assert_close(found, alone)


def test_channels_come_first_whatever_the_network() -> None:
    found = Extractor("swin_tiny_patch4_window7_224", [0, 1], 64, pretrained=False)(torch.rand(1, 3, 64, 64))
    assert [tuple(each.shape) for each in found] == [(1, 96, 16, 16), (1, 192, 8, 8)]


@pytest.mark.parametrize(
    ("network", "layers", "told"),
    [
        ("resnet18", [7], r"map\.network=resnet18 map\.layers=\[7\]: no such features"),
        ("resnet81", [1], "model=resnet81: timm has no such network; did you mean"),
    ],
)
def test_what_timm_does_not_have_is_told_in_one_line(network: str, layers: list[int], told: str) -> None:
    with pytest.raises(LeanetError, match=f"^{told}") as error:
        Extractor(network, layers, 64, pretrained=True)  # nothing is fetched for it
    assert "\n" not in str(error.value)


def test_maps_are_of_the_images_size_and_fit_half_precision() -> None:
    torch.manual_seed(0)
    extractor = Extractor("resnet18", [1, 2], 32, pretrained=False)
    rgb = torch.rand(4, 3, 32, 32)
    maps = FeatureMaps(extractor, padim([extractor(rgb)], 20, seed=0))
    assert maps(rgb).shape == (4, 1, 32, 32)
    assert maps(torch.full_like(rgb, 1e9)).half().isfinite().all()
