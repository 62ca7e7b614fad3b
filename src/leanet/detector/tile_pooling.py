"""Images that are cut into tiles: the logit of an image from those of its tiles.

Only the image has a label: some tiles of an anomalous image are normal (multiple-instance learning). An image is judged
by its most anomalous tiles, and these are what the detector learns from, as in MI-SVM (Andrews, Tsochantaridis &
Hofmann 2003, NIPS, *Support Vector Machines for Multiple-Instance Learning*).
"""

import torch
from torch import Tensor, nn


class TilePooling(nn.Module):
    """From the logits of the T tiles of each image to those of the image.

    Args:
        kind: `max`, the logits of the most anomalous tile; `top`, their mean over the `count` most anomalous tiles;
            `learned`, a weighted sum of these, with a weight for each place in their order and a bias.
        count: of tiles that are used; 1 for `max`. Of fewer tiles all are used.
    """

    def __init__(self, kind: str, count: int) -> None:
        super().__init__()
        self.kind = kind
        self.count = 1 if kind == "max" else count
        if kind == "learned":
            self.weights = nn.Parameter(torch.full((count,), 1 / count))
            self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, logits: Tensor) -> Tensor:
        """Pool (B, T, 2) logits of normal and anomalous; returns (B, 2)."""
        rows = self.leading(logits)
        top = logits.gather(1, rows[:, :, None].expand(-1, -1, 2))
        if self.kind != "learned":
            return top.mean(dim=1)
        pooled = (top * self.weights[: top.shape[1], None]).sum(dim=1)
        return pooled + torch.stack([-self.bias, self.bias])

    def leading(self, logits: Tensor) -> Tensor:
        """The places (B, k) of the most anomalous tiles of (B, T, 2) logits, in falling order."""
        return (logits[..., 1] - logits[..., 0]).topk(min(self.count, logits.shape[1])).indices
