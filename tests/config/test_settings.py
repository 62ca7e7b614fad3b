import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.errors import LeanetError

HEAVY = ("torch", "lightning", "timm", "kornia", "matplotlib")
# What _target_ names checks its own arguments.
FREE = re.compile(r"(dataset|logger)\..*|(adn|caan|colorizer)\.(_target_|pretrained|extra_conv|hard_swish|dropout)")


@cache
def composed() -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train")


def configured(path: str, value: Any) -> dict[str, Any]:
    config = composed().copy()
    OmegaConf.set_struct(config, False)
    OmegaConf.update(config, path, value, merge=False)
    container: Any = OmegaConf.to_container(config, resolve=True)
    return container


def refusal(config: Mapping[str, Any]) -> str:
    with pytest.raises(LeanetError) as error:
        settings_of(config)
    text = str(error.value)
    assert "\n" not in text
    return text


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def checked_leaves() -> list[str]:
    return [leaf for leaf in leaves(configured("seed", 0)) if not FREE.fullmatch(leaf)]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("attention.points", [3, 2], "attention.points=[3, 2]: must be several points of 1 to 5, from shallow to deep"),
        ("attention.points", [2], "attention.points=[2]: must be several points"),
        ("attention.points", [2, 6], "attention.points=[2, 6]: must be several points"),
        ("attention.points", 2, "attention.points=2: must be several points"),
        ("point", 0, "point=0: must be a whole number from 1 to 5"),
        ("point", 9, "point=9: must be a whole number from 1 to 5"),
        ("point", "foo", "point=foo: must be a whole number from 1 to 5"),
        ("point", True, "point=True: must be a whole number from 1 to 5"),
        ("point", 4.0, "point=4.0: must be a whole number from 1 to 5"),
        ("point", None, "point=: must be a whole number from 1 to 5"),
        ("folds", 1, "folds=1: must be a whole number from 2"),
        ("fold", 0, "fold=0: must be a whole number from 1"),
        ("fold", 7, "fold=7: there are folds 1 to 5; leave it empty for all"),
        ("seed", -1, "seed=-1: must be a whole number from 0"),
        ("adn.lr", 0, "adn.lr=0: must be a number above 0"),
        ("adn.lr", float("nan"), "adn.lr=nan: must be a number above 0"),
        ("adn.lr", float("inf"), "adn.lr=inf: must be a number above 0"),
        ("adn.lr", "1e", "adn.lr=1e: must be a number above 0"),
        ("adn.bn_momentum", 0, "adn.bn_momentum=0: must be a number above 0, up to 1, or keras"),
        ("adn.bn_momentum", "torch", "adn.bn_momentum=torch: must be a number above 0, up to 1, or keras"),
        ("adn", {"name": "a", "lr": 1, "x": 2}, "adn.network={'x': 2}: must be a group with a _target_"),
        ("adn", {"name": "a", "lr": 1}, "adn.network=: must be a group with a _target_"),
        ("caan", {"name": "a", "x": 2}, "caan.network={'x': 2}: must be a group with a _target_"),
        ("caan", 4, "caan=4: no such choice"),
        ("map.name", "ssim", "map.name=ssim: must be ciede2000, legacy, ab, folder, padim or patchcore"),
        ("map.name", "padim", "map.network is missing; map=padim sets it"),
        ("map.layers", [2, 1], "map.layers=[2, 1]: must be whole numbers from shallow to deep, as in [1,2,3]"),
        ("map.layers", [], "map.layers=[]: must be whole numbers"),
        ("map.channels", 0, "map.channels=0: must be a whole number from 1"),
        ("map.coreset", 0, "map.coreset=0: must be a number above 0, up to 1"),
        ("map.name", "folder", "map=folder needs map.root=DIR"),
        ("map.cross_fit", 1, "map.cross_fit=1: must be a whole number from 2"),
        ("map.root", "", "map.root=: must be a path"),
        ("input.name", "grey", "input.name=grey: must be rgb, map, rgb_map or attentioned"),
        ("positive_rate", 0, "positive_rate=0: must be a number above 0, up to 1"),
        ("positive_rate", 1.5, "positive_rate=1.5: must be a number above 0, up to 1"),
        ("map.scaling", "max", "map.scaling=max: must be image_max, fold or fixed"),
        ("colorizer.loss", "mae", "colorizer.loss=mae: must be bce, mse or ciede2000"),
        ("colorizer.betas", [0.9], "colorizer.betas=[0.9]: must be two numbers from 0 to below 1"),
        ("colorizer.betas", ["a", 0.9], "colorizer.betas=['a', 0.9]: must be two numbers from 0 to below 1"),
        ("trainer.max_epochs", 0, "trainer.max_epochs=0: must be a whole number from 1"),
        ("trainer.select", "val_f1", "trainer.select=val_f1 needs validation images: give validation=0.2, for example"),
        ("trainer.precision", 32, "trainer.precision=32: must be 32-true, 16-mixed or bf16-mixed"),
        ("paths.runs", "", "paths.runs=: must be a path"),
        ("dataset.image_size", 100, "dataset.image_size=100: must be a multiple of 32"),
        ("dataset.image_size", 0, "dataset.image_size=0: must be a multiple of 32"),
        ("dataset.fit", "squash", "dataset.fit=squash: must be stretch, pad or crop"),
        ("dataset.name", None, "dataset.name=: must be a name of up to 100 letters"),
        ("dataset.name", "a/b", "dataset.name=a/b: must be a name"),
        ("dataset.name", "../up", "dataset.name=../up: must be a name"),
        ("dataset.name", "x" * 101, "dataset.name=xxx"),
        ("dataset.folds_file", 3, "dataset.folds_file=3: must be a text"),
        ("dataset.root", 2024, "dataset.root=2024: must be a text"),
        ("pont", 4, "pont is no setting"),
        ("trainer.epochs", 4, "trainer.epochs is no setting"),
    ],
)
def test_a_bad_value_is_named_with_what_it_may_be(path: str, value: Any, told: str) -> None:
    assert refusal(configured(path, value)).startswith(told)


@pytest.mark.parametrize("leaf", checked_leaves())
def test_every_leaf_has_a_rule(leaf: str) -> None:
    assert refusal(configured(leaf, {"no": "such"})).startswith(f"{leaf}={{'no': 'such'}}: must be ")


@pytest.mark.parametrize("path", ["point", "trainer", "trainer.precision", "adn.lr"])
def test_what_is_missing_is_named(path: str) -> None:
    config = configured("seed", 0)
    *groups, name = path.split(".")
    node = config
    for group in groups:
        node = node[group]
    del node[name]
    assert refusal(config) == f"{path} is missing from the configuration"


@pytest.mark.parametrize(("fold", "selected"), [(None, [1, 2, 3, 4, 5]), (3, [3])])
def test_the_folds_to_do(fold: int | None, selected: list[int]) -> None:
    assert settings_of(configured("fold", fold)).selected_folds == selected


def test_values_arrive_where_they_belong() -> None:
    settings = settings_of(configured("adn.lr", 1))
    assert isinstance(settings, Settings)
    assert (settings.dataset_name, settings.image_size, settings.point) == ("synthetic", 64, 4)
    assert (settings.adn.name, settings.caan.name, settings.colorizer.betas) == ("resnet18", "mobilenet", [0.9, 0.999])
    assert isinstance(settings.adn.lr, float)  # or 1 and 1.0 would be two runs


@pytest.mark.parametrize(
    "module", ["leanet.config.settings", "leanet.runs.run", "leanet.train", "leanet.config.command_line"]
)
def test_mistakes_show_before_anything_heavy_is_imported(module: str) -> None:
    script = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
