from typing import Any

import pytest

from leanet.report.tables import cell_table, pooled_spread, spread


def result(f1: float, auroc: float, last: float, collapsed: bool = False, caan: Any = None) -> dict[str, Any]:
    head = {"f1": f1, "auroc": auroc, "ap": 0.25, "last_epochs": {"mean": last}, "collapsed": collapsed}
    return {**head, "caan": caan, "model": "resnet18+mobilenet@4" if caan else "resnet18", "folds": 5, "floor": 0.4}


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without the rule below its head."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [lines[0], *lines[2:]]


PLAIN = [result(0.6, 0.9, 0.5), result(0.8, 0.8, 0.5, collapsed=True), result(0.7, 1.0, 0.5, collapsed=True)]
ATTENTIVE = [
    result(0.6, 0.5, 0.7, caan=result(0.0, 0.5, 0.1, collapsed=True)),
    result(0.8, 0.5, 0.9, caan=result(0.3, 0.7, 0.3)),
]


def test_a_row_for_each_head_and_one_for_the_floor() -> None:
    assert rows(cell_table({"resnet18": PLAIN, "resnet18+mobilenet@4": ATTENTIVE})) == [
        ["", "F1", "AUROC", "AP", "last epochs' F1", "collapsed", "folds"],
        # Of .6 .8 .7: mean .7, sum of squares .02, over n - 1 = 2: SD .1
        ["resnet18", "0.700 ± 0.100", "0.900 ± 0.100", "0.250 ± 0.000", "0.500 ± 0.000", "2", "3/5"],
        # Of two values: SD is their distance over √2
        ["resnet18+mobilenet@4", "0.700 ± 0.141", "0.500 ± 0.000", "0.250 ± 0.000", "0.800 ± 0.141", "0", "2/5"],
        [
            "resnet18+mobilenet@4, CAAN's own head",
            "0.150 ± 0.212",
            "0.600 ± 0.141",
            "0.250 ± 0.000",
            "0.200 ± 0.141",
            "1",
            "2/5",
        ],
        ["always positive", "0.400 ± 0.000", "0.500", "", "", "", ""],
    ]


def test_one_fold_has_no_spread() -> None:
    assert rows(cell_table({"resnet18": PLAIN[:1]}))[1] == ["resnet18", "0.600", "0.900", "0.250", "0.500", "0", "1/5"]


@pytest.mark.parametrize(
    ("values", "text"), [([0.5], "0.500"), ([1, 2, 3, 4], "2.500 ± 1.291"), ([0.5, 0.5], "0.500 ± 0.000")]
)
def test_spread_is_mean_and_sample_deviation(values: list[float], text: str) -> None:
    assert spread(values) == text


def test_a_drop_of_nothing_has_no_sign() -> None:
    assert pooled_spread([[-0.0001, 0.0]]) == "0.000 ± 0.000" and pooled_spread([[-0.0001]]) == "0.000"
