"""Against Keras's rule, computed by hand: moving ← .99 moving + .01 batch; ε = .001 is added to the variance.

The variance of a batch has Bessel's correction, as in TensorFlow's fused batch norm.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leanet.colorizer.build import colorizer_of
from leanet.config.effective import settings_of
from leanet.detector.build import detector_of
from leanet.training.batch_norm import set_batch_norm

Configure = Callable[..., dict[str, Any]]


def test_keras_running_statistics_and_epsilon() -> None:
    generator = np.random.default_rng(0)
    batches = generator.normal(3, 2, (5, 4, 2, 3, 3)).astype(np.float32)
    network = nn.Sequential(nn.BatchNorm2d(2))
    set_batch_norm(network, "keras")
    mean, variance = np.zeros(2), np.ones(2)
    for batch in batches:
        network(torch.from_numpy(batch))
        mean = 0.99 * mean + 0.01 * batch.mean((0, 2, 3))
        variance = 0.99 * variance + 0.01 * batch.var((0, 2, 3), ddof=1)
    x = 1e-2 * batches[0]  # small, so that ε shows
    expected = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-3)
    found = network.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def norms(network: nn.Module) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize(("given", "expected"), [("null", (0.1, 1e-5)), ("0.3", (0.3, 1e-5)), ("keras", (0.01, 1e-3))])
def test_it_is_of_adn_and_caan_and_leaves_their_weights(
    given: str, expected: Any, configure: Configure, tmp_path: Any
) -> None:
    plain = detector_of(settings_of(configure(tmp_path, "caan=resnet")), fold=1)
    network = detector_of(settings_of(configure(tmp_path, "caan=resnet", f"adn.bn_momentum={given}")), fold=1)
    for part in (network.adn, network.caan):
        found = {(norm.momentum, norm.eps) for norm in norms(part)}
        assert found == {expected}
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in network.state_dict().items())


def test_the_colorizer_has_its_own(configure: Configure, tmp_path: Any) -> None:
    settings = settings_of(configure(tmp_path, "adn.bn_momentum=0.3", "colorizer.bn_momentum=keras"))
    found = {(norm.momentum, norm.eps) for norm in norms(colorizer_of(settings.colorizer, 32))}
    assert found == {(0.01, 1e-3)}
