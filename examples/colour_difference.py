"""How different two pictures look, pixel by pixel: CIEDE2000 as tensors, on any device, with gradients."""

import torch

from leanet.color import ciede2000, rgb_to_lab

picture = torch.rand(3, 64, 64)  # sRGB in 0…1
warmer = (picture * torch.tensor([1.1, 1.0, 0.9])[:, None, None]).clamp(0, 1)

difference = ciede2000(rgb_to_lab(picture), rgb_to_lab(warmer))  # (1, 64, 64); 1 is just noticeable
print(f"ΔE00: {difference.mean():.1f} on average, {difference.max():.1f} at most")
