"""What a fold's maps by features are made of, that they are kept, and that they find something."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from leanet.config.effective import settings_of
from leanet.config.map_settings import MapSettings
from leanet.data.images import NEGATIVE, ImageSet
from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.experiment.maps import maps_of
from leanet.experiment.split import split_of, tensors_of
from leanet.maps.features import recipe as module
from leanet.maps.features.extractor import Extractor
from leanet.maps.features.feature_maps import FeatureMaps
from leanet.maps.features.layers import Layers, extracted
from leanet.maps.features.recipe import extractor_of, fit_features, load_feature_maps, maps_of_layers
from leanet.runs.run import Run
from leanet.storage.run_files import FEATURE_WEIGHTS

Configure = Callable[..., dict[str, Any]]
RANDOM = ("map.pretrained=false",)
KINDS = ("padim", "patchcore")
CPU = torch.device("cpu")

# Given configurations, what another process makes of each.
OTHER = """
import json, sys
from pathlib import Path
import numpy as np
from leanet.data.synthetic import SyntheticLeaves
from leanet.experiment.maps import maps_of
from leanet.runs.run import Run
from leanet.config.effective import settings_of

images = SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path())
for number, config in enumerate(json.loads(sys.argv[1])):
    run = Run(settings_of(config), images.index.fingerprint, 1)
    maps = maps_of(run, images, np.flatnonzero(images.labels == 0)[:12])
    np.save(f"{number}.npy", maps.numpy())
"""


@pytest.fixture(scope="module")
def leaves() -> ImageSet:
    return SyntheticLeaves(image_size=32, negatives=24, positives=12).load(Path())


def run_of(configure: Configure, home: Path, images: ImageSet, *words: str) -> Run:
    return Run(settings_of(configure(home, *RANDOM, *words)), images.index.fingerprint, 1)


def fitted(normals: np.ndarray, settings: MapSettings) -> FeatureMaps:
    extractor = extractor_of(settings, normals.shape[-1])
    return fit_features(extractor, extracted(extractor, torch.from_numpy(normals), CPU), settings)


def feature_maps(maker: FeatureMaps, images: torch.Tensor) -> torch.Tensor:
    layers = extracted(maker.extractor, images, CPU)
    return torch.cat([*maps_of_layers(maker, layers, images.shape[-1])])


@pytest.mark.parametrize("cross_fit", [None, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_neither_test_images_nor_positives_are_modelled(
    kind: str, cross_fit: int | None, configure: Configure, leaves: ImageSet, tmp_path: Path, monkeypatch: Any
) -> None:
    given: list[list[bytes]] = []

    def fit(extractor: Extractor, normals: Iterable[list[torch.Tensor]], settings: MapSettings) -> Any:
        batches = list(normals)
        given.append([row.numpy().tobytes() for batch in batches for row in batch[0]])
        return fit_features(extractor, iter(batches), settings)

    monkeypatch.setattr(module, "fit_features", fit)
    words = [f"map={kind}", "validation=0.25", *([f"map.cross_fit={cross_fit}"] if cross_fit else [])]
    run = run_of(configure, tmp_path, leaves, *words)
    fold_of = np.where(np.arange(len(leaves.labels)) % 2 == 0, 1, 2)
    rows = split_of(run, leaves, fold_of)
    maps = tensors_of(run, leaves, rows, say=lambda text: None)["maps"]
    assert maps.shape == (36, 1, 32, 32) and maps.dtype == torch.float16

    pixels = [image.tobytes() for image in leaves.images]
    allowed = {pixels[row] for row in rows.all_train if leaves.labels[row] == NEGATIVE}
    seen = [{_image_with(features, run, pixels) for features in part} for part in given]
    assert set.union(*seen) == allowed  # all of them, and nothing else
    assert not allowed & {pixels[row] for part in (rows.test, rows.validation) for row in part}
    if cross_fit:  # no image's map is by features of its own
        parts = [allowed - of_part for of_part in seen]
        assert set.union(*parts) == allowed and not set.intersection(*parts)
        for part, place in zip(parts, run.maker_folders, strict=True):
            network = load_feature_maps(place, run.settings.map, 32)
            assert network is not None
            mine = [row for row, image in enumerate(pixels) if image in part]
            assert torch.equal(feature_maps(network, torch.from_numpy(leaves.images))[mine], maps[mine])


def _image_with(features: bytes, run: Run, pixels: list[bytes]) -> bytes:
    """The image whose features in the first layer these are."""
    kept = np.load(run.layers_folder / "layers.npy")
    (row,) = [row for row, values in enumerate(kept) if values.tobytes().startswith(features)]
    return pixels[row]


def test_layers_are_computed_once_for_both_kinds_and_all_folds(
    configure: Configure, leaves: ImageSet, tmp_path: Path
) -> None:
    """And are timm's, as they are without being kept."""
    made = []
    for kind, fold, *few in (("padim", 1, "map.channels=20"), ("patchcore", 1), ("padim", 2, "map.channels=20")):
        settings = settings_of(configure(tmp_path, *RANDOM, f"map={kind}", "map.layers=[1,2]", *few))
        run = Run(settings, leaves.index.fingerprint, fold)
        maps_of(run, leaves, np.arange(fold, 12 + fold), say=lambda text: None)
        made.append((run.layers_folder / "layers.npy").stat().st_mtime_ns)
    assert len(set(made)) == 1 and len([*tmp_path.glob("features/*")]) == 1
    extractor = extractor_of(settings.map, 32)
    kept = Layers(torch.from_numpy(np.load(run.layers_folder / "layers.npy")), [(24, 8, 8), (40, 4, 4)])
    (found,), rows = kept.batches(np.array([3, 1]), CPU), [3, 1]
    for layer, meant in zip(found, extractor(torch.from_numpy(leaves.images[rows]) / 255), strict=True):
        torch.testing.assert_close(layer, meant, rtol=1e-3, atol=1e-4)


def test_another_process_gets_the_same(configure: Configure, python: Any, leaves: ImageSet, tmp_path: Path) -> None:
    """What is kept, without modelling anything; and where nothing is kept, the same numbers."""
    here, there = tmp_path / "here", tmp_path / "there"
    runs = [run_of(configure, here, leaves, f"map={kind}") for kind in KINDS]
    normals = np.flatnonzero(leaves.labels == NEGATIVE)[:12]
    made = [maps_of(run, leaves, normals, say=lambda text: None).numpy() for run in runs]
    given = json.dumps([configure(home, *RANDOM, f"map={kind}") for home in (here, there) for kind in KINDS])
    done = python("-c", OTHER, given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[1].split(",")[0] for line in done.stdout.splitlines()] == [" padim", " patchcore"]  # once
    for number, maps in enumerate([*made, *made]):
        assert np.array_equal(np.load(tmp_path / f"{number}.npy"), maps)
    for run, kind in zip(runs, KINDS, strict=True):
        kept = {FEATURE_WEIGHTS, f"maps-{kind}.npy", f"maps-{kind}.seconds.json"}
        assert {file.name for file in run.maps_folder.iterdir()} == kept


@pytest.mark.parametrize("kind", KINDS)
def test_painted_anomalies_stand_out_even_to_random_features(kind: str, configure: Configure, tmp_path: Path) -> None:
    leaves = SyntheticLeaves(image_size=128, negatives=24, positives=2).load(Path())
    settings = run_of(configure, tmp_path, leaves, f"map={kind}", "map.network=resnet18").settings.map
    normals = leaves.images[leaves.labels == NEGATIVE]
    network = fitted(normals[:12], settings)
    painted = normals[12:].copy()
    painted[:, :, 40:56, 72:88] = np.array([255, 0, 255], np.uint8)[:, None, None]
    clean, odd = (feature_maps(network, torch.from_numpy(images)).float() for images in (normals[12:], painted))
    most = torch.cat([clean, odd]).flatten(1).amax(dim=1)
    assert roc_auc_score(np.repeat([0, 1], 12), most.numpy()) > 0.9
    risen = (odd - clean).mean(dim=0)[0]
    assert risen[40:56, 72:88].mean() > 2 * risen.mean()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_learnt_is_kept(kind: str, configure: Configure, leaves: ImageSet, tmp_path: Path) -> None:
    run = run_of(configure, tmp_path, leaves, f"map={kind}")
    normals = np.flatnonzero(leaves.labels == NEGATIVE)[:12]
    maps = maps_of(run, leaves, normals, say=lambda text: None)
    network = load_feature_maps(run.maps_folder, run.settings.map, 32)
    assert network is not None
    assert torch.equal(feature_maps(network, torch.from_numpy(leaves.images)), maps)
    assert load_feature_maps(tmp_path, run.settings.map, 32) is None


def test_a_file_of_other_maps_is_refused(configure: Configure, leaves: ImageSet, tmp_path: Path) -> None:
    run = run_of(configure, tmp_path, leaves, "map=padim")
    maps_of(run, leaves, np.arange(4), say=lambda text: None)
    for words in (["map=patchcore"], ["map=padim", "map.network=resnet34"]):
        other = run_of(configure, tmp_path, leaves, *words).settings.map
        with pytest.raises(LeanetError, match=r"features\.pt: (of other maps than patchcore|weights of another)"):
            load_feature_maps(run.maps_folder, other, 32)


def test_the_seed_of_the_maps_is_theirs_alone(configure: Configure, leaves: ImageSet, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = []
    for words in ([], ["map.seed=1"], ["seed=9"]):
        settings = run_of(configure, tmp_path, leaves, "map=padim", *words).settings.map
        found.append(feature_maps(fitted(leaves.images[:4], settings), torch.from_numpy(leaves.images[-4:])))
    assert torch.equal(torch.rand(3), expected)  # nobody else's draws were changed
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
