"""What the attention does to the features at its point (Fig. 5)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from leanet.detector.points import module_at
from leanet.detector.task import DetectorTask
from leanet.training.batches import Tensors


@dataclass(frozen=True)
class Features:
    """The ADN's features at the attention point, as means over their channels, of a batch of B images.

    before: (B, H, W), of f.
    attention: (B, h, w), what is added to one, before it is resized; the map M in 0…1 as in the paper.
    after: (B, H, W), of (1 ⊕ M) ⊗ f, which is what the ADN goes on with (Eq. 3).
    """

    before: Tensor
    attention: Tensor
    after: Tensor


@torch.inference_mode()
def attended_features(task: DetectorTask, batch: Tensors) -> Features:
    """The features of a batch with maps and scales, at the deepest point, in one pass in evaluation mode.

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

    # The attention is itself a hook of this module: one before it, one after it.
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
