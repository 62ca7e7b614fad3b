from collections.abc import Callable
from typing import Any

import pytest

from leanet.grid.costs import cost_of
from leanet.grid.plan import Job
from leanet.runs.run import Run
from leanet.storage.files import write_json
from leanet.storage.run_files import COLORIZER_FACTS, MAKING, RESULT

MakeJob = Callable[..., Job]


def finish(run: Run, seconds: float) -> Run:
    needed = dict.fromkeys(("run", "cell", "dataset", "model", "fold", "folds", "image_size"), 1)
    write_json(run.folder / RESULT, {**needed, "seconds": seconds})
    return run


def note(file: Any, seconds: float) -> None:
    write_json(file.with_suffix(MAKING), {"seconds": seconds})


def test_a_fold_costs_its_fit(job: MakeJob) -> None:
    runs = [finish(job("caan=none", fold=fold).run, seconds) for fold, seconds in ((1, 10), (2, 14))]
    assert str(cost_of(runs)) == "12"
    assert cost_of([job("caan=none", "seed=5").run]) is None


def test_each_fold_s_maps_count(job: MakeJob) -> None:
    runs = [finish(job("adn=map_score", "map=padim", fold=fold).run, 0.5) for fold in (1, 2)]
    note(runs[0].maps_file, 3)
    assert str(cost_of(runs)) == "≥ 2"
    note(runs[1].maps_file, 5)
    note(runs[1].layers_folder / "layers.npy", 2)  # of both folds
    assert str(cost_of(runs)) == "5.5"


def test_a_colorizer_that_was_gone_on_with_knows_its_training(job: MakeJob) -> None:
    run = finish(job("point=1").run, 10)
    write_json(run.maps_folder / COLORIZER_FACTS, {"seconds": 30})
    note(run.maps_file, 8)
    found = cost_of([run])
    assert found is not None and found.seconds == 40 and found.is_whole
    note(run.maps_file, 33)  # training and maps, undisturbed
    found = cost_of([run])
    assert found is not None and found.seconds == 43


def test_folds_share_the_features_of_a_frozen_network(job: MakeJob) -> None:
    runs = [finish(job("adn=frozen", fold=fold).run, 1) for fold in (1, 2)]
    note(runs[0].features_folder / "features.npy", 6)
    found = cost_of(runs)
    assert found is not None and found.seconds == pytest.approx(4)
