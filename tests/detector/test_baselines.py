import kornia
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from leanet.detector.adn import basic_cnn
from leanet.detector.baselines import FitsItself, LabStatistics, MapStatistic, lab_statistics, map_score
from leanet.errors import LeanetError

LABELS = torch.tensor([0, 0, 1, 0, 1, 0, 1, 0, 0, 1])


def images(count: int = 10, seed: int = 0) -> Tensor:
    """Noise around a colour of each image's own."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.rand(count, 3, 1, 1, generator=generator)
    return (base + 0.1 * torch.randn(count, 3, 16, 24, generator=generator)).clamp(0, 1)


def test_mean_and_deviation_of_lab() -> None:
    lab = kornia.color.rgb_to_lab(images().double()).numpy()
    expected = np.concatenate([lab.mean(axis=(2, 3)), lab.std(axis=(2, 3))], axis=1)
    np.testing.assert_allclose(LabStatistics()(images()).numpy(), expected, atol=0.05)


@pytest.mark.parametrize("side", [16, 37])
def test_figures_of_a_map(side: int) -> None:
    maps = torch.rand(4, 1, side, side, generator=torch.Generator().manual_seed(0)) ** 3
    flat = maps.double().flatten(1).numpy()
    quantile = np.quantile(flat, 0.99, axis=1, method="inverted_cdf")
    for statistic, expected in {"mean": flat.mean(1), "max": flat.max(1), "q99": quantile}.items():
        np.testing.assert_allclose(MapStatistic(statistic)(maps)[:, 0], expected, rtol=1e-5)


def test_what_is_fitted_to_the_images_is_scikit_learns() -> None:
    adn, asked = lab_statistics(channels=3, image_size=16), images(40, seed=1)
    adn.fit(iter(images().split(4)), LABELS)
    figures = LabStatistics()
    theirs = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8)).fit(figures(images()), LABELS)
    found = torch.sigmoid(adn(asked)[:, 1]).detach()
    np.testing.assert_allclose(found, theirs.predict_proba(figures(asked))[:, 1], atol=1e-3)
    assert found.std() > 0.1


def test_networks_do_not_fit_themselves() -> None:
    assert isinstance(map_score(1, 32), FitsItself) and not isinstance(basic_cnn(3, 32), FitsItself)


def test_mistakes_are_told() -> None:
    with pytest.raises(LeanetError, match=r"^adn\.statistic=median: must be mean, max or q99$"):
        map_score(1, 32, statistic="median")
    with pytest.raises(LeanetError, match=r"^map_score is of anomaly maps: adn\.fitted_to=map$"):
        map_score(3, 32)
    with pytest.raises(LeanetError, match=r"^lab_statistics is of images: adn\.fitted_to=rgb$"):
        lab_statistics(1, 32)
