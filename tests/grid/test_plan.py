from collections.abc import Callable

from leanet.grid.plan import (
    Job,
    State,
    as_listed,
    batches,
    by_maps,
    distinct,
    forget_failure,
    note_failure,
    state_of,
)
from leanet.storage.files import write_json
from leanet.storage.run_files import RESULT

MakeJob = Callable[..., Job]


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
    assert sorted(map(len, by_maps(jobs).values())) == [1, 3]


def test_each_kind_of_map_is_shared_by_those_that_use_it(job: MakeJob) -> None:
    jobs = [job("point=1"), job("point=1", "map=padim"), job("point=2", "map=patchcore"), job("point=2", "map=padim")]
    assert list(by_maps(jobs).values()) == [[jobs[0]], [jobs[1], jobs[3]], [jobs[2]]]


def test_a_comparison_keeps_the_order_of_its_products(job: MakeJob) -> None:
    jobs = [job("adn=lab_statistics"), job("adn=map_score", "map=padim"), job("point=1"), job("adn=vgg16", "caan=none")]
    assert as_listed(jobs) == [jobs] != batches(jobs, lambda job: None)
    assert as_listed([]) == []


def test_one_run_for_each_colorizer_comes_first_and_the_rest_need_not_wait(job: MakeJob) -> None:
    jobs = [job("caan=none"), job("point=1"), job("point=2"), job("point=1", fold=2), job("point=2", fold=2)]
    first, rest = batches(jobs, lambda job: None)
    assert first == [jobs[1], jobs[3], jobs[0]]
    assert rest == [jobs[2], jobs[4]]


def test_one_run_for_each_kind_of_maps_by_features_comes_first(job: MakeJob) -> None:
    kinds = [("map=padim",), ("map=patchcore",), ("map=padim", "map.cross_fit=2"), ("map=ciede2000",)]
    jobs = [job(f"point={point}", *words, fold=fold) for words in kinds for fold in (1, 2) for point in (1, 2, 3)]
    first, rest = batches(jobs, lambda job: None)
    assert first == jobs[::3]
    assert rest == [each for each in jobs if each not in first]


def test_runs_whose_maps_are_made_wait_for_none(job: MakeJob) -> None:
    jobs = [job(f"point={point}", "map=padim") for point in (1, 2, 3)]
    jobs[0].run.maps_file.parent.mkdir(parents=True)
    jobs[0].run.maps_file.touch()
    assert batches(jobs, lambda job: None) == [jobs]


def test_long_fits_come_early(job: MakeJob) -> None:
    jobs = [job("adn=resnet18", "caan=none"), job("adn=vgg16", "caan=none"), job("adn=resnet50", "caan=none")]
    seconds = {"resnet18": 10.0, "vgg16": 90.0, "resnet50": 30.0}
    assert batches(jobs, lambda job: seconds[job.run.model]) == [[jobs[1], jobs[2], jobs[0]]]
