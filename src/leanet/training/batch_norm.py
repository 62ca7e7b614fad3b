"""How fast batch norm's running means and variances follow the batches."""

from typing import TypeGuard

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

# Keras gives momentum as the weight of what is kept, .99; here it is that of what is new.
KERAS_MOMENTUM, KERAS_EPSILON = 0.01, 1e-3


def is_batch_norm(module: nn.Module) -> TypeGuard[_BatchNorm]:
    """Whether it keeps running statistics of the batches that it trains on."""
    return isinstance(module, _BatchNorm)


def set_batch_norm(network: nn.Module, momentum: float | str | None) -> None:
    """Give every batch norm in `network` this momentum, in PyTorch's sense: the weight of what is new.

    Args:
        momentum: above 0, up to 1; `keras`: momentum and ε of Keras's BatchNormalization as it is by default; None
            leaves all as the network has it.
    """
    if momentum is None:
        return
    for module in network.modules():
        if is_batch_norm(module):
            if isinstance(momentum, str):
                module.momentum, module.eps = KERAS_MOMENTUM, KERAS_EPSILON
            else:
                module.momentum = momentum
