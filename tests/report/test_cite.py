from pathlib import Path

import pandas as pd
import yaml

from leanet.config.command_line import CONF
from leanet.report.cite import OF_DATASET, OF_MAPS, OF_METHOD, cite, references


def folds(datasets: list[str], maps: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"dataset_name": datasets, "map.name": maps})


def test_what_was_used_is_cited_once() -> None:
    text = cite(folds(["potato", "strawberry", "photos"], ["ciede2000", "padim", "ciede2000"]))
    assert [line for line in text.splitlines() if line.startswith("@")] == [
        "@article{katafuchi2021leanet,",
        "@article{hughes2015plantvillage,",
        "@inproceedings{defard2021padim,",
        "@software{leanet,",
    ]


def test_each_of_the_papers_datasets_has_its_source_and_each_source_is_used() -> None:
    of_the_paper = {
        file.stem for file in Path(CONF, "dataset").glob("*.yaml") if "origin" in yaml.safe_load(file.read_text())
    }
    assert set(OF_DATASET) == of_the_paper
    keys = {key for found in (*OF_DATASET.values(), *OF_MAPS.values(), OF_METHOD) for key in found}
    assert keys == set(references())


def test_the_sources_name_the_authors_of_the_citations() -> None:
    for name, keys in OF_DATASET.items():
        citation = yaml.safe_load(Path(CONF, "dataset", f"{name}.yaml").read_text())["origin"]["citation"]
        for key in keys:
            first = references()[key].split("author")[1].split("{", 1)[1].split(",")[0]
            plain = first.replace('{\\"O}', "Ö").strip("{")
            assert plain in citation, (name, key)


def test_braces_are_balanced() -> None:
    for key, entry in references().items():
        assert entry.count("{") == entry.count("}"), key
