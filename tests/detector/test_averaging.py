"""Against PyTorch's own averaged models, over a training with batch norm."""

from copy import deepcopy
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from leanet.detector.averaging import WeightAverage

EPOCHS, BATCHES = 8, 3


class Trainer:
    max_epochs = EPOCHS
    current_epoch = 0


class Small(nn.Sequential):
    device = torch.device("cpu")


@pytest.mark.parametrize("averaging", ["ema", "swa"])
@pytest.mark.parametrize("killed_after", [None, 2, 6])
def test_the_average_is_that_of_pytorch(averaging: str, killed_after: int | None) -> None:
    torch.manual_seed(0)
    network = Small(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    ours, trainer = WeightAverage(averaging), cast(Any, Trainer())
    theirs = AveragedModel(network, avg_fn=get_ema_avg_fn(0.99) if averaging == "ema" else None, use_buffers=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for epoch in range(EPOCHS):
        trainer.current_epoch = epoch
        for _ in range(BATCHES):
            optimizer.zero_grad()
            network(torch.randn(8, 3) + epoch).square().mean().backward()
            optimizer.step()
            ours.on_train_batch_end(trainer, cast(Any, network), None, None, 0)
            if averaging == "ema":
                theirs.update_parameters(network)
        ours.on_train_epoch_end(trainer, cast(Any, network))
        if averaging == "swa" and epoch >= 6:  # the last quarter
            theirs.update_parameters(network)
        if epoch == killed_after:
            state, ours = deepcopy(ours.state_dict()), WeightAverage(averaging)
            ours.load_state_dict(state)
            ours.on_train_start(trainer, cast(Any, network))

    expected = {name: value for name, value in theirs.module.state_dict().items() if value.is_floating_point()}
    trained = deepcopy(network.state_dict())
    assert not torch.allclose(trained["1.running_mean"], expected["1.running_mean"], atol=1e-3)
    with ours.shown(network):
        for name, value in expected.items():
            torch.testing.assert_close(network.state_dict()[name], value)
    assert all(torch.equal(value, trained[name]) for name, value in network.state_dict().items())
    ours.hand_over(network)
    for name, value in expected.items():
        torch.testing.assert_close(network.state_dict()[name], value)
    assert ours.state_dict()["weights"] == {}
