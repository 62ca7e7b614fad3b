"""The table and the sentence at the end of a comparison, of runs whose figures are known."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from leanet.config.allowed_targets import CONFIG
from leanet.config.effective import settings_of
from leanet.errors import LeanetError
from leanet.grid.comparison import check_against, comparison
from leanet.grid.plan import Job, note_failure
from leanet.report.lifts import Lift
from leanet.report.statistics import lift
from leanet.runs.run import Run
from leanet.storage.files import write_json, write_text
from leanet.storage.run_files import RESULT

Configure = Callable[..., dict[str, Any]]
CHEAP, DEAR = ("adn=lab_statistics",), ("adn=resnet18", "caan=none")
COUNTS = {"train": {"negative": 60, "positive": 20}, "test": {"negative": 15, "positive": 5}}
FIVE = ("folds=5", "fold=null", "dataset.positives=12")


@pytest.fixture
def cell(configure: Configure, tmp_path: Path) -> Callable[..., list[Job]]:
    """cell("caan=none", f1=[0.8, 0.7], seconds=3) → the jobs of a cell of five folds, so many of which are finished."""

    def made(*words: str, f1: Sequence[float] = (), seconds: float = 1, fingerprint: str = "0" * 64) -> list[Job]:
        settings = settings_of(configure(tmp_path, *FIVE, *words))
        jobs = [Job((*words, f"fold={n}"), Run(settings, fingerprint, n), 36, 24) for n in range(1, 6)]
        for job, value in zip(jobs, f1, strict=False):
            finish(job.run, value, seconds)
        return jobs

    return made


def finish(run: Run, f1: float, seconds: float) -> None:
    settings = run.settings
    write_text(run.folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create({**asdict(settings), "fold": run.fold})))
    named = {"run": run.id, "cell": run.cell, "model": run.model, "fold": run.fold, "folds": 5}
    named |= {"dataset": settings.dataset_name, "image_size": settings.image_size, "fingerprint": run.fingerprint}
    figures = {"f1": f1, "auroc": 0.9, "ap": 0.9, "floor": 0.4, "images": COUNTS, "seconds": seconds, "device": "cpu"}
    write_json(run.folder / RESULT, {**named, **figures})


def named(job: Job) -> str:
    return f"fit {job.run.model} on {job.run.settings.dataset_name}"


def rows(text: str) -> dict[str, list[str]]:
    found = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {first: rest for first, *rest in found}


def test_a_row_for_each_cell_and_the_sentence(cell: Callable[..., list[Job]]) -> None:
    cheap, dear = [0.70, 0.80, 0.75, 0.72, 0.78], [0.7, 0.9, 0.8, 0.7, 0.9]  # means .75 and .8, SE of the best .067
    text = comparison([*cell(*CHEAP, f1=cheap, seconds=0.5), *cell(*DEAR, f1=dear, seconds=30)], "resnet18", named)
    assert text.startswith("synthetic, 32 px\n\n")
    by_fold = (dict(enumerate(values)) for values in (cheap, dear))
    found = lift(*by_fold, 0.2)
    assert found is not None
    table = rows(text)
    assert list(table)[2:] == ["lab_statistics", "resnet18", "always positive"]  # below the header and its line
    assert table["lab_statistics"] == ["0.750 ± 0.041", "0.900 ± 0.000", str(Lift(found, found.p, 1)), "0.5", "5/5"]
    assert table["resnet18"] == ["0.800 ± 0.100", "0.900 ± 0.000", "", "30", "5/5"]
    assert "p adjusted for 1 comparison (Holm)" in text and "on cpu" in text
    assert text.endswith(
        "lab_statistics is the cheapest model whose F1 is within one standard error (0.067) of the best, 0.800 by "
        "resnet18: it has 0.750 and takes 0.5 s per fold. Fit it on all images:\n\nfit lab_statistics on synthetic"
    )


def test_what_is_not_finished_takes_no_part(cell: Callable[..., list[Job]]) -> None:
    failed, none = cell(*CHEAP, f1=[0.9] * 4), cell("adn=cnn", "caan=none")
    note_failure(failed[4].run, "the disk is full")
    text = comparison([*failed, *none, *cell(*DEAR, f1=[0.7, 0.8, 0.7, 0.8, 0.7])], "resnet18", named)
    table = rows(text)
    assert table["lab_statistics"][-1] == "4/5, failed" and table["cnn"] == ["", "", "", "", "0/5"]
    assert "2 of 3 models are not finished and are left out" in text and "resnet18 has the best F1" in text


def test_a_model_that_is_no_better_than_one_answer_for_all_is_told(cell: Callable[..., list[Job]]) -> None:
    told = "To call every image positive has F1 0.400, within one standard error of the best as well."
    for f1, is_told in (([0.3, 0.5, 0.4, 0.5, 0.4], True), ([0.6, 0.7, 0.6, 0.7, 0.6], False)):
        assert (told in comparison(cell(*DEAR, f1=f1), "resnet18", named)) == is_told


def test_nothing_finished_recommends_nothing(cell: Callable[..., list[Job]]) -> None:
    assert comparison(cell(*DEAR), "resnet18", named).endswith("No model is finished, so no model is recommended.")
    one = [cell(*DEAR, f1=[0.8])[0]]
    assert comparison(one, "resnet18", named).endswith(
        "A single fold has no standard error, so no model is recommended."
    )


def test_each_dataset_and_split_has_a_table_of_its_own(cell: Callable[..., list[Job]]) -> None:
    values = [0.7, 0.8, 0.7, 0.8, 0.7]
    jobs = [
        job
        for words in (("split_seed=0",), ("split_seed=1",), ("dataset.image_size=64",), ("+dataset.fit=pad",))
        for model in (CHEAP, DEAR)
        for job in cell(*model, *words, f1=values)
    ]
    text = comparison([*jobs, *cell(*DEAR, "dataset.name=wood", f1=values, fingerprint="1" * 64)], "resnet18", named)
    titles = re.findall(r"^(\w+, \d+ px.*)$", text, re.MULTILINE)
    assert titles == [
        "synthetic, 32 px, split_seed 0",
        "synthetic, 32 px, split_seed 1",
        "synthetic, 64 px, split_seed 0",
        "synthetic, 32 px, fit=pad, split_seed 0",
        "wood, 32 px, split_seed 0",
    ]
    assert text.count("Fit it on all images:") == 5 and text.endswith("fit resnet18 on wood")


def test_against_names_one_model(cell: Callable[..., list[Job]]) -> None:
    jobs = [*cell(*CHEAP), *cell(*DEAR)]
    check_against(jobs, "resnet18")
    with pytest.raises(
        LeanetError, match=r"against=resnet: no model of this grid; choose from lab_statistics, resnet18$"
    ):
        check_against(jobs, "resnet")
    with pytest.raises(LeanetError, match=r"several models have this name: resnet18 \(seed=0\), resnet18 \(seed=7\)"):
        check_against([*jobs, *cell(*DEAR, "seed=7")], "resnet18")
    thinned = [job for model in (CHEAP, DEAR) for job in cell(*model, "positive_rate=0.5")]
    check_against(thinned, "resnet18")
