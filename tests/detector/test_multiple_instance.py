"""Fits where only images have labels, on tiles whose true labels are known."""

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from leanet.detector.baselines import Baseline, LabStatistics
from leanet.detector.multiple_instance import FitsFeatures, fit_to_tiles
from leanet.detector.regression import LogisticRegression
from leanet.detector.tile_pooling import TilePooling

TILES, FEATURES = 20, 12


def bags(images: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, T, F) of tiles and labels (N,) of images; one tile of each anomalous image is moved, which (N,)."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(images, TILES, FEATURES, generator=generator)
    labels = torch.arange(images) % 2
    where = torch.randint(0, TILES, (images,), generator=generator)
    features[labels == 1, where[labels == 1], 0] += 6
    return features, labels, where


def adn() -> Baseline:
    return Baseline(nn.Flatten(), LogisticRegression(FEATURES, strength=0.1, balanced=True))


def logits_of(fitted: Baseline, features: Tensor) -> Tensor:
    return fitted.classified(features.flatten(0, 1)).reshape(len(features), TILES, 2)


def test_the_anomalous_tile_of_an_image_is_found_from_labels_of_images() -> None:
    fitted, pooling = adn(), TilePooling("max", 1)
    fit_to_tiles(fitted, pooling, *bags(60, seed=0)[:2])
    features, labels, where = bags(40, seed=1)
    logits = logits_of(fitted, features)
    assert (pooling.leading(logits)[labels == 1, 0] == where[labels == 1]).float().mean() > 0.9
    pooled = pooling(logits).detach()
    assert roc_auc_score(labels, pooled[:, 1] - pooled[:, 0]) > 0.95


def test_it_beats_tiles_that_inherit_the_label_of_their_image() -> None:
    features, labels, _ = bags(60, seed=0)
    inherited, chosen, pooling = adn(), adn(), TilePooling("max", 1)
    inherited.fit_features(features.flatten(0, 1), labels.repeat_interleave(TILES))
    fit_to_tiles(chosen, pooling, features, labels)
    unseen, truth, _ = bags(40, seed=1)

    def loss(fitted: Baseline) -> float:
        return float(nn.functional.cross_entropy(pooling(logits_of(fitted, unseen)), truth).detach())

    assert loss(chosen) < loss(inherited) / 2


def test_a_learned_pooling_is_fitted_to_images_that_the_tile_classifier_has_not_seen() -> None:
    """With labels at random, logits of seen images are far apart and those of unseen ones are not."""
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(30, TILES, 200, generator=generator), torch.arange(30) % 2
    pooling = TilePooling("learned", 3)
    fitted = Baseline(nn.Flatten(), LogisticRegression(200, balanced=True))
    fit_to_tiles(fitted, pooling, features, labels)
    logits = fitted.classified(features.flatten(0, 1)).reshape(30, TILES, 2)
    spread, of_tiles = (float((judge(logits).diff(dim=1) / 2).std()) for judge in (pooling, TilePooling("max", 1)))
    assert spread < 0.7 * of_tiles  # weights from seen images would make it larger


def test_one_anomalous_image_is_enough() -> None:
    features, labels, _ = bags(6, seed=0)
    labels[1:] = 0
    labels[1] = 1
    pooling = TilePooling("learned", 2)
    fit_to_tiles(adn(), pooling, features, labels)
    assert pooling.weights.tolist() == [0.5, 0.5]


def test_baselines_can_be_fitted_to_tiles() -> None:
    assert isinstance(Baseline(LabStatistics(), LogisticRegression(6)), FitsFeatures)
