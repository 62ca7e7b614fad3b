"""LEA-Net whole: CAAN and ADN, joined at one point (§3-4, Fig. 2)."""

from typing import NamedTuple

from torch import Tensor, nn

from leanet.detector.adn import Adn
from leanet.detector.attention import Attention, ExternalAttention
from leanet.detector.caan import ExternalNetwork
from leanet.detector.catalogue import is_channels_last
from leanet.detector.inputs import adn_input
from leanet.detector.points import module_at


class Output(NamedTuple):
    """What LEA-Net says of a batch; each logits pair is (B, 2) for normal and anomalous."""

    adn: Tensor
    caan: Tensor | None = None
    attention: Tensor | None = None  # (B, 1, h, w), what is added to one; in 0…1 as in the paper


class LeaNet(nn.Module):
    """An ADN whose features at one point are multiplied by 1 + the attention of an external network.

    Args:
        adn: the classifier.
        caan: the external network; None for the plain classifier.
        point: 1…5, the same for the external network's output and the ADN's input; None with `caan=None`.
        sees: what the ADN gets, of `CHANNELS`.
        attention: what the external network's features become; without, that of Eq. 2.
    """

    def __init__(
        self,
        adn: Adn,
        caan: ExternalNetwork | None = None,
        point: int | None = None,
        sees: str = "rgb",
        attention: Attention | None = None,
    ) -> None:
        super().__init__()
        self.adn = adn
        self.caan = caan
        self.point = point
        self.sees = sees
        if caan is not None:
            if point is None:
                raise ValueError("an external network needs an attention point, 1 to 5")
            module = module_at(adn.points, point)
            self.attention = attention or Attention()
            self.entrance = ExternalAttention(adn.network, module, is_channels_last(adn.network))

    def forward(self, images: Tensor, maps: Tensor | None = None, attention: Tensor | None = None) -> Output:
        """images (B, 3, S, S) in 0…1; maps (B, 1, S, S), the scaled anomaly maps, where something needs them.

        `attention` (B, 1, h, w) takes the place of what the external network gives, which is then not asked.
        """
        seen = adn_input(self.sees, images, maps)
        if self.caan is None or self.point is None:
            return Output(self.adn(seen))
        if maps is None:
            raise ValueError("an external network needs anomaly maps")
        caan_logits = None
        if attention is None:
            features, caan_logits = self.caan(maps, self.point)
            attention = self.attention(features)
        with self.entrance.using(attention):
            return Output(self.adn(seen), caan_logits, attention)


def evidence(logits: Tensor) -> Tensor:
    """(B, 2) logits of normal and anomalous → (B,) logit of anomalous: the mean of what the two units say.

    It is above 0 exactly where the second unit is the larger, so a probability above 0.5 is the authors' argmax.
    """
    return (logits[:, 1] - logits[:, 0]) / 2
