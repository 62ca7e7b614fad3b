"""The momentum of batch norm's running means and variances."""

from typing import TypeGuard

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

# Keras's momentum, .99, is the weight of the old statistics; PyTorch's is the weight of the new batch.
KERAS_MOMENTUM, KERAS_EPSILON = 0.01, 1e-3


def is_batch_norm(module: nn.Module) -> TypeGuard[_BatchNorm]:
    """Whether a module is a batch norm layer, of any dimension."""
    return isinstance(module, _BatchNorm)


def set_batch_norm(network: nn.Module, momentum: float | str | None) -> None:
    """Set the momentum of all batch norm layers.

    Args:
        network: changed in place.
        momentum: the weight of the new batch, above 0 and up to 1; `keras`: momentum and ε of Keras's defaults; None:
            no change.
    """
    if momentum is None:
        return
    for module in network.modules():
        if is_batch_norm(module):
            if isinstance(momentum, str):
                module.momentum, module.eps = KERAS_MOMENTUM, KERAS_EPSILON
            else:
                module.momentum = momentum
