from collections.abc import Callable
from typing import Any

import pytest

from leanet.grid.durations import Durations
from leanet.grid.plan import Job
from leanet.runs.work import Rates, colorizer_work, fit_work
from leanet.storage.files import write_json
from leanet.storage.run_files import COLORIZER_FACTS, RESULT

MakeJob = Callable[..., Job]


def result(seconds: float) -> dict[str, Any]:
    """Of a fit of 18 images of 32 × 32 pixels for 6 epochs, as conftest's TINY has them."""
    counts = {"train": {"negative": 12, "positive": 6}}
    more = dict.fromkeys(("run", "cell", "dataset", "fold", "folds"), 1)  # which every result has
    return {**more, "model": "resnet18", "images": counts, "epochs": 6, "image_size": 32, "seconds": seconds}


def test_durations_are_learnt_from_what_was_done(job: MakeJob) -> None:
    plain = job("caan=none").run.settings
    attended = job("caan=mobilenet", "point=4", "positive_rate=0.5").run.settings
    durations = Durations([(plain, result(10)), (plain, result(14)), (attended, result(30))])
    assert durations.fit(job("caan=none")) == pytest.approx(12)
    assert durations.fit(job("caan=none", "trainer.max_epochs=12")) == pytest.approx(24)
    assert durations.fit(job("caan=none", "dataset.image_size=64")) == pytest.approx(48)
    assert durations.fit(job("point=1")) == pytest.approx(30)
    assert durations.fit(job("adn=vgg16", "caan=none")) == pytest.approx((12 + 30) / 2)
    assert Durations([]).fit(job("caan=none")) is None


def test_fits_beside_as_many_others_count_alone(job: MakeJob) -> None:
    plain, attended = (job(*words).run.settings for words in (["caan=none"], ["caan=mobilenet"]))
    at_once = [(plain, {**result(10 * number), "at_once": number}) for number in (1, 2, 2, 4)]
    fits = [*at_once, (plain, result(100)), (attended, {**result(30), "at_once": 1})]  # one of an older version
    assert Durations(fits, at_once=2).fit(job("caan=none")) == pytest.approx(20)
    assert Durations(fits, at_once=3).fit(job("caan=none")) == pytest.approx((10 + 20 + 20 + 40 + 100) / 5)
    assert Durations(fits, at_once=2).fit(job("caan=mobilenet")) == pytest.approx(30)


def test_runs_side_by_side_take_no_less_than_the_longest_one_with_its_maps(job: MakeJob) -> None:
    facts = [{"images": 12, "image_size": 32, "max_epochs": 3, "seconds": 5.0}]
    fits = [(job("caan=none").run.settings, result(10)), (job("caan=mobilenet").run.settings, result(30))]
    plain = [job("caan=none", f"seed={seed}") for seed in range(4)]
    jobs = [*plain, job("point=1"), job("point=2")]  # of the same maps

    def expected(at_once: int) -> float | None:
        return Durations(fits, facts, at_once).altogether(jobs, jobs)

    assert expected(1) == pytest.approx(4 * 10 + 2 * 30 + 5)
    assert expected(2) == pytest.approx((4 * 10 + 2 * 30 + 5) / 2)
    assert expected(6) == pytest.approx(30 + 5)
    assert Durations(fits, facts, 6).altogether(plain, plain) == pytest.approx(10)
    assert Durations(fits, at_once=6).altogether(jobs, jobs) is None
    assert Durations([], at_once=6).altogether(jobs, []) is None and Durations([]).altogether([], []) == 0


def test_what_takes_no_epochs_takes_no_time_and_says_nothing_of_networks(job: MakeJob) -> None:
    plain, score = (job(*words).run.settings for words in (["caan=none"], ["adn=map_score"]))
    durations = Durations([(plain, result(10)), (score, {**result(0.01), "epochs": 0})])
    assert durations.fit(job("adn=map_score")) == 0
    assert durations.fit(job("adn=vgg16", "caan=none")) == pytest.approx(10)


def test_colorizers_too(job: MakeJob) -> None:
    facts = {"images": 12, "image_size": 32, "max_epochs": 3, "seconds": 5.0}  # as TINY has it
    assert Durations([], [facts]).maps(job("point=1")) == pytest.approx(5)
    assert Durations([], [facts]).maps(job("point=1", "colorizer.max_epochs=30")) == pytest.approx(50)
    assert Durations([]).maps(job("point=1")) is None


def test_what_is_done_of_a_grid_is_read(job: MakeJob) -> None:
    done, open_ = job("point=1"), job("point=2")
    write_json(done.run.folder / RESULT, result(30))
    facts = {"images": 12, "image_size": 32, "max_epochs": 3, "seconds": 5.0}
    write_json(done.run.maps_folder / COLORIZER_FACTS, facts)
    durations = Durations.of([done, open_])
    assert durations.fit(open_) == pytest.approx(30) and durations.maps(open_) == pytest.approx(5)
    assert durations.maps(job("map=padim")) == 0


def test_of_three_colorizers_each_trains_on_two_thirds(job: MakeJob) -> None:
    facts = {"images": 12, "image_size": 32, "max_epochs": 3, "seconds": 5.0}
    assert Durations([], [facts]).maps(job("point=1", "map.cross_fit=3")) == pytest.approx(3 * 5 * 2 / 3)


def test_what_was_never_run_takes_what_its_steps_took(job: MakeJob) -> None:
    plain, attended = job("caan=none"), job("caan=mobilenet")
    steps = [(of.run.settings, Rates(colorizer=1e-6, detector=2e-6)) for of in (plain, attended)]
    durations = Durations([(plain.run.settings, result(10))], measured=steps)
    assert durations.fit(plain) == pytest.approx(10)
    assert durations.fit(attended) == pytest.approx(2e-6 * fit_work(attended.run.settings, attended.images))
    assert durations.maps(attended) == pytest.approx(1e-6 * colorizer_work(attended.run.settings, attended.normals))
