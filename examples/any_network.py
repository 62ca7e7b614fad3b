"""Attention from outside for a network of one's own: its second convolution looks where a map tells it to."""

import torch
from torch import nn

from leanet.detector.attention import Attention, ExternalAttention

network = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 2),
)
attention = ExternalAttention(network, "2")  # the name of a module, as network.named_modules() has it

images = torch.rand(4, 3, 64, 64)
maps = Attention()(torch.randn(4, 8, 16, 16))  # Eq. 2; resized to the features where their sizes differ
with attention.using(maps):
    attended = network(images)
plain = network(images)  # without `using`, the network is as it was
print(f"the attention moves the logits by {(attended - plain).abs().max():.4f} at most")
