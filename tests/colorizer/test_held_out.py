"""Early stopping by normals that the colorizer is not trained on."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from leanet.colorizer.held_out import LOSS
from leanet.colorizer.task import ColorizerTask
from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.maps.color_maps import train_colorizer
from leanet.storage.files import read_json
from leanet.storage.run_files import COLORIZER_FACTS, CURVES
from leanet.training.batches import SelectedRows
from leanet.training.fit import FitPlan


@pytest.fixture
def settings(configure: Any, tmp_path: Path) -> Settings:
    """Half of the normals stop a colorizer that learns fast and soon knows the others by heart."""
    words = ("colorizer=autoencoder", "colorizer.held_out=0.5", "colorizer.patience=5", "colorizer.lr=1e-2")
    return settings_of(configure(tmp_path, *words))


def normals(count: int) -> SelectedRows:
    leaves = SyntheticLeaves(image_size=32, negatives=count, positives=1).load(Path())
    return SelectedRows(torch.from_numpy(leaves.images), torch.arange(count))


def losses(folder: Path) -> list[float]:
    with (folder / CURVES).open(newline="") as rows:
        return [float(row[LOSS]) for row in csv.DictReader(rows)]


def test_it_ends_with_the_weights_that_were_best_on_held_out_images(settings: Settings, tmp_path: Path) -> None:
    images, plan = normals(8), FitPlan(tmp_path, "test", 60, 0, settings.trainer)
    colorizer = train_colorizer(images, settings.colorizer, plan)
    found = losses(tmp_path)
    best = found.index(min(found))
    assert len(found) == best + 1 + settings.colorizer.patience < 60
    facts = read_json(tmp_path / COLORIZER_FACTS)
    assert facts is not None and facts["images"] == 4
    # The loss of those weights on the held-out images is the lowest of the curve, and which these are is known.
    task = ColorizerTask(colorizer, settings.colorizer, images).eval()
    with torch.no_grad():
        each = [float(task.loss(images[[row]] / 255)) for row in range(8)]
    assert any(
        sum(each[row] for row in rows) / 4 == pytest.approx(min(found), rel=1e-5)
        for rows in torch.combinations(torch.arange(8), 4).tolist()
    )


def test_a_killed_one_goes_on_with_the_best_so_far(settings: Settings, tmp_path: Path) -> None:
    whole = train_colorizer(
        normals(8), settings.colorizer, FitPlan(tmp_path / "whole", "test", 60, 0, settings.trainer)
    )
    plan = FitPlan(tmp_path / "parts", "test", 60, 0, replace(settings.trainer, checkpoint_seconds=0))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(ColorizerTask, "on_train_epoch_start", lambda task: 1 / (task.current_epoch - 4), raising=False)
        train_colorizer(normals(8), settings.colorizer, plan)
    rest = train_colorizer(normals(8), settings.colorizer, plan)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for name, value in rest.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name])


def test_one_normal_is_not_enough_to_train_on(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=r"needs 2 normal images to train on, and has 1; .*colorizer\.held_out"):
        train_colorizer(normals(2), settings.colorizer, FitPlan(tmp_path, "test", 3, 0, settings.trainer))
