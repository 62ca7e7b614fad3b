"""Hydra's syntax for sweeps as Optuna's distributions."""

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from leanet.errors import LeanetError
from leanet.search.space import Space


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("tag(log, interval(1e-5, 1e-3))", FloatDistribution(1e-5, 1e-3, log=True)),
        ("interval(0.1, 2)", FloatDistribution(0.1, 2)),
        ("int(interval(1, 5))", IntDistribution(1, 5)),
        ("tag(log, int(interval(1, 64)))", IntDistribution(1, 64, log=True)),
        ("range(1, 6)", IntDistribution(1, 5)),  # Hydra's ranges end before their end
        ("range(0, 100, 20)", IntDistribution(0, 80, step=20)),
        ("range(0.25, 1, 0.25)", FloatDistribution(0.25, 0.75, step=0.25)),
        ("choice(none,direct)", CategoricalDistribution(["none", "direct"])),
        ("1,2", CategoricalDistribution(["1", "2"])),
        ("[3,4],null,false,'a b'", CategoricalDistribution(["[3,4]", "null", "false", "'a b'"])),
    ],
)
def test_values(typed: str, expected: BaseDistribution) -> None:
    assert Space.of({"x": typed}, []).distributions == {"x": expected}


def test_what_is_typed_replaces_a_setting_of_the_space() -> None:
    params = {"point": "choice(1,2,3)", "adn.lr": "interval(0.1, 0.2)", "caan": "choice(none,direct)"}
    space = Space.of(params, ["point=4", "caan=direct,mobilenet", "dataset=potato", "fold=1,2", "~logger"])
    assert list(space.distributions) == ["adn.lr", "caan"]
    assert space.distributions["caan"] == CategoricalDistribution(["direct", "mobilenet"])
    assert (space.fixed, space.folds) == (("point=4", "dataset=potato", "~logger"), (1, 2))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["point=4"], "there is nothing to search"),
        (["seed=1,2"], "seed: a search needs one value"),
        (["adn.lr=tag(log, interval(0, 1))"], "the interval ends below its beginning, or has no logarithm"),
        (["adn.lr=interval(1.5, 1)"], "the interval ends below its beginning"),
        (["point=glob(*)"], "a search knows choice"),
        (["point=1,2", "fold=0,1"], "fold=0: must be a whole number from 1"),
    ],
)
def test_mistakes(typed: list[str], told: str) -> None:
    with pytest.raises(LeanetError, match=told):
        Space.of({}, typed)


def test_the_first_trial_has_the_defaults_that_the_space_contains() -> None:
    space = Space.of({"a": "interval(1e-5, 1e-3)", "b": "choice([3,4],[5])", "c": "range(2, 5)", "d": "x,y"}, [])
    start = space.start({"a": 1e-4, "b": [5], "c": 7, "d": "z"})
    assert start == {"a": 1e-4, "b": "[5]", "c": 2, "d": "x"}


def test_numbers_have_three_digits() -> None:
    space = Space.of({"a": "interval(1e-5, 1e-3)", "c": "range(2, 5)"}, [])
    assert space.words({"a": 0.000123456, "c": 3}) == ("a=0.000123", "c=3")
