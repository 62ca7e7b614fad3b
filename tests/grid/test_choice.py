"""The one-standard-error rule, on numbers that were worked out by hand."""

import pytest

from leanet.grid.comparison import Candidate, cheapest
from leanet.grid.costs import short_seconds

# Mean .8, sample SD .1: deviations −.1, 0, .1, 0 would have √(.02/3); these have √(.04/4) = .1.
BEST = (0.7, 0.9, 0.8, 0.7, 0.9)
SHARES = [0.2] * 5  # a quarter as many test images as training images: √(1/5 + 1/4) · .1 = .06708


def candidate(name: str, f1: tuple[float, ...], seconds: float) -> Candidate:
    return Candidate(name, f1, SHARES[: len(f1)], seconds)


def shifted(by: float) -> tuple[float, ...]:
    return tuple(value + by for value in BEST)


@pytest.mark.parametrize(("below", "chosen"), [(0.0670, "cheap"), (0.0672, "middle")])
def test_the_cheapest_within_one_corrected_standard_error_of_the_best(below: float, chosen: str) -> None:
    models = [
        candidate("dear", BEST, 90),
        candidate("cheap", shifted(-below), 1.23),
        candidate("middle", shifted(-0.01), 20),
        candidate("bad", shifted(-0.3), 0.1),
    ]
    found = cheapest(models)
    assert found is not None and found.error == pytest.approx(0.067082)
    assert (found.chosen.name, found.best.name) == (chosen, "dear")


def test_it_is_said_in_a_sentence() -> None:
    dear, cheap = candidate("dear", BEST, 90), candidate("cheap", shifted(-0.05), 1.234)
    assert str(cheapest([dear, cheap])) == (
        "cheap is the cheapest model whose F1 is within one standard error (0.067) of the best, 0.800 by dear: "
        "it has 0.750 and takes 1.2 s per fold."
    )
    assert str(cheapest([dear, candidate("bad", shifted(-0.3), 1)])) == (
        "dear has the best F1, 0.800, and no cheaper model is within one standard error (0.067) of it. "
        "It takes 90 s per fold."
    )


def test_of_equals_the_cheapest_is_the_best() -> None:
    found = cheapest([candidate("dear", (1.0, 1.0), 9), candidate("cheap", (1.0, 1.0), 2)])
    assert found is not None and found.best.name == found.chosen.name == "cheap" and found.error == 0


def test_one_fold_or_no_candidate_says_nothing() -> None:
    assert cheapest([]) is None
    assert cheapest([candidate("one", (0.8,), 1)]) is None


def test_short_seconds() -> None:
    assert [short_seconds(value) for value in (0.0123, 1.26, 9.96, 83.5)] == ["0.012", "1.3", "10", "84"]
