"""Every file under conf/ as it stands: it composes, its values pass the checks, and what it names can be made."""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from omegaconf import OmegaConf
from torch import Tensor

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.detector.attention import Attention
from leanet.detector.build import detector_of
from leanet.detector.lea_net import LeaNet
from leanet.runs.loggers import colorizer_logger_of, logger_of
from leanet.runs.run import Run

FILES = sorted(file.relative_to(CONF).with_suffix("") for file in CONF.rglob("*.yaml"))
BASELINES = ("lab_statistics", "map_score")  # which have no points
PLUGINS = {"slurm": "hydra_plugins.hydra_submitit_launcher"}  # a launcher's file that is nothing without its plugin


def choices(group: str) -> list[str]:
    return [file.name for file in FILES if str(file.parent) == group]


def settings(*overrides: str) -> Settings:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=["dataset.image_size=64", *overrides])
    container: Any = OmegaConf.to_container(config, resolve=True)
    return settings_of(container)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_gives_settings(file: Path) -> None:
    group = str(file.parent)
    if group == "hydra/launcher" and file.name in PLUGINS:
        pytest.importorskip(PLUGINS[file.name], reason=f"needs leanet[{file.name}]")
    more = ["map.root=maps"] if str(file) == "map/folder" else []
    found = settings() if group == "." else settings(f"{group}={file.name}", *more)
    if group in {"dataset", "adn", "caan", "input", "map", "colorizer"} and file.name != "timm":
        named = getattr(found, group)
        assert (named["name"] if group == "dataset" else named.name) == file.name


@pytest.mark.parametrize("name", choices("dataset"))
def test_datasets(name: str, tmp_path: Path) -> None:
    node = settings(f"dataset={name}", f"paths.data={tmp_path}").dataset
    dataset = instantiate({key: value for key, value in node.items() if key not in ("folds_file", "origin")})
    assert (dataset.name, dataset.image_size) == (name, 64)
    assert callable(dataset.index)
    assert callable(dataset.load)


@pytest.mark.parametrize("name", choices("input"))
def test_an_input_has_no_attention_unless_it_is_asked_for(name: str) -> None:
    assert settings(f"input={name}").caan.name == ("mobilenet" if name == "rgb" else "none")
    assert settings(f"input={name}", "caan=resnet").caan.name == "resnet"


@pytest.mark.parametrize("name", choices("attention"))
def test_attentions_are_ones_of_their_own(name: str) -> None:
    """Each choice differs from the paper's in its numbers, once what is learned has moved."""
    options = asdict(settings(f"attention={name}").attention)
    assert options.pop("points") is None
    attention = Attention(**options, channels=5)
    features = torch.randn(2, 5, 8, 8)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter += 0.1
        is_papers = torch.equal(attention(features), Attention()(features))
    assert is_papers == (name == "paper")


@pytest.mark.parametrize("name", choices("colorizer"))
def test_colorizers(name: str) -> None:
    found = settings(f"colorizer={name}").colorizer
    colorizer = instantiate(found.network, image_size=64).eval()
    whole = torch.rand(2, 3, 64, 64)
    out = colorizer.complete(whole, colorizer(whole[:, colorizer.sees]))
    assert out.shape == whole.shape and out.min() >= 0 and out.max() <= 1


@pytest.mark.parametrize(("adn", "sees"), zip(BASELINES, ("rgb", "map"), strict=True))
def test_a_baseline_alone_on_the_command_line(adn: str, sees: str) -> None:
    found = settings(f"adn={adn}")
    assert (found.caan.name, found.caan.network, found.input.name, found.adn.lr) == ("none", None, sees, None)
    assert detector_of(found, fold=1)(torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)).adn.shape == (2, 2)


@cache
def adn_of(name: str) -> Any:
    return instantiate(settings(f"adn={name}").adn.network, channels=3, image_size=64)


@cache
def caan_of(name: str) -> Any:
    found = settings(f"caan={name}").caan.network
    return found and instantiate(found)


# Every ADN with the plainest CAAN, and every CAAN with the smallest ADN.
MEETINGS = [(name, "direct") for name in choices("adn") if name not in (*BASELINES, "frozen")]
MEETINGS += [("cnn", name) for name in choices("caan") if name != "direct"]


@pytest.mark.parametrize("point", range(1, 6))
@pytest.mark.parametrize(("adn", "caan"), MEETINGS)
def test_networks_meet_at_every_point(adn: str, caan: str, point: int) -> None:
    classifier, external = adn_of(adn), caan_of(caan)
    network = LeaNet(classifier, external, point if external else None)
    sizes: list[tuple[int, ...]] = []

    def note(module: torch.nn.Module, inputs: Any, features: Tensor) -> None:
        sizes.append(tuple(features.shape[-2:]))

    with classifier.network.get_submodule(classifier.points[point - 1]).register_forward_hook(note):
        output = network.eval()(torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64))
    side = 64 // 2**point
    assert output.adn.shape == (2, 2)
    assert sizes == [(side, side)]
    assert output.attention is None if caan == "none" else output.attention.shape == (2, 1, side, side)
    assert output.caan is None if caan in {"none", "direct"} else output.caan.shape == (2, 2)


@pytest.mark.parametrize("name", choices("logger"))
def test_loggers(name: str, tmp_path: Path) -> None:
    offline = ["logger.offline=true"] if name == "wandb" else []
    run = Run(settings(f"logger={name}", f"paths.runs={tmp_path}", *offline), "0" * 64, fold=1)
    logger = logger_of(run)
    assert isinstance(logger, Logger)
    assert logger.save_dir == str(run.folder)
    assert colorizer_logger_of(run, run.maps_folder).save_dir == str(run.maps_folder)


def test_the_papers_effort_is_the_default_on_its_datasets() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain, chosen = (compose("train", overrides=["dataset=potato", *more]) for more in ([], ["effort=paper"]))
    assert plain == chosen
