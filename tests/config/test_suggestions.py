"""What a mistyped setting probably means."""

import pytest

from leanet.config.suggestions import Suggestions


@pytest.fixture(scope="module")
def suggestions() -> Suggestions:
    return Suggestions("train", ["adn=frozen", "dataset=typo", "point=3"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lr", "adn.lr or colorizer.lr"),
        ("epochs", "trainer.max_epochs or colorizer.max_epochs"),
        ("trainer.epochs", "trainer.max_epochs"),
        ("num_epochs", "trainer.max_epochs"),
        ("size", "dataset.image_size, trainer.batch_size or tile_size"),
        ("batch_size", "trainer.batch_size or colorizer.batch_size"),
        ("bs", "trainer.batch_size or colorizer.batch_size"),
        ("learning_rate", "adn.lr or colorizer.lr"),
        ("dry_run", "hydra.sweeper.dry_run"),
        ("experimant", "experiment"),
        ("hydra/launcer", "hydra/launcher"),
        ("trainr.balance", "trainer.balance"),
        ("root", "dataset.root (with dataset=folder and others) or map.root (with map=folder)"),
    ],
)
def test_near_settings_are_named(suggestions: Suggestions, name: str, meant: str) -> None:
    assert suggestions.advice(name) == f"{name} is no setting, did you mean {meant}? --help lists all"


def test_settings_of_other_choices(suggestions: Suggestions) -> None:
    told = {
        "dataset.root": "it is one of dataset=folder and others",
        "adn.freeze": "it is one of adn=resnet18 and others",
        "caan.model": "it is one of caan=timm",
    }
    for name, where in told.items():
        assert suggestions.advice(name) == f"{name} is no setting of the chosen {name.partition('.')[0]}; {where}"


def test_nothing_is_near(suggestions: Suggestions) -> None:
    assert suggestions.advice("foo") == "foo is no setting; see --help for those there are"


def test_words_without_an_equals_sign(suggestions: Suggestions) -> None:
    told = {word: suggestions.of_word(word) for word in ("strawberry", "timm", "fold", "what")}
    assert told == {
        "strawberry": "strawberry: write name=value, as in dataset=strawberry; --help lists all settings",
        "timm": "timm: write name=value, as in adn=timm or caan=timm; --help lists all settings",
        "fold": "fold: write name=value, as in fold=…; --help lists all settings",
        "what": "what: write name=value; --help lists all settings",
    }
