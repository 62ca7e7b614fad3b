import hashlib

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab
from sklearn.metrics import roc_auc_score

from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError

POSITIVES = range(2, 42, 2)


def leaves(**settings):
    return SyntheticLeaves(**{"negatives": 5, "positives": 3, "image_size": 32} | settings)


def by_name(dataset, tmp_path):
    loaded = dataset.load(tmp_path)
    return dict(zip(loaded.index.names, loaded.images, strict=True))


def bytes_of(rgb):
    return np.rint(rgb * 255).astype(np.uint8)


def lab_of(rgb):
    return rgb2lab(bytes_of(rgb).transpose(1, 2, 0))


@pytest.fixture(scope="module")
def pairs():
    """(L*a*b* painted normal, L*a*b* painted anomalous, mask) of some positives at 64 pixels."""
    dataset = leaves(image_size=64)
    painted = [(dataset.paint(n, False)[0], *dataset.paint(n, True)) for n in POSITIVES]
    return [(lab_of(normal), lab_of(anomalous), mask) for normal, anomalous, mask in painted]


def test_load_follows_index_and_writes_nothing(tmp_path):
    dataset = leaves()
    index, loaded = dataset.index(), dataset.load(tmp_path)
    assert loaded.index.names == index.names
    assert loaded.index.sha256 == index.sha256 == loaded.pixels
    assert loaded.images.shape == (8, 3, 32, 32)
    assert loaded.images.dtype == np.uint8
    assert np.bincount(loaded.labels).tolist() == [5, 3]
    assert len(set(index.names)) == len(set(index.sha256)) == 8
    assert not list(tmp_path.iterdir())


def test_labels_belong_to_the_painted_images(tmp_path):
    dataset = leaves(difficulty=0.0)
    loaded = dataset.load(tmp_path)
    for name, label, image in zip(loaded.index.names, loaded.labels, loaded.images, strict=True):
        rgb, mask = dataset.paint(int(name[5:9]), bool(label))
        np.testing.assert_array_equal(image, bytes_of(rgb))
        assert mask.any() == bool(label)


def test_same_settings_give_the_same_pixels(tmp_path):
    np.testing.assert_array_equal(leaves().load(tmp_path).images, leaves().load(tmp_path).images)


def test_an_image_does_not_depend_on_the_counts(tmp_path):
    few, many = by_name(leaves(), tmp_path), by_name(leaves(negatives=9, positives=7), tmp_path)
    assert set(few) < set(many)
    for name, image in few.items():
        np.testing.assert_array_equal(image, many[name])
    assert set(leaves().index().sha256) < set(leaves(negatives=9, positives=7).index().sha256)


@pytest.mark.parametrize("change", [{"data_seed": 1}, {"difficulty": 0.6}, {"image_size": 48}])
def test_every_setting_that_changes_pixels_changes_every_hash(change):
    assert not set(leaves().index().sha256) & set(leaves(**change).index().sha256)


def test_hashes_are_those_of_every_machine():
    recipe = hashlib.sha256(b"[1, 32, 0.0, 0, 1, 0]").hexdigest()
    assert recipe in leaves(difficulty=0).index().sha256
    assert recipe in leaves(difficulty=0.0).index().sha256


def test_the_name_of_the_dataset_is_no_part_of_it():
    assert leaves(name="other").index().fingerprint == leaves().index().fingerprint


def test_anomalies_change_colour_and_not_lightness(pairs):
    for normal, anomalous, mask in pairs:
        assert mask.sum() >= 12
        np.testing.assert_array_equal(anomalous[~mask], normal[~mask])
        change = np.abs(anomalous - normal)[mask]
        assert change[:, 0].mean() < 0.5
        assert np.hypot(change[:, 1], change[:, 2]).mean() > 5


def test_anomalies_are_small_and_large(pairs):
    areas = [mask.mean() for _, _, mask in pairs]
    assert min(areas) < 0.04
    assert max(areas) > 0.08


def test_difficulty_makes_anomalies_fainter_and_smaller():
    strength, area = [], []
    for difficulty in (0.0, 0.25, 0.5, 0.75, 1.0):
        dataset = leaves(image_size=64, difficulty=difficulty)
        painted = [(lab_of(dataset.paint(n, False)[0]), *dataset.paint(n, True)) for n in POSITIVES]
        strength.append(np.mean([deltaE_ciede2000(lab_of(rgb), plain)[mask].mean() for plain, rgb, mask in painted]))
        area.append(np.mean([mask.mean() for _, _, mask in painted]))
    assert (np.diff(strength) < 0).all()
    assert (np.diff(area) < 0).all()
    assert strength[-1] > 2


def test_lightness_does_not_tell_the_classes_apart(tmp_path):
    loaded = leaves(negatives=100, positives=100).load(tmp_path)
    lightness = np.stack([rgb2lab(image.transpose(1, 2, 0))[..., 0] for image in loaded.images])
    for statistic in (lightness.mean((1, 2)), lightness.std((1, 2)), lightness.min((1, 2))):
        assert 0.35 < roc_auc_score(loaded.labels, statistic) < 0.65


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("difficulty", 2), ("difficulty", -0.1), ("difficulty", float("nan")), ("difficulty", "hard"),
        ("negatives", 0), ("positives", 0), ("positives", 2.5),
        ("image_size", 31), ("data_seed", -1), ("data_seed", True),
    ],
)  # fmt: skip
def test_bad_settings_are_named_in_one_line(setting, value):
    with pytest.raises(LeanetError, match=rf"^dataset\.{setting}={value}: [^\n]+$"):
        leaves(**{setting: value})
