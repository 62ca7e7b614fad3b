"""The paper's own results: Tables 3 and 5 to 8 of Katafuchi & Tokunaga 2021 (arXiv 2109.05493), from paper.csv.

F1 of five folds as printed: for a model with attention at the best of the five points, which the test folds chose.
docs/paper-tables.md says which numbers are doubtful.
"""

from dataclasses import dataclass
from pathlib import Path

from leanet.report.csv_files import csv_rows

TABLES = (3, 5, 6, 7, 8)

ADNS = {"resnet18": "ResNet18", "resnet50": "ResNet50", "vgg16": "VGG16", "vgg19": "VGG19", "cnn": "basic CNN"}
VARIANTS = {
    "": "",
    "-map": " (AnomalyMap input)",
    "-rgb_map": " (4ch input)",
    "-attentioned": " (Attentioned input)",
    "+direct": " + Direct Attention",
    "+mobilenet": " + MobileNet-small CAAN",
    "+resnet": " + ResNet-based CAAN",
}
LABELS = {adn + variant: ADNS[adn] + VARIANTS[variant] for adn in ADNS for variant in VARIANTS}


@dataclass(frozen=True)
class Published:
    """One number of the paper.

    Args:
        model: as `Run.model` has it, but without the point: resnet18+mobilenet.
        point: the best of five, in parentheses in the paper; None without attention.
        f1: mean over five folds.
        sd: their standard deviation; the paper does not say which.
    """

    table: int
    dataset: str
    model: str
    point: int | None
    f1: float
    sd: float


@dataclass(frozen=True)
class PaperRow:
    """A row's head: the model, its name in the paper (ResNet18 + MobileNet-small CAAN), and millions of parameters."""

    model: str
    label: str
    parameters: float


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper, rows and datasets in its order; cells by dataset and model."""

    rows: list[PaperRow]
    datasets: list[str]
    cells: dict[tuple[str, str], Published]


def paper_table(number: int) -> PaperTable:
    """One of the five tables; ValueError for a table without results."""
    if number not in TABLES:
        raise ValueError(f"paper_table({number}): results are in tables {TABLES}")
    lines = [line for line in csv_rows(Path(__file__).with_name("paper.csv")) if line["table"] == str(number)]
    heads = dict.fromkeys((line["model"], line["parameters_in_millions"]) for line in lines)
    return PaperTable(
        rows=[PaperRow(model, LABELS[model], float(parameters)) for model, parameters in heads],
        datasets=list(dict.fromkeys(line["dataset"] for line in lines)),
        cells={(line["dataset"], line["model"]): _number(line) for line in lines},
    )


def _number(line: dict[str, str]) -> Published:
    point = int(line["point"]) if line["point"] else None
    f1, sd = float(line["f1_mean"]), float(line["f1_sd"])
    return Published(int(line["table"]), line["dataset"], line["model"], point, f1, sd)
