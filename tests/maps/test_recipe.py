"""With cross-fitting, no training image's map is made by a map maker that has seen the image."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leanet.config.effective import settings_of
from leanet.data.images import NEGATIVE, ImageSet
from leanet.data.synthetic import SyntheticLeaves
from leanet.experiment.maps import maps_of
from leanet.experiment.split import split_of, tensors_of
from leanet.maps import color_maps as color
from leanet.maps.color_maps import ColorMaps, color_maps
from leanet.maps.load import load_maker
from leanet.runs.run import Run
from leanet.training.batches import SelectedRows

PARTS = 3


class Spy(nn.Module):
    """In place of a colorizer: remembers the images that it was trained on, by their pixels."""

    def __init__(self, number: int, seen: set[bytes]) -> None:
        super().__init__()
        self.number = number
        self.seen = seen


@pytest.fixture
def spies(monkeypatch: pytest.MonkeyPatch) -> list[Spy]:
    """Those that were trained. Their maps are 100 for what they have seen, and else their number, 1, 2 or 3."""
    trained: list[Spy] = []

    def train(normals: SelectedRows, *rest: object) -> Spy:
        trained.append(Spy(len(trained) + 1, {image.numpy().tobytes() for image in normals[:]}))
        return trained[-1]

    def maps(maker: ColorMaps, images: torch.Tensor) -> Iterator[torch.Tensor]:
        spy: Any = maker.colorizer
        values = [100 if image.numpy().tobytes() in spy.seen else spy.number for image in images]
        yield torch.tensor(values).half()[:, None, None, None].expand(-1, 1, *images.shape[2:]).clone()

    monkeypatch.setattr(color, "train_colorizer", train)
    monkeypatch.setattr(color, "color_maps", maps)
    return trained


def with_twins(images: ImageSet) -> ImageSet:
    """Of equal pixels: two training normals, and a positive that looks like a training normal."""
    pixels, digests = images.images.copy(), list(images.pixels)
    positive = int(np.flatnonzero(images.labels != NEGATIVE)[0])
    for copy, original in ((1, 0), (positive, 2)):
        pixels[copy], digests[copy] = pixels[original], digests[original]
    return replace(images, images=pixels, pixels=tuple(digests))


def test_no_image_is_mapped_by_a_colorizer_that_saw_it(spies: list[Spy], configure: Any, tmp_path: Path) -> None:
    images = with_twins(SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path()))
    run = Run(settings_of(configure(tmp_path, f"map.cross_fit={PARTS}", "validation=0.2")), images.index.fingerprint, 1)
    fold_of = np.where(np.arange(len(images.labels)) % 3 == 0, 1, 2)
    fold_of[images.labels != NEGATIVE] = 2
    fold_of[:3] = 2
    rows = split_of(run, images, fold_of)
    found = tensors_of(run, images, rows)["maps"][:, 0, 0, 0]

    assert len(spies) == PARTS and not (found >= 100 / PARTS).any()  # one that saw it would have shown, in a mean too
    known = [image.tobytes() for image in images.images]
    normals = [row for row in rows.all_train if images.labels[row] == NEGATIVE]
    for row in normals:
        left_out = [spy.number for spy in spies if known[row] not in spy.seen]
        assert [float(found[row])] == left_out  # by one, which is the one that did not see it
    sizes = Counter(float(found[row]) for row in normals)
    assert len(sizes) == PARTS and max(sizes.values()) - min(sizes.values()) <= 2  # a pair of twins stays together

    every = set.union(*(spy.seen for spy in spies))
    assert every == {known[row] for row in normals}  # nothing else trains a colorizer
    others = [row for row in range(len(known)) if known[row] not in every]
    assert {*rows.test, *rows.validation} <= {*others}
    assert all(float(found[row]) == (1 + 2 + 3) / 3 for row in others)


def test_the_maps_are_those_of_the_colorizers_that_are_kept(configure: Any, tmp_path: Path) -> None:
    images = SyntheticLeaves(image_size=32, negatives=12, positives=4).load(Path())
    run = Run(settings_of(configure(tmp_path, "map.cross_fit=2", "colorizer.max_epochs=1")), "", 1)
    normals = np.flatnonzero(images.labels == NEGATIVE)[:8]
    maps = maps_of(run, images, normals).float()
    kept = [load_maker(folder, run.settings) for folder in run.maker_folders]
    pixels = torch.from_numpy(images.images)
    first, second = (torch.cat([*color_maps(one, pixels)]).float() for one in kept if isinstance(one, ColorMaps))
    own = torch.zeros(len(maps), dtype=torch.bool)
    own[normals] = True
    torch.testing.assert_close(maps[~own], (first[~own] + second[~own]) / 2, rtol=1e-3, atol=1e-3)
    by_first = (maps[own] == first[own]).flatten(1).all(1)
    assert by_first.sum() == 4 and torch.equal(maps[own][~by_first], second[own][~by_first])
    stamp = run.maps_file.stat().st_mtime_ns
    assert torch.equal(maps_of(run, images, normals).float(), maps) and run.maps_file.stat().st_mtime_ns == stamp


# Makes the maps, and dies by SIGKILL as soon as so many epochs of colorizers were trained; -1 never.
MAKE = """
import json, os, signal, sys
from pathlib import Path
import lightning, numpy as np, torch
from leanet.colorizer.task import ColorizerTask
from leanet.data.synthetic import SyntheticLeaves
from leanet.experiment.maps import maps_of
from leanet.runs.run import Run
from leanet.config.effective import settings_of

left = int(sys.argv[1])
torch.set_num_threads(1)

def on_train_epoch_start(self):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1

ColorizerTask.on_train_epoch_start = on_train_epoch_start
images = SyntheticLeaves(image_size=32, negatives=12, positives=4).load(Path())
run = Run(settings_of(json.load(sys.stdin)), "", 1)
maps_of(run, images, np.flatnonzero(images.labels == 0)[:8])
print(left)
"""


def make(config: dict[str, Any], epochs: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE, str(epochs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(config))
    process.stdin.close()
    return process


def kept(home: Path) -> dict[str, bytes]:
    files = [file for file in home.glob("colorizers/*/*") if file.suffix in (".npy", ".pt", ".ckpt")]
    weights = {file: torch.load(file, weights_only=True) for file in files if file.suffix == ".pt"}
    return {
        str(file.relative_to(home)): b"".join(value.numpy().tobytes() for value in weights[file].values())
        if file in weights
        else file.read_bytes()
        for file in files
    }


@pytest.mark.slow
def test_a_killed_process_goes_on_and_others_share(configure: Any, tmp_path: Path) -> None:
    """Two colorizers of three epochs each: killed after two of the first, then after one of the second."""
    configs = [configure(tmp_path / name, "map.cross_fit=2", "colorizer=autoencoder") for name in ("whole", "parts")]
    undisturbed = make(configs[0], -1)
    for epochs in (2, 2):
        killed = make(configs[1], epochs)
        assert killed.wait() == -signal.SIGKILL
    both = [make(configs[1], 100), make(configs[1], 100)]
    assert undisturbed.wait() == 0 and [process.wait() for process in both] == [0, 0]
    trained = [100 - int(process.stdout.read().split()[-1]) for process in both if process.stdout]
    assert sorted(trained) == [0, 2]  # of 6 epochs
    found, expected = kept(tmp_path / "parts"), kept(tmp_path / "whole")
    assert found == expected and len(expected) == 3  # two colorizers, the joined maps, no checkpoint
