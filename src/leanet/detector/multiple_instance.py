"""Fit an ADN without epochs to tiles, where only whole images have labels (multiple-instance learning).

MI-SVM (Andrews, Tsochantaridis & Hofmann 2003, NIPS, *Support Vector Machines for Multiple-Instance Learning*) with a
logistic regression: all tiles of normal images are normal, and an anomalous image is represented by its most anomalous
tiles. These are found by fitting and choosing in turn, at most five times; an image's tiles are chosen by an ADN that
was fitted without this image. benchmarks/tiles.py compares it with other ways.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from leanet.detector.lea_net import evidence
from leanet.detector.regression import LogisticRegression
from leanet.detector.tile_pooling import TilePooling

MOST_ROUNDS = 5
PARTS = 5  # of the anomalous images, each judged by an ADN that was fitted to the others
POOLING_PARTS = 3  # of the images, whose logits a learned pooling is fitted to; each takes as long as the fit itself


@runtime_checkable
class FitsFeatures(Protocol):
    """An ADN that is a function of features, and is fitted to them in one step."""

    def features(self, seen: Tensor) -> Tensor:
        """The features (B, F) of inputs (B, C, S, S)."""

    def fit_features(self, features: Tensor, labels: Tensor) -> None:
        """Fit to features (N, F) and labels (N,), 0 normal and 1 anomalous."""

    def classified(self, features: Tensor) -> Tensor:
        """The logits (B, 2) of normal and anomalous for features (B, F)."""


@torch.no_grad()
def fit_to_tiles(adn: FitsFeatures, pooling: TilePooling, features: Tensor, labels: Tensor) -> None:
    """Fit the ADN to tiles, and a learned pooling to its predictions of images that it has not seen.

    Args:
        adn: is fitted.
        pooling: says how many tiles represent an anomalous image; a learned one is fitted.
        features: (N, T, F) of the tiles of N training images.
        labels: (N,) of the images, 0 normal and 1 anomalous.
    """
    if pooling.kind == "learned":
        _fit_pooling(adn, pooling, features, labels)
    _fit(adn, pooling, features, labels)


def _fit(adn: FitsFeatures, pooling: TilePooling, features: Tensor, labels: Tensor) -> None:
    normal, anomalous = features[labels == 0].flatten(0, 1), features[labels == 1]
    count = min(pooling.count if pooling.kind == "top" else 1, anomalous.shape[1])  # `learned` fits tiles as `max` does
    chosen, before = anomalous, torch.empty(0)
    for _ in range(MOST_ROUNDS):
        places = _judged_unseen(adn, normal, anomalous, chosen).topk(count).indices.sort().values
        if torch.equal(places, before):
            break
        chosen, before = anomalous.gather(1, places[:, :, None].expand(-1, -1, anomalous.shape[2])), places
    _fit_tiles(adn, normal, chosen)


def _judged_unseen(adn: FitsFeatures, normal: Tensor, anomalous: Tensor, chosen: Tensor) -> Tensor:
    """The logits (P, T) of the tiles of anomalous images, by an ADN fitted without these images.

    An ADN that has seen a tile as anomalous would choose it again.
    """
    logits = torch.empty(anomalous.shape[:2])
    part_of = torch.arange(len(anomalous)) % PARTS
    for part in range(min(PARTS, len(anomalous))):
        left_out = part_of == part
        _fit_tiles(adn, normal, chosen[~left_out] if len(anomalous) > 1 else chosen)
        logits[left_out] = _logits(adn, anomalous[left_out])
    return logits


def _fit_tiles(adn: FitsFeatures, normal: Tensor, anomalous: Tensor) -> None:
    """Fit to normal tiles (n, F), and to some tiles (P, k, F) of anomalous images."""
    tiles = anomalous.flatten(0, 1)
    truth = torch.cat([torch.zeros(len(normal)), torch.ones(len(tiles))]).long()
    adn.fit_features(torch.cat([normal, tiles]), truth)


def _fit_pooling(adn: FitsFeatures, pooling: TilePooling, features: Tensor, labels: Tensor) -> None:
    """Fit the weights by logistic regression, to the largest logits of images that the ADN was not fitted to."""
    from sklearn.model_selection import StratifiedKFold  # here, since its import takes a second

    top = torch.empty(len(features), pooling.count, dtype=torch.float64)
    parts = min(POOLING_PARTS, int(torch.bincount(labels, minlength=2).min()))
    if parts < 2:  # one anomalous image: equal weights
        return
    for seen, unseen in StratifiedKFold(parts, shuffle=True, random_state=0).split(labels, labels):
        _fit(adn, pooling, features[seen], labels[seen])
        top[unseen] = _logits(adn, features[unseen]).topk(pooling.count).values.double()
    regression = LogisticRegression(pooling.count, balanced=True)
    regression.fit(top, labels)
    weights, bias = regression.slopes()
    pooling.weights.copy_(weights)
    pooling.bias.copy_(bias)


def _logits(adn: FitsFeatures, features: Tensor) -> Tensor:
    """The logits of anomalous, (N, T), for features (N, T, F)."""
    return evidence(adn.classified(features.flatten(0, 1))).reshape(features.shape[:2])
