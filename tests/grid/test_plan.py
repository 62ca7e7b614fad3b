from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanet.grid.plan import (
    Durations,
    Job,
    State,
    batches,
    colorizers_of,
    distinct,
    forget_failure,
    note_failure,
    state_of,
)
from leanet.runs import RESULT, Run
from leanet.settings import settings_of
from leanet.store import write_json

Configure = Callable[..., dict[str, Any]]
MakeJob = Callable[..., Job]


@pytest.fixture
def job(configure: Configure, tmp_path: Path) -> MakeJob:
    """job("caan=none", fold=2) → the job of that run, with 36 images."""

    def made(*words: str, fold: int = 1) -> Job:
        return Job(words, Run(settings_of(configure(tmp_path, *words)), "0" * 64, fold), images=36)

    return made


def result(model: str, seconds: float) -> dict[str, Any]:
    """Of a fit of 18 images of 32 × 32 pixels for 6 epochs, as conftest's TINY has them."""
    counts = {"train": {"negative": 12, "positive": 6}}
    return {"model": model, "images": counts, "epochs": 6, "image_size": 32, "seconds": seconds}


def test_states_are_read_from_the_folder(job: MakeJob) -> None:
    run = job().run
    assert state_of(run) == State.OPEN
    note_failure(run, "the disk is full")
    assert state_of(run) == State.FAILED
    note_failure(run, "the loss is not finite")
    assert state_of(run) == State.FAILED
    note_failure(run, "the loss is not finite")
    assert state_of(run) == State.GIVEN_UP
    forget_failure(run)
    assert state_of(run) == State.OPEN
    write_json(run.folder / RESULT, {})
    assert state_of(run) == State.DONE


def test_words_that_come_to_the_same_run_are_one_job(job: MakeJob) -> None:
    jobs = [job("caan=none", "point=1"), job("caan=none", "point=2"), job("point=1"), job("point=2"), job("point=1")]
    assert distinct(jobs) == [jobs[0], jobs[2], jobs[3]]


def test_a_colorizer_is_shared_by_the_runs_of_a_fold(job: MakeJob) -> None:
    jobs = [job("point=1"), job("point=2"), job("input=map"), job("point=1", fold=2), job("caan=none")]
    assert sorted(map(len, colorizers_of(jobs).values())) == [1, 3]


def test_one_run_for_each_colorizer_comes_first_and_the_rest_need_not_wait(job: MakeJob) -> None:
    jobs = [job("caan=none"), job("point=1"), job("point=2"), job("point=1", fold=2), job("point=2", fold=2)]
    first, rest = batches(jobs, Durations([]))
    assert first == [jobs[1], jobs[3], jobs[0]]
    assert rest == [jobs[2], jobs[4]]


def test_long_fits_come_early(job: MakeJob) -> None:
    jobs = [job("adn=resnet18", "caan=none"), job("adn=vgg16", "caan=none"), job("adn=resnet50", "caan=none")]
    durations = Durations([result("resnet18", 10), result("vgg16", 90), result("resnet50", 30)])
    assert batches(jobs, durations) == [[jobs[1], jobs[2], jobs[0]]]


def test_durations_are_learnt_from_what_was_done(job: MakeJob) -> None:
    durations = Durations([result("resnet18", 10), result("resnet18", 14), result("resnet18+mobilenet@4-pos0.5", 30)])
    assert durations.expect(job("caan=none")) == pytest.approx(12)
    assert durations.expect(job("caan=none", "trainer.max_epochs=12")) == pytest.approx(24)
    assert durations.expect(job("caan=none", "dataset.image_size=64")) == pytest.approx(48)
    assert durations.expect(job("point=1")) == pytest.approx(30)
    assert durations.expect(job("adn=vgg16", "caan=none")) == pytest.approx((12 + 30) / 2)
    assert Durations([]).expect(job("caan=none")) is None
