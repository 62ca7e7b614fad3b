import itertools
from pathlib import Path
from typing import Any

import pytest
from matplotlib.colors import to_rgb
from skimage.color import rgb2lab

from leanet.report.cells import cells_of, with_details
from leanet.report.figures.style import Style, style_of, style_of_cell
from leanet.report.paper import ADNS, VARIANTS
from leanet.report.results import results

Finish = Any  # see ../conftest.py


def lightness(variant: str) -> float:
    return float(rgb2lab([[to_rgb(style_of("resnet18", variant).color)]])[0, 0, 0])


def styles(home: Path) -> dict[str, Style]:
    """Of the finished cells, by their models and what tells those apart."""
    cells = with_details(cells_of(results(home)))
    return {cell.model + cell.details: style_of_cell(cell) for cell in cells.itertuples()}


def test_a_method_looks_the_same_at_every_point_and_share(finish: Finish, tmp_path: Path) -> None:
    for words in (["point=4"], ["point=1"], ["point=4", "positive_rate=0.25"]):
        finish({1: 0.5}, "caan=mobilenet", *words)
    assert set(styles(tmp_path).values()) == {style_of("resnet18", "+mobilenet")}


def test_all_of_the_papers_methods_look_different() -> None:
    assert len({style_of(adn, variant) for adn in ADNS for variant in VARIANTS}) == len(ADNS) * len(VARIANTS)


def test_the_papers_variants_are_told_apart_in_grey() -> None:
    ranked = sorted(map(lightness, VARIANTS))
    assert min(b - a for a, b in itertools.pairwise(ranked)) > 6 and ranked[-1] < 75  # on white paper
    lea_nets = sorted(map(lightness, ("", "+direct", "+mobilenet", "+resnet")))
    assert min(b - a for a, b in itertools.pairwise(lea_nets)) > 15


def test_adns_are_told_apart_without_colour() -> None:
    found = [style_of(adn, "") for adn in ADNS]
    for part in ("marker", "line", "hatch"):
        assert len({getattr(style, part) for style in found}) == len(ADNS)
    assert len({style.color for style in found}) == 1


def test_what_differs_otherwise_is_the_same_method_with_hollow_markers(finish: Finish, tmp_path: Path) -> None:
    """Another map, other attention, other training, and settings that the name does not tell."""
    for words in (
        ["map=ab"],
        ["attention.points=[2,3,4]"],
        ["attention=centred", "attention.gain=4"],
        ["colorizer=autoencoder", "positive_rate=0.5"],
        ["trainer.balance=weights"],
    ):
        finish({1: 0.5}, "caan=direct", *words)
    found = styles(tmp_path)
    assert len(found) == 5 and set(found.values()) == {style_of("resnet18", "+direct", filled=False)}
    finish({1: 0.5}, "caan=direct")
    finish({1: 0.5}, "caan=direct", "adn.lr=0.1")
    assert {model: style.filled for model, style in styles(tmp_path).items() if "(" in model} == {
        "resnet18+direct@4 (adn.lr=0.001)": False,
        "resnet18+direct@4 (adn.lr=0.1)": False,
    }


@pytest.mark.parametrize(("adn", "variant"), [("my-net", ""), ("my-net", "+direct"), ("葉", "+caan"), ("", "")])
def test_any_network_has_a_style_that_does_not_change(adn: str, variant: str) -> None:
    assert style_of(adn, variant) == style_of(adn, variant)
    assert style_of("my-net", "").marker == style_of("my-net", "+direct").marker
