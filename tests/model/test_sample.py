"""The images that an exported file is checked on: its dataset's own, and nothing that a foreign config.yaml names."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leanet.config.effective import settings_of
from leanet.config.settings import Settings
from leanet.data.synthetic import SyntheticLeaves
from leanet.model.sample import sample_of

Configure = Callable[..., dict[str, Any]]


@pytest.fixture
def settings(configure: Configure, tmp_path: Path) -> Settings:
    return settings_of(configure(tmp_path))


def test_are_the_dataset_s_own_from_all_over_it(settings: Settings, tmp_path: Path) -> None:
    found = sample_of(settings, tmp_path, most=5)
    whole = SyntheticLeaves(image_size=32, negatives=24, positives=12).load(tmp_path).images
    assert found.name == "synthetic"
    np.testing.assert_array_equal(found.images.transpose(0, 3, 1, 2), whole[[0, 9, 18, 26, 35]])
    assert len(sample_of(settings, tmp_path, most=99).images) == 36


def test_are_painted_where_its_own_are_gone(settings: Settings, tmp_path: Path) -> None:
    gone = {"_target_": "leanet.data.folder.ImageFolder", "name": "a", "root": str(tmp_path / "no"), "image_size": 32}
    found = sample_of(replace(settings, dataset=gone), tmp_path)
    assert found.images.shape == (32, 32, 32, 3) and "painted leaves" in found.name


def test_no_code_is_run_to_have_them(settings: Settings, tmp_path: Path) -> None:
    trap = f"import os; os.mkdir({str(tmp_path / 'executed')!r})"
    call = {"_target_": "builtins.exec", "_args_": [trap]}
    for dataset in (
        {**settings.dataset, **call},
        {**settings.dataset, "more": call},
        {**settings.dataset, **call, "_target_": "leanet.data.synthetic.SyntheticLeaves"},
    ):
        sample_of(replace(settings, dataset=dataset), tmp_path)
    assert not (tmp_path / "executed").exists()
