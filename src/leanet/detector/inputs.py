"""The input of the ADN: the image, its anomaly map, or both (§4-3, baselines ii to iv)."""

import torch
from torch import Tensor

from leanet.detector.attention import attend

CHANNELS = {"rgb": 3, "map": 1, "rgb_map": 4, "attentioned": 3}


def adn_input(kind: str, images: Tensor, maps: Tensor | None) -> Tensor:
    """Put the ADN's input together.

    `attentioned` applies Eq. 3 to the image. The paper names only that equation, so the map is used without the sigmoid
    of Eq. 2, as in the authors' code.

    Args:
        kind: a key of `CHANNELS`.
        images: (B, 3, S, S), sRGB in 0…1.
        maps: (B, 1, S, S), scaled anomaly maps; not needed for `rgb`.

    Returns:
        (B, CHANNELS[kind], S, S).

    Raises:
        ValueError: maps are needed and missing.
    """
    if kind == "rgb":
        return images
    if maps is None:
        raise ValueError(f"input={kind} needs anomaly maps")
    if kind == "map":
        return maps
    return torch.cat([images, maps], dim=1) if kind == "rgb_map" else attend(images, maps)
