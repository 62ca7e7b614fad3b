"""LEA-Net whole: CAAN and ADN, joined at one point (§3-4, Fig. 2)."""

from typing import NamedTuple

from torch import Tensor, nn

from leanet.detector.adn import Adn
from leanet.detector.attention import ExternalAttention
from leanet.detector.caan import ExternalNetwork


class Output(NamedTuple):
    """What LEA-Net says of a batch; each logits pair is (B, 2) for normal and anomalous."""

    adn: Tensor
    caan: Tensor | None = None
    attention: Tensor | None = None  # (B, 1, h, w) in 0…1


class LeaNet(nn.Module):
    """An ADN whose features at one point are multiplied by 1 + the attention map of an external network.

    Args:
        adn: the classifier.
        caan: the external network; None for the plain classifier.
        point: 1…5, the same for the external network's output and the ADN's input; None with `caan=None`.
    """

    def __init__(self, adn: Adn, caan: ExternalNetwork | None = None, point: int | None = None) -> None:
        super().__init__()
        self.adn = adn
        self.caan = caan
        self.point = point
        if caan is not None:
            if point is None:
                raise ValueError("an external network needs an attention point, 1 to 5")
            self.attention = ExternalAttention(adn.network, adn.points[point - 1])

    def forward(self, images: Tensor, maps: Tensor | None = None) -> Output:
        """images (B, 3, S, S) in 0…1; maps (B, 1, S, S), the scaled anomaly maps, needed by an external network."""
        if self.caan is None or self.point is None:
            return Output(self.adn(images))
        if maps is None:
            raise ValueError("an external network needs anomaly maps")
        attention, caan_logits = self.caan(maps, self.point)
        with self.attention.using(attention):
            return Output(self.adn(images), caan_logits, attention)


def evidence(logits: Tensor) -> Tensor:
    """(B, 2) logits of normal and anomalous → (B,) logit of anomalous: the mean of what the two units say.

    It is above 0 exactly where the second unit is the larger, so a probability above 0.5 is the authors' argmax.
    """
    return (logits[:, 1] - logits[:, 0]) / 2
