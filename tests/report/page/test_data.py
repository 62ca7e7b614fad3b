"""Numbers on the page are those of the tables, to the last digit."""

import random
from pathlib import Path
from typing import Any

import pytest

from leanet.report.page.data import page_data
from leanet.report.results import results
from leanet.report.tables import pooled_spread

Finish = Any  # see ../conftest.py


@pytest.mark.parametrize(
    "values", [[0.94248], [0.8125], [0.0005], *[[random.Random(n).random()] * 2 for n in range(5)]]
)
def test_numbers_are_rounded_once(finish: Finish, tmp_path: Path, values: list[float]) -> None:
    finish(dict(enumerate(values, start=1)), "caan=none")
    [told] = page_data(results(tmp_path)).data["cells"]
    mean, sd = told["f1"]
    shown = f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"  # as page.js writes them
    assert shown == pooled_spread([values])
    assert [f"{run['f1']:.3f}" for run in told["runs"]] == [f"{value:.3f}" for value in values]
