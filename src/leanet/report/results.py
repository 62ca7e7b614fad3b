"""One table of all finished folds. Every table, figure, page and summary is a selection or a grouping of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leanet.config.allowed_targets import CONFIG, read_config
from leanet.config.differences import Facts, flat
from leanet.config.effective import kept_settings
from leanet.config.path_options import name_of
from leanet.config.settings import Settings
from leanet.errors import LeanetError
from leanet.report.datasets import CellRecords, Result, identify
from leanet.runs.model_name import attention_name, model_name, variant_name
from leanet.runs.run import Run, read_result
from leanet.storage.files import damaged, read_json
from leanet.storage.run_files import ABLATION, RESULT

if TYPE_CHECKING:
    from pandas import DataFrame

_NEEDED = {"f1", "auroc", "ap", "floor", "images"}
_GROUPS = ("adn", "caan", "colorizer", "map")  # of settings
FIGURES = {  # for each column, the keys in result.json
    **{name: (name,) for name in ("f1", "auroc", "ap", "floor", "seconds", "parameters", "positives_of_all")},
    "attention_sd": ("attention_sd",),
    "validated": ("validation", "f1"),
    "thresholded": ("thresholded", "f1"),
    "caan_f1": ("caan", "f1"),
    "map_shift": ("maps", "shift"),
    **{
        f"{kind}_{figure}": ("localisation", kind, figure)
        for kind in ("map", "attention", "evidence")
        for figure in ("pixel_auroc", "aupro")
    },
    **{head: (head, "f1") for head in ("combined", "weighted")},
    **{f"{head}_auroc": (head, "auroc") for head in ("caan", "combined")},
    **{kind: ("ablation", kind, "drops", "f1") for kind in ("constant", "shuffled")},
    **{f"{kind}_auroc": ("ablation", kind, "drops", "auroc") for kind in ("constant", "shuffled")},
}


_WITHOUT_RUNS = ("run", "cell", "folder", "dataset", "dataset_name", "model", "fold", *FIGURES)  # columns of none


def results(home: Path | str) -> DataFrame:
    """Read all finished folds under a folder of runs.

    A run whose files are damaged is left out, and a line on stderr names the file. predictions.csv is not read, except
    of runs of older versions, whose results do not name the images that they saw.

    A column that does not apply to a fold is None or NaN. The columns:

    - what was run: `run`, `cell` (the identity of the runs that differ in nothing but the fold), `folder`.
    - images: `dataset` (told apart where several sets have one name, as in `leaves (root=a)`), `dataset_name`,
      `fingerprint`, `root`, `image_size`, `fit` (stretch, pad or crop), and each setting of the dataset as `dataset.…`.
    - names: `model` (resnet18+direct@4-pos0.5); without its share of positives `unthinned`; without its point
      `row`; without both `method`; without point and balanced loss `paper_row`; `plain`, the model that sees the
      images alone and is compared with it; `variant` (+direct).
    - settings: `adn`, `caan`, `input`, `attention` (what of it is not as in the paper), `point` (1…5; None without
      attention or at several points), `points` (as text: 2+3), `map`, `colorizer`, `balance`, `positive_rate`
      (0…1), `epochs` (0 for a model that is not trained in epochs), `folds`, `fold` (1…folds), `folds_file`,
      `validation` (0…0.5), `seed`, `split_seed`, and each setting of the training and of the networks in use by its
      name in config.yaml, such as `adn.lr` and `trainer.batch_size`.
    - figures on the fold's test images, each 0…1: `f1`, `auroc`, `ap`, `floor` (F1 of always answering positive);
      `thresholded` (F1 above a threshold that validation images chose); `caan_f1`, `caan_auroc` (of CAAN's own
      head); `combined`, `weighted`, `combined_auroc` (F1 and AUROC of both heads together).
    - where images have pixel masks, `map_pixel_auroc` and `map_aupro` (Bergmann et al. 2021, up to 30 % false
      positives) of the anomaly map, and the same with `attention_` and `evidence_`; `map_shift` (the probability that
      the map of a test normal has a larger mean than that of a training normal).
    - `validated` (F1 on validation images); `constant`, `shuffled`, `constant_auroc`, `shuffled_auroc` (the loss
      without the attention, by leanet.ablate); `attention_sd`; `collapsed` (all test images got the same answer).
    - `seconds` (of the training), `parameters` (that are trained), `device`, and each version as `versions.…`.
    - numbers of images: `train_negative`, `train_positive`, `test_negative`, `test_positive`; `test_share` (0…1, of
      test images among those and the training images); `positives_of_all` (0…1, positives that were trained on
      among all training images of the fold).

    Args:
        home: the folder of the runs (`paths.runs`).

    Returns:
        a pandas DataFrame with a row for each fold, sorted by dataset and model; empty if no run is done.
    """
    found = []
    for file in sorted(Path(home).glob(f"detectors/*/{RESULT}")):
        try:
            result = read_result(file)
            if result is None or not result.keys() >= _NEEDED:
                raise damaged(file)
            found.append((file.parent, result))
        except LeanetError as error:
            leave_out(error)
    return as_table(found)


def as_table(runs: Iterable[tuple[Path, Result]]) -> DataFrame:
    """Make a table as `results` does.

    Args:
        runs: folder and content of result.json of each run.
    """
    import pandas as pd  # here, since commands without tables need no pandas

    by_cell: dict[tuple[str, str], list[tuple[Path, Result]]] = {}  # the same images may have two names
    for folder, result in runs:
        try:
            by_cell.setdefault((_dataset_name(folder, result), result["cell"]), []).append((folder, result))
        except LeanetError as error:
            leave_out(error)
    cells = []
    for (dataset, _), members in by_cell.items():
        try:
            cells.append(_cell(dataset, members))
        except LeanetError as error:
            leave_out(error)
    identify(cells)
    cells.sort(key=lambda cell: (cell.records[0]["dataset"], cell.records[0]["row"]))
    every = [record for cell in cells for record in cell.records]
    names = dict.fromkeys(name for record in every for name in record) or dict.fromkeys(_WITHOUT_RUNS)
    table = pd.DataFrame({name: [record.get(name) for record in every] for name in names}, dtype=object)
    return table.astype({name: float for name in FIGURES if name in names}).copy()  # one block of memory is faster


def leave_out(error: LeanetError) -> None:
    """Print on stderr what is left out, and why."""
    print(f"leanet: left out: {error}", file=sys.stderr)


def _dataset_name(folder: Path, result: Result) -> str:
    """The name of a run's dataset. Older versions named every `dataset=folder` `folder`; it gets its present name."""
    if result["dataset"] != "folder" or "fingerprint" in result:
        return str(result["dataset"])
    dataset = read_config(folder).get("dataset")
    return name_of(dataset.get("root") if isinstance(dataset, dict) else None)


def _cell(dataset: str, runs: list[tuple[Path, Result]]) -> CellRecords:
    """The records of a cell's runs; LeanetError if its config.yaml is damaged."""
    config = read_config(runs[0][0])
    try:
        settings = kept_settings(config)
        shared = {"dataset": dataset, "dataset_name": dataset, **_names(settings), **_settings(settings, config)}
        records = [{**shared, **_of_run(folder, result, config)} for folder, result in runs]
    except (KeyError, TypeError, AttributeError, LeanetError) as error:
        raise LeanetError(f"{runs[0][0] / CONFIG}: not as leanet writes it ({error})") from None
    fingerprint = next((found for _, result in runs if (found := result.get("fingerprint"))), None)
    return CellRecords(settings, fingerprint, sorted(records, key=lambda record: record["fold"]))


def _names(settings: Settings) -> Facts:
    """The names of a model, and the settings that identify it."""
    attends = settings.has_attention
    return {
        "model": model_name(settings),
        "unthinned": model_name(settings, rate=False),
        "row": model_name(settings, point=False),
        "method": model_name(settings, point=False, rate=False),
        "paper_row": model_name(settings, point=False, balance=False),
        "plain": Run(settings, "", fold=1).plain.model,
        "variant": variant_name(settings),
        "adn": settings.adn.name,
        "caan": settings.caan.name,
        "input": settings.input.name,
        "attention": attention_name(settings),
        "point": settings.point if attends and not settings.attention.points else None,
        "points": "+".join(map(str, settings.points)) if attends else None,
        "map": settings.map.name if settings.needs_maps else None,
        "colorizer": settings.colorizer.name if settings.has_colorizer else None,
        "balance": settings.trainer.balance,
        "positive_rate": settings.positive_rate,
        "epochs": settings.trainer.max_epochs if settings.has_epochs else 0,
        "root": settings.root,
        "fit": settings.fit,
    }


def _settings(settings: Settings, config: Facts) -> Facts:
    """The settings of dataset, training, and the networks that are used; older runs lack some."""
    used = _GROUPS if settings.needs_maps else ("adn",)
    groups = {name: config[name] for name in ("dataset", *used, "trainer") if config.get(name)}
    named = {name: config[name] for name in ("folds", "seed", "split_seed")}
    return {**named, "validation": config.get("validation", 0), **flat(groups)}


def _of_run(folder: Path, result: Result, config: Facts) -> Facts:
    """Facts and scores of one run."""
    images = {f"{part}_{name}": count for part in ("train", "test") for name, count in result["images"][part].items()}
    test = images["test_negative"] + images["test_positive"]
    digest, colorizer = result.get("folds_file"), result.get("colorizer")
    found = {**result, "ablation": _ablation(folder)}
    return {
        **{name: result.get(name) for name in ("run", "cell", "fold", "image_size", "device")},
        "folder": str(folder),
        "folds_file": str(digest)[:12] if digest else config["dataset"].get("folds_file"),
        "folds_by": _divided(result.get("division")),
        "dataset.image_size": result["image_size"],
        "colorizer_folder": colorizer if isinstance(colorizer, str) else None,  # a list with cross-fitting
        "collapsed": bool(result.get("collapsed")),
        **images,
        "test_share": test / (test + images["train_negative"] + images["train_positive"]),
        **{name: _value(found, keys) for name, keys in FIGURES.items()},
        **flat(result.get("versions", {}), "versions."),
    }


def _divided(division: Mapping[str, str] | None) -> str | None:
    """What divides the images beside the seed, for people: `groups-3fa2b1`."""
    return "+".join(f"{name}-{digest[:6]}" for name, digest in division.items()) if division else None


def _value(result: Result, keys: Iterable[str]) -> float | None:
    """A value of a result; None if the run does not have it, for example without attention, or is too old."""
    value: Any = result
    for key in keys:
        value = None if value is None else value.get(key)
    return None if value is None else float(value)


def _ablation(folder: Path) -> Facts | None:
    try:
        found: Facts | None = read_json(folder / ABLATION)
    except LeanetError as error:
        leave_out(error)
        found = None
    return found
