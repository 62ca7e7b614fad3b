"""A frozen network's features with a logistic regression, beside scikit-learn; and where its answer comes from."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import interpolate

from leanet.detector.caan import DirectAttention
from leanet.detector.frozen import Frozen, frozen
from leanet.detector.lea_net import LeaNet, evidence
from leanet.detector.regression import NOISE
from leanet.errors import LeanetError

IMAGES = torch.rand(24, 3, 64, 64, generator=torch.Generator().manual_seed(0))
MAPS = torch.rand(24, 1, 64, 64, generator=torch.Generator().manual_seed(1))
LABELS = (torch.arange(24) % 3 == 0).long()


@pytest.fixture(scope="module")
def adn() -> Frozen:
    torch.manual_seed(0)
    made = frozen("resnet18", 3, 64, stages=[2, 4, 5])
    made.fit([IMAGES[:10], IMAGES[10:]], LABELS)
    return made.train()  # which must not matter


def test_features_are_means_of_timm_s(adn: Frozen) -> None:
    theirs = timm.create_model("resnet18", features_only=True, out_indices=[1, 3, 4])
    theirs.load_state_dict(adn.backbone.state_dict(), strict=False)
    with torch.no_grad():
        meant = torch.cat([each.mean((2, 3)) for each in theirs.eval()(IMAGES)], dim=1)
        torch.testing.assert_close(adn.features(IMAGES), meant, rtol=1e-4, atol=1e-6)


def test_the_head_is_scikit_learn_s(adn: Frozen) -> None:
    features = adn.features(IMAGES).detach().numpy()
    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", tol=1e-9, max_iter=10_000)
    )
    known = features[:, features.std(0) > NOISE].astype(np.float64)  # others say nothing, and are not blown up
    with torch.no_grad():
        found = torch.sigmoid(evidence(adn(IMAGES)))
    meant = theirs.fit(known, LABELS.numpy()).predict_proba(known)[:, 1]
    np.testing.assert_allclose(found, meant, atol=1e-4)


def test_only_the_head_is_trainable_and_batch_norm_keeps_its_statistics(adn: Frozen) -> None:
    assert sum(parameter.numel() for parameter in adn.parameters() if parameter.requires_grad) == 64 + 256 + 512 + 1
    before = adn.backbone.get_submodule("bn1").running_mean.clone()
    adn.train()(IMAGES)
    assert torch.equal(adn.backbone.get_submodule("bn1").running_mean, before)


@torch.no_grad()
def test_the_evidence_map_adds_up_to_the_logit(adn: Frozen) -> None:
    found = adn.evidence_map(IMAGES)
    assert found.shape == (24, 1, 16, 16)  # of the first stage, S/4
    np.testing.assert_allclose(found.sum((1, 2, 3)), evidence(adn(IMAGES)), atol=1e-5)


@torch.no_grad()
def test_the_evidence_map_is_where_the_features_are(adn: Frozen) -> None:
    """A position of the deepest stage adds its own features, times the weights, over the number of positions."""
    weights, _ = adn.regression.slopes()
    maps = [each.double() for each in adn.network(adn.normalize(IMAGES[:1]))]
    of_stages = weights.split([64, 256, 512])
    parts = [torch.einsum("chw,c->hw", each[0], of) for each, of in zip(maps, of_stages, strict=True)]
    found = adn.evidence_map(IMAGES[:1])[0, 0]
    deep = found[:8, :8].sum() - found[8:, 8:].sum()
    meant = sum(
        (part[: n // 2, : n // 2].sum() - part[n // 2 :, n // 2 :].sum()) / n**2
        for part, n in ((part, part.shape[0]) for part in parts)
    )
    assert float(deep) == pytest.approx(float(meant), abs=1e-9)


def test_threads_see_their_own_features(adn: Frozen) -> None:
    alone = [adn.features(image[None]) for image in IMAGES]
    with ThreadPoolExecutor(4) as pool:
        for found, meant in zip(pool.map(lambda image: adn.features(image[None]), IMAGES), alone, strict=True):
            torch.testing.assert_close(found, meant, rtol=1e-4, atol=1e-6)


def test_stages_that_there_are_not() -> None:
    with pytest.raises(LeanetError, match=r"point=1: the network has no features of S/2"):
        frozen("convnext_atto", 3, 64, stages=[1, 2])


def with_maps(pooling: str = "mean", statistics: bool = False, attended: bool = True) -> LeaNet:
    """A fitted frozen ResNet18 that uses maps."""
    torch.manual_seed(0)
    adn = frozen("resnet18", 4, 64, stages=[2, 4, 5], pooling=pooling, map_statistics=statistics)
    sees = "rgb_map" if pooling == "map" or statistics else "rgb"
    network = LeaNet(adn, DirectAttention() if attended else None, 3, sees).eval()
    with torch.no_grad():
        adn.fit_features(network.attended(adn.features, IMAGES, MAPS), LABELS)
    return network


@torch.no_grad()
def test_attention_multiplies_the_features_before_the_rest_sees_them() -> None:
    """Eq. 3 at S/8 changes the features of S/8 and what is deeper, and nothing before."""
    network = with_maps()
    trunk = network.adn.backbone
    s4 = trunk.layer1(trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(IMAGES)))))
    s8 = trunk.layer2(s4) * (1 + torch.sigmoid(interpolate(MAPS, (8, 8), mode="bilinear", antialias=True)))
    s16 = trunk.layer3(s8)
    meant = torch.cat([each.mean((2, 3)) for each in (s4, s16, trunk.layer4(s16))], dim=1)
    torch.testing.assert_close(network.attended(network.adn.features, IMAGES, MAPS), meant, rtol=1e-4, atol=1e-5)

    torch.manual_seed(0)
    there = LeaNet(frozen("resnet18", 3, 64, stages=[3]), DirectAttention(), 3).eval()
    found = there.attended(there.adn.features, IMAGES, MAPS)
    torch.testing.assert_close(found, s8.mean((2, 3)), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_pooling_by_the_map() -> None:
    adn = with_maps("map", attended=False).adn
    plain = torch.cat([each.mean((2, 3)) for each in adn.network(IMAGES)], dim=1)
    for value in (0.0, 0.5):  # a map that is the same everywhere, blank or not, is no reason to prefer a place
        same = torch.full_like(MAPS, value)
        torch.testing.assert_close(adn.features(torch.cat([IMAGES, same], 1)), plain, rtol=1e-3, atol=1e-5)
    corner = torch.zeros_like(MAPS)
    corner[:, :, :32, :32] = 1  # of the deepest stage one position out of 2×2
    found = adn.features(torch.cat([IMAGES, corner], 1))[:, -512:]
    torch.testing.assert_close(found, adn.network(IMAGES)[-1][:, :, 0, 0], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_the_map_s_statistics_are_numpy_s() -> None:
    adn = with_maps(statistics=True, attended=False).adn
    values = MAPS.flatten(1).numpy()
    meant = [values.max(1), np.quantile(values, 0.99, axis=1, method="higher"), values.mean(1)]
    np.testing.assert_allclose(adn.features(torch.cat([IMAGES, MAPS], 1))[:, -3:], np.stack(meant, 1), rtol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("pooling", "statistics"), [("mean", False), ("map", True), ("mean", True)])
def test_the_evidence_adds_up_whatever_the_map_is_used_for(pooling: str, statistics: bool) -> None:
    network = with_maps(pooling, statistics)
    found = network.evidence_map(IMAGES, MAPS)
    assert found is not None
    np.testing.assert_allclose(found.sum((1, 2, 3)), evidence(network(IMAGES, MAPS).adn), atol=1e-5)
