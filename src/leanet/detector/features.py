"""The features at the attention point before and after attention (Fig. 5)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from leanet.detector.points import module_at
from leanet.detector.task import DetectorTask
from leanet.training.batches import Tensors


@dataclass(frozen=True)
class Features:
    """The ADN's features at the attention point, averaged over channels, for a batch of B images.

    Args:
        before: (B, H, W), the mean of f.
        attention: (B, h, w), the attention M before it is resized to (H, W); in 0…1 as in the paper.
        after: (B, H, W), the mean of (1 ⊕ M) ⊗ f, the input of the ADN's next layer (Eq. 3).
    """

    before: Tensor
    attention: Tensor
    after: Tensor


@torch.inference_mode()
def attended_features(task: DetectorTask, batch: Tensors) -> Features:
    """The features at the deepest attention point, from one pass in evaluation mode.

    Args:
        task: a detector with attention.
        batch: images, maps and scales, as for `DetectorTask.forward`.

    Raises:
        ValueError: the network has no attention.
    """
    network = task.network
    if network.caan is None or network.point is None:
        raise ValueError("a network without attention has no features before and after it")
    module = network.adn.network.get_submodule(module_at(network.adn.points, network.point))
    channel = -1 if network.entrances[-1].channels_last else 1
    seen: list[Tensor] = []

    def note(module: Any, inputs: Any, features: Tensor) -> None:
        seen.append(features.float().mean(channel))

    # The attention is itself a hook of this module; these two run before and after it.
    hooks = [module.register_forward_hook(note, prepend=prepend) for prepend in (True, False)]
    training = task.training
    try:
        attention = task.eval()(batch).attention
    finally:
        task.train(training)
        for hook in hooks:
            hook.remove()
    before, after = seen
    return Features(before, attention[:, 0].float(), after)
