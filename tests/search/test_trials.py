"""Trials in a file: what a search that was killed proposes, beside one that was not."""

from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from leanet.search.trials import STORAGE, Trials, read_trials

SPACE = {"lr": FloatDistribution(1e-5, 1e-3, log=True), "caan": CategoricalDistribution(["none", "direct"])}
START = {"lr": 1e-4, "caan": "none"}


def trials_in(folder: Path, seed: int = 0) -> Trials:
    return Trials(folder, SPACE, seed, START)


def tried(trials: Trials) -> dict[str, Any]:
    """A trial whose score grows with the learning rate."""
    [trial] = trials.unfinished() or [trials.propose(at_random=False)]
    trials.finish(trial, trial.params["lr"])
    return trial.params


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    trials = trials_in(tmp_path_factory.mktemp("search"))
    return [tried(trials) for _ in range(14)]


def test_the_first_trial_is_the_start_and_later_ones_learn(undisturbed: list[dict[str, Any]]) -> None:
    assert undisturbed[0] == START
    assert sum(params["lr"] for params in undisturbed[10:]) > sum(params["lr"] for params in undisturbed[1:5])


def test_resumed_after_every_trial(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    assert [tried(trials_in(tmp_path)) for _ in undisturbed] == undisturbed
    assert [trial.params for trial in read_trials(tmp_path)] == undisturbed


def test_a_trial_whose_process_was_killed_is_the_next_one(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    for _ in range(3):
        trials_in(tmp_path).propose(at_random=False)  # and never finished
        assert [trial.params for trial in trials_in(tmp_path).unfinished()]
        tried(trials_in(tmp_path))
    assert [trial.params for trial in trials_in(tmp_path).all] == undisturbed[:3]


def test_another_seed_proposes_others(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    trials = trials_in(tmp_path, seed=1)
    assert [tried(trials) for _ in range(2)][1] != undisturbed[1]


def test_a_file_with_half_a_line_and_a_lock_left_behind(undisturbed: list[dict[str, Any]], tmp_path: Path) -> None:
    for _ in range(2):
        tried(trials_in(tmp_path))
    whole = (tmp_path / STORAGE).read_bytes()
    (tmp_path / STORAGE).write_bytes(whole + b'{"op_code": 5, "work')
    (tmp_path / f"{STORAGE}.lock").symlink_to(STORAGE)
    tried(trials_in(tmp_path))
    assert [trial.params for trial in read_trials(tmp_path)] == undisturbed[:3]


def test_a_proposal_that_was_killed_half_way_counts_as_failed(tmp_path: Path) -> None:
    tried(trials_in(tmp_path))
    trials_in(tmp_path)._study.ask().suggest_categorical("caan", ["none", "direct"])
    trials = trials_in(tmp_path)
    assert not trials.unfinished() and not trials.failed() and len(trials.all) == 2
