"""Models from anyone: whatever they hold, nothing of it is executed, and what is wrong is said in one line."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from leanet.config.allowed_targets import TARGETS
from leanet.config.command_line import CONF
from leanet.errors import LeanetError
from leanet.model.load import load

Change = Callable[[dict[str, Any]], object]


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.file,))


@pytest.fixture
def model(made: Any, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(made.model, tmp_path / "model"))


def refused(model: Path, told: str) -> None:
    with pytest.raises(LeanetError, match=told) as error:
        load(model)
    assert "\n" not in str(error.value)


def test_the_copy_is_a_good_one(model: Path) -> None:
    assert load(model).folds == [0]


@pytest.mark.parametrize("name", ["last.ckpt", "colorizer.pt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_execute_something(model: Path, tmp_path: Path, name: str, zipped: bool) -> None:
    state = torch.load(model / name, weights_only=True)
    torch.save({**state, "evil": Evil(tmp_path / "owned")}, model / name, _use_new_zipfile_serialization=zipped)
    refused(model, f"{name}: .*nothing in it was executed")
    assert not (tmp_path / "owned").exists()
    torch.load(model / name, weights_only=False)  # which would have done it
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["last.ckpt", "colorizer.pt"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights(model: Path, name: str, kept: float) -> None:
    content = (model / name).read_bytes()
    (model / name).write_bytes(content[: int(kept * len(content))])
    refused(model, f"{name}: damaged")


@pytest.mark.parametrize("value", [[1, 2], {"state_dict": None}, {"state_dict": {"a": "text"}}, {}])
@pytest.mark.parametrize("name", ["last.ckpt", "colorizer.pt"])
def test_weights_that_are_none(model: Path, name: str, value: Any) -> None:
    torch.save(value, model / name)
    refused(model, f"{name}: .*(no weights by name|another network)")


def test_weights_of_another_network(model: Path) -> None:
    state = torch.load(model / "last.ckpt", weights_only=True)
    state["state_dict"].popitem()
    torch.save(state, model / "last.ckpt")
    refused(model, "last.ckpt: weights of another network than config.yaml names")


def change(model: Path, edit: Change) -> None:
    config = yaml.safe_load((model / "config.yaml").read_text())
    edit(config)
    (model / "config.yaml").write_text(yaml.safe_dump(config))


DANGEROUS = {"_target_": "os.mkdir", "path": "owned"}


@pytest.mark.parametrize(
    "edit",
    {
        "a network": lambda config: config["adn"].update(network=DANGEROUS),
        "builtins": lambda config: config["caan"].update(network={"_target_": "builtins.exec", "_args_": ["1"]}),
        "by way of one of leanet's modules": lambda config: config["adn"]["network"].update(
            _target_="leanet.model.stream.os.mkdir"
        ),
        "the colorizer": lambda config: config["colorizer"].update(network=DANGEROUS),
        "an argument": lambda config: config["adn"]["network"].update(extra_conv=DANGEROUS),
        "within a list": lambda config: config["caan"]["network"].update(_args_=[1, {"a": [DANGEROUS]}]),
        "made by an interpolation": lambda config: config["adn"]["network"].update(
            extra_conv="${oc.create:${oc.decode:'{_target_: os.mkdir, path: owned}'}}"
        ),
        "a target that is no text": lambda config: config["adn"]["network"].update(_target_=["os.mkdir"]),
        "another checkpoint": lambda config: config["adn"]["network"].update(checkpoint_path="evil.pt"),
        "another address": lambda config: config["adn"]["network"].update(pretrained_cfg={"url": "http://evil"}),
    }.values(),
)
def test_a_configuration_that_names_something_dangerous(
    model: Path, edit: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change(model, edit)
    refused(model, "config.yaml: (adn|caan|colorizer).*trust=true")
    assert not (tmp_path / "owned").exists()


def test_yaml_that_makes_objects(model: Path, tmp_path: Path) -> None:
    with (model / "config.yaml").open("a") as file:
        file.write(f"evil: !!python/object/apply:os.mkdir ['{tmp_path / 'owned'}']\n")
    refused(model, "config.yaml: not as leanet writes it")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("text", ["", "[]", "adn: 1", "\x00"])
def test_no_configuration(model: Path, text: str) -> None:
    (model / "config.yaml").write_text(text)
    refused(model, "config.yaml: ")


def test_one_s_own_networks_are_run_when_trusted(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text("from leanet.detector.adn import timm_adn as mine\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    change(model, lambda config: config["adn"]["network"].update(_target_="my_networks.mine"))
    refused(model, "my_networks.mine is not part of leanet, and was not run")
    assert "my_networks" not in sys.modules
    load(model, trust=True)
    assert "my_networks" in sys.modules


def test_all_of_leanet_s_own_networks_may_be_made() -> None:
    files = [file for group in ("adn", "caan", "colorizer", "dataset") for file in (CONF / group).glob("*.yaml")]
    files.append(CONF / "image_folder.yaml")  # what datasets share
    read = [yaml.safe_load(file.read_text()) or {} for file in files]
    named = {target for node in read if (target := {**node.get("dataset", {}), **node}.get("_target_"))}
    assert TARGETS - named == {"leanet.data.arrays.ImageArrays"} and named < TARGETS  # the other is of Python programs


def test_a_pretrained_network_is_loaded_without_its_imagenet_weights(model: Path) -> None:
    """Which may not be there, where the model is used: here there is no network either."""
    before = load(model).predict(Image.new("RGB", (32, 32))).per_fold
    change(model, lambda config: config["adn"]["network"].update(pretrained=True))
    os.environ["HF_HUB_OFFLINE"] = "1"
    after = load(model).predict(Image.new("RGB", (32, 32))).per_fold
    assert (before != after).all()  # its images are normalised now, as those weights would want them
