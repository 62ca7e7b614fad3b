"""The paper's tables and Figure 4 by name: which cells they are made of, counted against the paper."""

from collections import Counter
from functools import cache
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from leanet.config.command_line import CONF
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.grid.products import Configurations, Words, expand
from leanet.runs.run import Run

# The one with the most kinds of axes is a quick test.
OTHERS = ("rates", "causes", "options", "amplitude", "pretrained", "seen_maps")
STUDIES = ("study_cpu", *(pytest.param(f"study_{part}", marks=pytest.mark.slow) for part in OTHERS))
OF_THE_PAPER = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("table5", "table6", "table7", "table8", "figure4")
]
GRIDS = ("table3", "quick", "compare", *OF_THE_PAPER, *STUDIES)  # composing a grid takes seconds

# By experiment: the datasets, and the rows of a dataset's column by model; each row with attention has five points.
PLAIN = ["resnet18", "resnet50", "vgg16", "vgg19"]
INPUTS = ["map", "rgb_map", "attentioned"]
ATTENTION = ["direct", "mobilenet", "resnet"]
TABLE_3 = [*PLAIN, *(f"{adn}-{seen}" for adn in ("resnet18", "vgg16") for seen in INPUTS)]
TABLE_3 += [f"{adn}+{caan}" for adn in ("resnet18", "vgg16") for caan in ATTENTION]
TABLE_7 = ["cnn", *(f"cnn-{seen}" for seen in INPUTS), *(f"cnn+{caan}" for caan in ATTENTION)]
TABLES = {
    "table3": (["retina", "potato", "cloud", "leather", "wood"], TABLE_3),
    "table5": (["hurricane", "concrete", "grape", "strawberry"], TABLE_3),
    "table6": (["tile", "hazelnut", "carpet"], TABLE_3),
    "table7": (["retina", "potato", "cloud", "leather"], TABLE_7),
    "table8": (["hurricane", "concrete", "grape", "hazelnut"], TABLE_7),
}


def composed(words: list[str]) -> Any:
    return compose("train", overrides=words)


@cache
def cells(experiment: str) -> dict[Words, dict[str, Any]]:
    """The resolved configuration of each cell, by its words."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        given = [f"experiment={experiment}"]
        sweeper = compose("train", overrides=given, return_hydra_config=True).hydra.sweeper
        products = [{**sweeper.everywhere, **product} for product in sweeper.products]
        everywhere = expand(products, given)
        common = set.intersection(*map(set, everywhere))
        configurations = Configurations(composed, lambda key: (CONF / key).is_dir())
        return {words: configurations.of(words, common) for words in everywhere}


def settings(experiment: str) -> list[Settings]:
    return [settings_of(config) for config in cells(experiment).values()]


def run_of(cell: Settings, fold: int) -> Run:
    return Run(cell, fingerprint=cell.dataset_name, fold=fold)


@pytest.mark.parametrize("experiment", GRIDS)
def test_put_together_as_hydra_composes(experiment: str) -> None:
    found = list(cells(experiment).items())
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for words, config in found[:: max(1, len(found) // 4)]:
            assert config == OmegaConf.to_container(composed(list(words)), resolve=True), words


@pytest.mark.parametrize("experiment", GRIDS)
def test_no_two_cells_are_the_same(experiment: str) -> None:
    found = Counter(run_of(cell, cell.fold or 1).id for cell in settings(experiment))
    assert set(found.values()) == {1}


@pytest.mark.parametrize("experiment", TABLES)
def test_the_papers_tables(experiment: str) -> None:
    datasets, rows = TABLES[experiment]
    models = [f"{row}@{point}" for row in rows if "+" in row for point in range(1, 6)]
    models += [row for row in rows if "+" not in row]
    found = Counter((cell.dataset_name, run_of(cell, 1).model) for cell in settings(experiment))
    assert found == Counter((dataset, model) for dataset in datasets for model in models)
    assert all(cell.selected_folds == [1, 2, 3, 4, 5] for cell in settings(experiment))


def test_the_tables_are_3160_fits_of_60_colorizers() -> None:
    runs = [run_of(cell, fold) for name in TABLES for cell in settings(name) for fold in range(1, 6)]
    assert len({run.id for run in runs}) == 3160
    assert len({run.maps_folder for run in runs if run.settings.needs_maps}) == 60


def test_figure_4() -> None:
    found = Counter((cell.dataset_name, cell.positive_rate, cell.adn.name) for cell in settings("figure4"))
    assert len(found) == 2 * 4 * 2
    assert {rate for _, rate, _ in found} == {1, 0.5, 0.25, 0.125}
    assert set(found.values()) == {1 + 2 * 5}


@pytest.mark.parametrize("experiment", ["table3", "table7"])
def test_the_papers_settings(experiment: str) -> None:
    for cell in settings(experiment):
        assert (cell.image_size, cell.trainer.max_epochs, cell.trainer.batch_size) == (256, 100, 16)
        assert (cell.colorizer.max_epochs, cell.colorizer.lr) == (500, 1e-3)
        assert cell.positive_rate == 1


def test_quick_has_every_row_of_table_3_in_two_folds() -> None:
    found = {(run_of(cell, 1).model.partition("@")[0], cell.fold) for cell in settings("quick")}
    assert found == {(row, fold) for row in TABLE_3 for fold in (1, 2)}


@pytest.mark.parametrize("experiment", STUDIES)
def test_a_study_has_the_plain_classifier_that_each_row_is_compared_with(experiment: str) -> None:
    runs = [run_of(cell, 1) for cell in settings(experiment)]
    there = {run.id for run in runs}
    assert all(run.plain.id in there for run in runs)
    assert {run.settings.dataset_name for run in runs} > {"hurricane"}
    assert any(run.settings.has_attention for run in runs)


def test_a_comparison_begins_with_the_cheap_models_and_has_the_one_to_compare_with() -> None:
    models = [run_of(cell, 1).model for cell in settings("compare")]
    assert models == [
        "lab_statistics",
        "map_score-padim-tf_efficientnet_lite0-layers3-max",
        "map_score-patchcore-tf_efficientnet_lite0-layers3-coreset0.01-max",
        "frozen",
        "frozen-mapstats-patchcore-tf_efficientnet_lite0-layers3-coreset0.01",
        "tf_efficientnet_lite0",
        "resnet18",
        "resnet18+mobilenet@4",
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        sweeper = compose("train", overrides=["experiment=compare"], return_hydra_config=True).hydra.sweeper
    assert sweeper.against in models


def test_few_positives_is_the_frozen_network_on_the_command_line_s_images() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(composed(["experiment=few_positives", "split_seed=1"]), resolve=True)
    settings = settings_of(config)
    assert (run_of(settings, 1).model, settings.adn.weights, settings.split_seed) == ("frozen", "bundled", 1)
