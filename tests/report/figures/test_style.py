import itertools

import pytest
from matplotlib.colors import to_rgb
from skimage.color import rgb2lab

from leanet.report.figures.style import style_of
from leanet.report.paper import ADNS, VARIANTS


def lightness(model: str) -> float:
    return float(rgb2lab([[to_rgb(style_of(model).color)]])[0, 0, 0])


def test_a_method_looks_the_same_at_every_point_and_share() -> None:
    for adn, variant in itertools.product(ADNS, VARIANTS):
        style = style_of(adn + variant)
        assert style == style_of(f"{adn}{variant}-pos0.25") and style.filled
        if "+" in variant:
            assert style == style_of(f"{adn}{variant}@4") == style_of(f"{adn}{variant}@1-pos0.125")


def test_all_of_the_papers_methods_look_different() -> None:
    assert len({style_of(adn + variant) for adn in ADNS for variant in VARIANTS}) == len(ADNS) * len(VARIANTS)


@pytest.mark.parametrize("adn", ADNS)
def test_the_papers_variants_are_told_apart_in_grey(adn: str) -> None:
    ranked = sorted(lightness(adn + variant) for variant in VARIANTS)
    assert min(b - a for a, b in itertools.pairwise(ranked)) > 6 and ranked[-1] < 75  # on white paper
    lea_nets = sorted(lightness(adn + variant) for variant in ("", "+direct", "+mobilenet", "+resnet"))
    assert min(b - a for a, b in itertools.pairwise(lea_nets)) > 15


def test_adns_are_told_apart_without_colour() -> None:
    styles = [style_of(adn) for adn in ADNS]
    for part in ("marker", "line", "hatch"):
        assert len({getattr(style, part) for style in styles}) == len(ADNS)
    assert len({style.color for style in styles}) == 1


def test_another_map_is_the_same_method_with_hollow_markers() -> None:
    usual = style_of("resnet18+direct@4")
    for model in (
        "resnet18+direct@4-ab",
        "resnet18+direct@2+3+4",
        "resnet18+direct@4-centred-gain4",
        "resnet18+direct-autoencoder-pos0.5",
        "resnet18+direct (adn.lr=0.1)",
    ):
        other = style_of(model)
        assert other.color == usual.color and other.marker == usual.marker and not other.filled


def test_other_training_is_the_same_network_with_hollow_markers() -> None:
    usual, other = style_of("vgg16"), style_of("vgg16-balanced-pos0.5")
    assert (other.color, other.marker, other.filled) == (usual.color, usual.marker, False)


@pytest.mark.parametrize(
    "model", ["my-net", "my-net+direct@1", "葉+caan@5", "a b", "", "x+y+z", "convnext_tiny.fb_in1k"]
)
def test_any_name_has_a_style_that_does_not_change(model: str) -> None:
    assert style_of(model) == style_of(model)
    assert style_of("my-net").marker == style_of("my-net+direct@1").marker
