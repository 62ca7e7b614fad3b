"""What is known of a fitted model, kept beside it: card.json for programs, card.md for people."""

from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from leanet.model.reference import read_reference
from leanet.report.statistics import mean_sd
from leanet.runs.cell import Cell
from leanet.runs.run import Run
from leanet.storage.files import write_json, write_text
from leanet.storage.run_files import CARD

if TYPE_CHECKING:
    from leanet.model.weight_facts import WeightFacts

Facts = dict[str, Any]

INTENDED_USE = (
    "It ranks photographs by how likely the colour of what they show is anomalous, for a person to look at the first "
    "of them. They must show the same kind of object as the training images, seen in the same way, by the same kind of "
    "camera and light."
)
RESIZED = "Images are resized to a square of the training's size; an anomaly that vanishes there is not seen."
LIMITS = (
    "It has seen the kinds of anomaly that the training images have, and no others; what is wrong in shape alone and "
    "not in colour may escape it.",
    "Another camera, light, background or white balance shifts colours, and with them the answers.",
    RESIZED,
    "The share of anomalous images in the training set is not that of your own photographs: choose the threshold for "
    "your costs.",
    "It is no device for diagnosis, and no decision about a person should follow from it alone.",
)
CROPPED = "It sees the square centre of images that are not square, and nothing outside it."
CUT = "Images are cut into tiles; an anomaly that vanishes in a tile of the training's size is not seen."
CROSS_VALIDATED = (
    "The cross-validated figures are those of networks that each left out one fold; this one was trained on the images "
    "of all folds, and only new images can test it."
)
_SETTINGS = (
    "image_size", "fit", "tiles", "tile_size", "tile_overlap", "tile_pooling", "tile_top", "adn.name", "adn.lr",
    "adn.freeze", "adn.pooling", "adn.map_statistics", "adn.network.model", "adn.network.stages",
    "adn.network.strength", "caan.name", "point", "attention.points", "input.name", "map.name",
    "map.scaling", "map.layers", "map.channels", "map.coreset", "map.cross_fit", "colorizer.name",
    "colorizer.max_epochs", "colorizer.loss", "trainer.max_epochs", "trainer.batch_size", "positive_rate", "validation",
    "folds", "split_seed", "seed",
)  # fmt: skip
_WITHOUT_ATTENTION = ("caan.name", "point")
_OF_EPOCHS = ("adn.lr", "trainer.max_epochs", "trainer.batch_size", "seed", "input.name", "map.scaling")


def write_card(model: Run, cell: Cell) -> None:
    """Write the card of the finished `model` beside it, with the figures of those runs of `cell` that are done.

    The card is what a model ends with: without it, it is not whole.
    """
    facts = card_of(model, cell)
    write_text(model.folder / "card.md", as_text(facts))
    write_json(model.folder / CARD, facts)


def card_of(model: Run, cell: Cell) -> Facts:
    """The card's facts."""
    from leanet.model.weight_facts import unloaded, weight_facts  # here, since they import torch

    result = model.result or {}
    dataset = model.settings.dataset
    limits = [CUT if model.settings.has_tiles and limit == RESIZED else limit for limit in LIMITS]
    limits += [CROPPED] if model.settings.fit == "crop" else []
    crossvalidation = _crossvalidation([found for run in cell.runs if (found := run.result)])
    return {
        "name": model.name,
        "run": model.id,
        "cell": model.cell,
        "model": model.model,
        "dataset": {
            "name": model.settings.dataset_name,
            "fingerprint": model.fingerprint,
            "images": {"negative": cell.normals, "positive": cell.images - cell.normals},
            "licence": (dataset.get("origin") or {}).get("licence", "unknown"),
        },
        "trained_on": result.get("images"),
        "crossvalidation": crossvalidation,
        "validation": result.get("validation"),
        "distance": reference.facts if (reference := read_reference(model.folder)) else None,
        "settings": _settings(model),
        "weights": weight_facts(model, unloaded(model)),
        "intended_use": INTENDED_USE,
        "limits": [*limits, CROSS_VALIDATED] if crossvalidation else limits,
        "versions": result.get("versions"),
    }


def _crossvalidation(results: Sequence[Facts]) -> Facts | None:
    """Mean and sample SD (None of one fold) over the folds that are done, and the floor; None where none is."""
    if not results:
        return None
    figures = {name: mean_sd([result[name] for result in results])._asdict() for name in ("f1", "auroc", "ap")}
    return {
        "folds_done": len(results),
        "folds": results[0]["folds"],
        **figures,
        "floor": mean(result["floor"] for result in results),
        "collapsed": sum(result["collapsed"] for result in results),
    }


def _settings(model: Run) -> Facts:
    """Those that change the numbers, by the names that people type."""
    names = [name for name in _SETTINGS if model.settings.has_attention or name not in _WITHOUT_ATTENTION]
    if not model.settings.needs_maps:
        names = [name for name in names if not name.startswith(("map.", "colorizer."))]
    if not model.settings.has_colorizer:
        names = [name for name in names if not name.startswith("colorizer.")]
    if not model.settings.adn.is_frozen:
        names = [name for name in names if name != "adn.pooling"]
    if not model.settings.has_epochs:
        names = [name for name in names if name not in _OF_EPOCHS]
    if not model.settings.has_tiles:
        names = [name for name in names if not name.startswith("tile_")]
    found: Facts = {}
    for name in names:
        value: Any = model.settings
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else getattr(value, part)
        if value not in (None, False):
            found[name.replace(".network.", ".")] = value
    return found


def as_text(card: Facts) -> str:
    """The card as Markdown."""
    dataset, counts = card["dataset"], card["dataset"]["images"]
    trained = card["trained_on"]["train"]
    settings = tabulate(
        card["settings"].items(), headers=("setting", "value"), tablefmt="github", disable_numparse=True
    )
    versions = ", ".join(f"{name} {value}" for name, value in card["versions"].items())
    limits = "\n".join(f"- {sentence}" for sentence in card["limits"])
    return f"""# {card["name"]}

LEA-Net `{card["model"]}` for images like those of *{dataset["name"]}*. Run `{card["run"]}`, cell `{card["cell"]}`.

## How good it is

{_judged(card["crossvalidation"])}

## Trained on

*{dataset["name"]}*: {counts["negative"]} normal and {counts["positive"]} anomalous images, of which it learned from
{trained["negative"]} and {trained["positive"]}. Licence of the images: {dataset["licence"]}.
Fingerprint: `{dataset["fingerprint"]}`.

{_distance(card["distance"])}## Intended use

{card["intended_use"]}

## Limits

{limits}

## Settings

{settings}
{_loaded(card["weights"])}
Versions: {versions}.
"""


def _loaded(weights: "Sequence[WeightFacts]") -> str:
    if not weights:
        return ""
    from leanet.model.weight_facts import weights_table

    return f"\n## Pretrained weights\n\n{weights_table(weights)}\n"


def _distance(found: Facts | None) -> str:
    if found is None:
        return ""
    half, most, nearly_all = found["quantiles"].values()
    return (
        "## Images unlike these\n\nHow far an image is from the training images is measured in colours and in features "
        f"of the network's second stage. Of {found['images']} training images, each compared with the others, half are "
        f"nearer than {half:.2f}, 95 % nearer than {most:.2f}, and 99 % nearer than {nearly_all:.2f}. Predictions for "
        "images that are farther may be wrong.\n\n"
    )


def _judged(found: Facts | None) -> str:
    if found is None:
        return "It has not been cross-validated: nothing is known of it."
    rows = [(label, _spread(found[name])) for label, name in (("F1", "f1"), ("AUROC", "auroc"), ("AP", "ap"))]
    rows.append(('F1 of always saying "anomalous"', f"{found['floor']:.3f}"))
    table = tabulate(rows, headers=("", "cross-validated"), tablefmt="github", disable_numparse=True)
    collapsed = f" In {found['collapsed']} of them all images got the same answer." if found["collapsed"] else ""
    return f"{table}\n\nMean ± SD over {found['folds_done']} of {found['folds']} folds, threshold 0.5.{collapsed}"


def _spread(figure: Facts) -> str:
    return f"{figure['mean']:.3f}" + (f" ± {figure['sd']:.3f}" if figure["sd"] is not None else "")
