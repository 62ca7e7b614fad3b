"""What the ADN sees: the image, its anomaly map, or both (§4-3, baselines ii to iv)."""

import torch
from torch import Tensor

from leanet.detector.attention import attend

CHANNELS = {"rgb": 3, "map": 1, "rgb_map": 4, "attentioned": 3}


def adn_input(kind: str, images: Tensor, maps: Tensor | None) -> Tensor:
    """The ADN's input (B, CHANNELS[kind], S, S), from images (B, 3, S, S) in 0…1 and scaled maps (B, 1, S, S).

    `attentioned` is Eq. 3 on the image itself. The paper names that equation alone, so the map enters without the
    sigmoid of Eq. 2, as in the authors' code.
    """
    if kind == "rgb":
        return images
    if maps is None:
        raise ValueError(f"input={kind} needs anomaly maps")
    if kind == "map":
        return maps
    return torch.cat([images, maps], dim=1) if kind == "rgb_map" else attend(images, maps)
