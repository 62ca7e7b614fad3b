"""Products of axes as words; that they compose as Hydra does is shown in tests/conf/test_experiments.py."""

from typing import Any

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf

from leanet.errors import LeanetError
from leanet.grid.products import Configurations, expand

ROWS = [{"adn": "a,b", "caan": "none"}, {"adn": "a", "caan": "x,y", "point": "1,2"}]


def test_products_are_added_to_each_other() -> None:
    assert expand(ROWS, []) == [
        ("adn=a", "caan=none"),
        ("adn=b", "caan=none"),
        ("adn=a", "caan=x", "point=1"),
        ("adn=a", "caan=x", "point=2"),
        ("adn=a", "caan=y", "point=1"),
        ("adn=a", "caan=y", "point=2"),
    ]


def test_a_cell_that_several_products_have_comes_once() -> None:
    assert expand([{"adn": "a,b"}, {"adn": "b,c"}], []) == [("adn=a",), ("adn=b",), ("adn=c",)]


def test_words_stand_for_axes_of_their_name_in_every_product() -> None:
    found = expand(ROWS, ["adn=c", "seed=1,2"])
    assert len(found) == len(set(found)) == 2 * (1 + 4)
    assert all("adn=c" in words and len({"seed=1", "seed=2"} & set(words)) == 1 for words in found)


def test_ranges_choices_and_quotes_are_hydras() -> None:
    assert expand([{}], ["point=range(1,4)"]) == [("point=1",), ("point=2",), ("point=3",)]
    assert expand([{}], ["adn=choice(a,b)"]) == [("adn=a",), ("adn=b",)]
    assert expand([{}], ["betas=[1,2]"]) == [("betas=[1,2]",)]
    assert expand([{}], ["+new=1", "~old"]) == [("+new=1", "~old")]


def test_a_range_without_steps_is_no_axis() -> None:
    with pytest.raises(LeanetError, match="a grid needs values to choose from"):
        expand([{}], ["adn.lr=interval(0,1)"])


class Files:
    """A configuration of two groups in memory, composed as Hydra would, with every composition counted."""

    def __init__(self) -> None:
        self.composed = 0
        self.groups: dict[str, dict[str, dict[str, Any]]] = {
            "adn": {"a": {"adn": {"lr": 1}}, "b": {"adn": {"lr": 2}}},
            "input": {"rgb": {"input": "rgb"}, "map": {"input": "map", "caan": "none"}},
            "caan": {"x": {"caan": "x"}, "none": {"caan": "none"}},
        }

    def compose(self, words: list[str]) -> DictConfig:
        self.composed += 1
        typed = dict(word.lstrip("+").split("=") for word in words)
        whole: dict[str, Any] = {"point": 4, "twice": "${adn.lr}", "hydra": {}}
        for group, choice in (("adn", "a"), ("input", "rgb"), ("caan", "x")):
            if group == "caan" and "caan" not in typed and typed.get("input") == "map":
                continue
            whole |= self.groups[group][typed.get(group, choice)]
        config = OmegaConf.create(whole)
        for key, value in typed.items():
            if key not in self.groups:
                if OmegaConf.select(config, key) is None and f"+{key}={value}" not in words:
                    raise ConfigCompositionException(f"Could not override '{key}'")
                OmegaConf.update(config, key, int(value))
        return config


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def configurations(files: Files) -> Configurations:
    return Configurations(files.compose, lambda key: key in files.groups)


@pytest.mark.parametrize(
    "words",
    [
        ("adn=b", "point=1"),
        ("adn=b", "adn.lr=7"),
        ("input=map", "adn=b"),
        ("input=map", "caan=x"),
        ("caan=x", "input=map", "point=2"),
        ("+more=1", "adn=b"),
    ],
)
def test_a_cell_is_what_composing_it_whole_gives(words: tuple[str, ...], files: Files) -> None:
    configurations = Configurations(files.compose, lambda key: key in files.groups)
    whole: Any = OmegaConf.to_container(files.compose(list(words)), resolve=True)
    del whole["hydra"]
    for common in ((), words[:1], words):
        assert configurations.of(words, common) == whole


def test_each_choice_is_composed_once(files: Files, configurations: Configurations) -> None:
    cells = expand([{"adn": "a,b", "input": "rgb,map", "point": "range(1,100)"}], [])
    assert len(cells) == 2 * 2 * 99
    for words in cells:
        configurations.of(words, ())
    assert files.composed == 1 + 2 + 2


def test_a_value_without_a_place_is_a_mistake(configurations: Configurations) -> None:
    with pytest.raises(ConfigCompositionException, match="pont"):
        configurations.of(("pont=1", "adn=b"), ())
