"""BibTeX for what finished runs used: the method, the datasets, other maps, and this program."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

from leanet.version import __version__

if TYPE_CHECKING:
    from pandas import DataFrame

_MVTEC, _PLANTS = ("bergmann2019mvtec",), ("hughes2015plantvillage",)
OF_METHOD = ("katafuchi2021leanet",)
OF_DATASET = {
    **dict.fromkeys(("carpet", "hazelnut", "leather", "tile", "wood"), _MVTEC),
    **dict.fromkeys(("grape", "potato", "strawberry"), _PLANTS),
    "cloud": ("srinivas2020cloud",),
    "concrete": ("ozgenel2019concrete", "zhang2016crack"),
    "hurricane": ("cao2018hurricane", "mader2019hurricane"),
    "retina": ("pires2014retina",),
}
OF_MAPS = {"padim": ("defard2021padim",), "patchcore": ("roth2022patchcore",)}


def references() -> dict[str, str]:
    """All entries of references.bib, by key."""
    text = files("leanet.report").joinpath("references.bib").read_text(encoding="utf-8")
    return {re.findall(r"@\w+\{(\w+),", entry)[0]: entry.strip() for entry in re.split(r"\n(?=@)", text)}


def cite(folds: DataFrame) -> str:
    """BibTeX of what the folds used.

    Args:
        folds: finished ones, as `leanet.results` returns them.
    """
    used = [*OF_METHOD]
    for name, keys in (("dataset_name", OF_DATASET), ("map.name", OF_MAPS)):
        used += [key for value in sorted(set(folds[name].dropna())) for key in keys.get(value, ())]
    entries = references()
    return "\n\n".join([*(entries[key] for key in dict.fromkeys(used)), _program()])


def _program() -> str:
    return (
        "@software{leanet,\n"
        "  author  = {{The leanet authors}},\n"
        "  title   = {leanet: colour anomaly detection with layer-wise external attention},\n"
        f"  version = {{{__version__}}}\n"
        "}"
    )
