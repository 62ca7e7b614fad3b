"""Distances from the training images against other implementations, and what is counted."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from leanet.errors import LeanetError
from leanet.model.reference import LEAST, FarImages, Reference, fit_reference, read_reference

RANDOM = np.random.default_rng(0)
LABELS = (np.arange(400) % 4 == 0).astype(np.int64)


def drawn(labels: np.ndarray) -> np.ndarray:
    """Correlated features (N, 12) of two classes, on unlike scales."""
    mixing = np.random.default_rng(1).normal(size=(12, 12))
    scales = 10.0 ** np.arange(-3, 9)
    return (RANDOM.normal(size=(len(labels), 12)) @ mixing + 5 * labels[:, None]) * scales


@pytest.fixture(scope="module")
def reference() -> Reference:
    found = fit_reference(drawn(LABELS), LABELS)
    assert found is not None
    return found


def test_distance_is_mahalanobis_to_the_nearer_class(reference: Reference) -> None:
    features = drawn(LABELS[:5])
    features[0, 3] += 1e9 * reference.deviation[3]  # counts as five SDs
    standardised = ((features - reference.mean) / reference.deviation).clip(-5, 5)
    each = [[mahalanobis(row, mean, reference.precision) for mean in reference.classes] for row in standardised]
    np.testing.assert_allclose(reference.distances_of(features), np.min(each, axis=1) / np.sqrt(12))


def test_new_images_of_the_same_kind_have_the_quantiles_of_the_training_images(reference: Reference) -> None:
    quantiles = reference.quantiles_of(reference.distances_of(drawn(np.repeat(LABELS, 10))))
    for level in (0.5, 0.95, 0.99):
        assert (quantiles > level).mean() == pytest.approx(1 - level, abs=0.06 if level == 0.5 else 0.02)
    assert reference.distances.min() > 0
    assert reference.quantiles_of(np.array([0.0, np.inf])).tolist() == [0, 1]


def test_the_chance_is_that_of_drawing_training_and_new_images_alike() -> None:
    reference = Reference(*[np.zeros(1)] * 2, np.zeros((1, 1)), np.ones((1, 1)), np.arange(100.0))
    drawn = RANDOM.random((20_000, 100 + 40))
    limits = np.sort(drawn[:, :100], axis=1)[:, -5]  # the fifth farthest of a hundred
    far = (drawn[:, 100:] > limits[:, None]).sum(axis=1)
    assert reference.rank == 5 and reference.limit == 95
    for count in (1, 3, 6):
        assert reference.chance(count, 40) == pytest.approx((far >= count).mean(), abs=0.01)


def test_a_few_far_images_of_many_are_no_drift(reference: Reference) -> None:
    for far, is_chance in ((3, True), (20, False)):
        counted = FarImages(reference)
        for place in range(40):
            counted.add(1e9 if place < far else 0.5)
        assert counted.facts is not None and counted.facts["far"] == far
        assert (counted.facts["chance"] > 0.01) == is_chance
        assert counted.facts["expected"] == pytest.approx(2, abs=0.1)
    assert FarImages(reference).add(None) == ("", "")


def test_a_constant_feature_and_few_images() -> None:
    features = drawn(LABELS)
    features[:, 3] = 7
    found = fit_reference(features, LABELS)
    assert found is not None and np.isfinite(found.distances).all()
    one = np.zeros(LEAST, dtype=np.int64)
    one[0] = 1  # the only one of its class
    assert fit_reference(features[:LEAST], one) is not None
    assert fit_reference(features[: LEAST - 1], one[1:]) is None


def test_it_is_kept_and_a_damaged_file_is_told(reference: Reference, tmp_path: Path) -> None:
    assert read_reference(tmp_path) is None
    reference.write(tmp_path)
    found = read_reference(tmp_path)
    assert found is not None and found.digest == reference.digest
    file = tmp_path / "reference.npz"
    whole = dict(np.load(file))
    for wrong in (
        {name: values for name, values in whole.items() if name != "mean"},
        {**whole, "precision": np.eye(3)},
        {**whole, "distances": np.array([])},
        {**whole, "mean": np.array([print], dtype=object)},
    ):
        np.savez(file, **wrong)
        with pytest.raises(LeanetError, match=r"reference\.npz: damaged"):
            read_reference(tmp_path)
    file.write_bytes(b"PK")
    with pytest.raises(LeanetError, match="damaged"):
        read_reference(tmp_path)
