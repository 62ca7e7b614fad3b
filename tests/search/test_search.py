"""Searches with a launcher that is played; its results have no test scores, so that none can be read."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from hydra_plugins.leanet_search import SearchSweeper
from leanet.config.conf_files import CONF, conf_files, plain_values
from leanet.config.effective import settings_of
from leanet.errors import LeanetError
from leanet.runs.cell import Cells
from leanet.runs.run import Run
from leanet.search import search as module
from leanet.search.search import Search
from leanet.storage.files import write_json
from leanet.storage.run_files import RESULT

NAMES = ("run", "cell", "dataset", "model", "fold", "folds", "image_size")
PARAMS = {"adn.lr": "tag(log, interval(1e-5, 1e-3))", "caan": "choice(none,direct)", "point": "choice(1,2,3)"}
OPTIONS = {"metric": "auroc", "trials": 5, "at_once": 1, "seed": 0, "retry": False, "jobs_per_gpu": "auto"}
Start = Callable[..., Search]


def score_of(run: Run) -> float:
    """Of the validation images: best with attention and a large learning rate."""
    lr, has_attention = run.settings.adn.lr or 0, run.settings.has_attention
    return 0.5 + 200 * lr + (0.1 if has_attention else 0) + run.fold / 100


class Launcher:
    """Writes a result of each run, or does what `becomes` says at that run's turn."""

    def __init__(self) -> None:
        self.search: Search | None = None
        self.launched: list[str] = []
        self.becomes: Callable[[int, Run], None] = lambda turn, run: None

    def __call__(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        return [self._done(tuple(words)) for words in job_overrides]

    def _done(self, words: tuple[str, ...]) -> JobReturn:
        assert self.search is not None
        [run] = Cells().of(settings_of(self.search.configuration(words))).runs
        outcome = JobReturn()
        outcome.status = JobStatus.COMPLETED
        try:
            self.becomes(len(self.launched), run)
        except LeanetError as error:
            outcome.status, outcome.return_value = JobStatus.FAILED, error
            return outcome
        self.launched.append(run.id)
        found = {"validation": {"auroc": score_of(run)}, "seconds": 1.0}
        write_json(run.folder / RESULT, {**dict.fromkeys(NAMES, 1), **found})
        return outcome


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> Launcher:
    launcher = Launcher()
    monkeypatch.setattr(module, "launch_of", lambda *given: launcher)
    return launcher


@pytest.fixture
def start(launcher: Launcher, tiny: tuple[str, ...], tmp_path: Path) -> Iterator[Start]:
    """start("point=2", trials=3) → that search, with its runs in tmp_path/runs."""

    def started(*words: str, runs: str = "runs", params: dict[str, str] = PARAMS, **options: Any) -> Search:
        given = [*(word for word in tiny if not word.startswith(("fold=", "adn.lr"))), "adn=cnn", "validation=0.25"]
        given += [f"paths.runs={tmp_path / runs}", "fold=1,2"]
        typed = {word.partition("=")[0]: word for word in (*given, *words)}
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("train", ["hydra/sweeper=optuna", *typed.values()], RunMode.MULTIRUN)
        context = HydraContext(loader, Callbacks())
        launcher.search = Search.of(context, config, params, list(typed.values()), **{**OPTIONS, **options})
        return launcher.search

    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield started


def table(search: Search) -> list[dict[str, str]]:
    return list(csv.DictReader((search.folder / "trials.csv").read_text().splitlines()))


def test_the_best_has_the_highest_mean_over_the_folds(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    search = start("trainer.batch_size=4", "input=rgb_map", "logger=tensorboard")
    search.do()
    rows, printed = table(search), capsys.readouterr().out
    best = max(rows, key=lambda row: float(row["auroc"]))
    assert len(rows) == len({row["cell"] for row in rows}) == 5
    assert all(
        float(row["auroc"]) == pytest.approx((float(row["auroc_1"]) + float(row["auroc_2"])) / 2) for row in rows
    )
    words = f"adn.lr={best['adn.lr']} caan={best['caan']} point={best['point']}"
    *_, told, command = printed.splitlines()
    assert told.startswith(
        f"best: {words}: validation AUROC {float(best['auroc']):.3f} (mean of 2 folds); without search"
    )
    assert command == (
        f"on the test folds: python -m leanet.train --config-dir {search.folder} experiment=best "
        f"paths.runs={search.folder.parents[1]}"
    )
    assert "F1" not in printed
    check_best(search, best)


def check_best(search: Search, best: dict[str, str]) -> None:
    """That `experiment=best` gives the settings of that trial, on all folds and without validation images."""
    expected = search.configuration(search.words({**best, "adn.lr": float(best["adn.lr"])}))
    folder, runs = search.folder, search.folder.parents[1]
    GlobalHydra.instance().clear()
    with conf_files("train", str(folder)) as conf:
        found = plain_values(conf.composed(["experiment=best", f"paths.runs={runs}"]))
    assert found == {**expected, "validation": 0, "fold": None}


def test_an_interrupted_search_ends_as_an_undisturbed_one(start: Start, launcher: Launcher) -> None:
    one = {"params": {"adn.lr": PARAMS["adn.lr"]}}
    whole = start(runs="whole", trials=3, **one)
    whole.do()
    once, launcher.launched = len(launcher.launched), []

    def interrupt(turn: int, run: Run) -> None:
        if turn == 3:  # the second fold of the second trial
            raise KeyboardInterrupt

    launcher.becomes = interrupt
    search = start(trials=3, **one)
    with pytest.raises(KeyboardInterrupt):
        search.do()
    launcher.becomes = lambda turn, run: None
    search.do()
    assert table(search) == table(whole)
    assert len(launcher.launched) == len(set(launcher.launched)) == once == 6
    (search.folder / "trials.log").unlink()  # the runs are still there
    start(trials=4, **one).do()
    assert table(search)[:3] == table(whole) and len(launcher.launched) == once + 2


def test_a_space_that_is_exhausted_ends_a_search_of_several_trials_at_once(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    space = {"caan": "choice(none,direct)", "point": "choice(1,2,3)"}  # without attention all points are the same
    search = start(params=space, at_once=3)
    search.do()
    assert len(table(search)) == 4
    printed = capsys.readouterr().out
    assert "the space has hardly any other settings" in printed
    assert "(mean of 2 folds), the first of 3 trials with this score; without search: " in printed


def test_failed_trials_are_passed_over_and_tried_again_on_request(
    start: Start, launcher: Launcher, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(turn: int, run: Run) -> None:
        if run.settings.has_attention:
            raise LeanetError("no attention today")

    launcher.becomes = fail
    space = {"caan": "choice(none,direct)", "adn.lr": "choice(1e-4,1e-3)"}
    search = start(params=space, trials=4)
    with pytest.raises(LeanetError, match="3 trials in a row failed: no attention today"):
        search.do()
    assert "failed  caan=direct" in capsys.readouterr().out
    launcher.becomes = lambda turn, run: None
    replace(search, retry=True).do()
    assert {row["caan"] for row in table(search)} == {"none", "direct"}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("validation=0", "validation=0.2"),
        ("fold=1,3", "fold=3: there are folds 1 to 2"),
        ("dataset.image_size=33", "dataset.image_size=33"),
    ],
)
def test_mistakes_before_the_first_trial(start: Start, word: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=told):
        start(word)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"metric": "loss"}, "hydra.sweeper.metric=loss: must be auroc, ap or f1"),
        ({"trials": 0}, "hydra.sweeper.trials=0: must be a whole number from 1"),
        ({"jobs_per_gpu": 0}, "hydra.sweeper.jobs_per_gpu=0: must be auto or a whole number from 1"),
    ],
)
def test_wrong_options(options: dict[str, Any], told: str) -> None:
    with pytest.raises(LeanetError, match=told):
        Search.of(HydraContext(None, Callbacks()), OmegaConf.create(), PARAMS, [], **{**OPTIONS, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "told"), [("train", r"pip install 'leanet\[search\]'"), ("fit", "is for leanet.train")]
)
def test_without_optuna_or_for_another_command(command: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("leanet.search.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    sweeper = SearchSweeper({}, dry_run=False)
    config: Any = OmegaConf.create({"hydra": {"job": {"config_name": command}}})
    sweeper.setup(hydra_context=HydraContext(None, Callbacks()), task_function=print, config=config)  # type: ignore[arg-type]
    with pytest.raises(LeanetError, match=told):
        sweeper.sweep([])


@pytest.mark.slow
def test_killed_in_real_processes(tiny: tuple[str, ...], tmp_path: Path) -> None:
    """The command is killed three times with all of its processes, and ends with the table of an undisturbed one."""
    small = ["adn=timm", "adn.model=test_convnext", "colorizer=autoencoder", "validation=0.25", "trainer.max_epochs=3"]
    given = {word.partition("=")[0]: word for word in (*tiny, *small)}
    given |= {"adn.lr": "adn.lr=tag(log, interval(1e-4, 1e-2))", "caan": "caan=none,direct"}
    options = ["hydra/sweeper=optuna", "hydra.sweeper.trials=4"]
    command = [sys.executable, "-m", "leanet.train", "-m", *given.values(), *options]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}

    def last_lines(runs: Path) -> list[str]:
        done = subprocess.run([*command, f"paths.runs={runs}"], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.replace(str(runs), "").splitlines()[-2:]

    for seconds in (6, 9, 12):
        process = subprocess.Popen(
            [*command, f"paths.runs={tmp_path / 'killed'}"],
            env=env,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert last_lines(tmp_path / "killed") == last_lines(tmp_path / "whole")
