"""LEA-Net whole: CAAN and ADN, joined at one point (§3-4, Fig. 2)."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from leanet.detector.adn import Adn
from leanet.detector.attention import Attention, ExternalAttention
from leanet.detector.caan import ExternalNetwork
from leanet.detector.catalogue import is_channels_last
from leanet.detector.frozen import Frozen
from leanet.detector.inputs import adn_input
from leanet.detector.points import module_at

T = TypeVar("T")


class Output(NamedTuple):
    """What LEA-Net says of a batch; each logits pair is (B, 2) for normal and anomalous."""

    adn: Tensor
    caan: Tensor | None = None
    attentions: tuple[Tensor, ...] = ()  # (B, 1, h, w) at each point, what is added to one; in 0…1 as in the paper

    @property
    def attention(self) -> Tensor | None:
        """That of the deepest point; None without attention."""
        return self.attentions[-1] if self.attentions else None


class LeaNet(nn.Module):
    """An ADN whose features at one point, or several, are multiplied by 1 + the attention of an external network.

    At several points each attention has a share, so that they begin with the amplitude of one: equal shares, learned as
    the softmax of a number for each point, which keeps their sum at one and leaves the amplitude to the gains.

    Args:
        adn: the classifier.
        caan: the external network; None for the plain classifier.
        points: 1…5, the same for the external network's output and the ADN's input, shallow to deep where there are
            several; None with `caan=None`.
        sees: what the ADN gets, of `CHANNELS`.
        attentions: what the external network's features become at each point; without, that of Eq. 2.
    """

    def __init__(
        self,
        adn: Adn,
        caan: ExternalNetwork | None = None,
        points: int | Sequence[int] | None = None,
        sees: str = "rgb",
        attentions: Sequence[Attention] | None = None,
    ) -> None:
        super().__init__()
        self.adn = adn
        self.caan = caan
        self.points = (points,) if isinstance(points, int) else tuple(points or ())
        self.sees = sees
        self.entrances: list[ExternalAttention] = []
        if caan is not None:
            if not self.points:
                raise ValueError("an external network needs an attention point, 1 to 5")
            modules = [module_at(adn.points, point) for point in self.points]
            self.attention = nn.ModuleList(attentions or [Attention() for _ in modules])
            self.entrances = [ExternalAttention(adn.network, name, is_channels_last(adn.backbone)) for name in modules]
            if len(modules) > 1:
                self.shares = nn.Parameter(torch.zeros(len(modules)))

    @property
    def point(self) -> int | None:
        """The deepest; None without attention."""
        return self.points[-1] if self.points else None

    def forward(self, images: Tensor, maps: Tensor | None = None, attentions: Sequence[Tensor] | None = None) -> Output:
        """images (B, 3, S, S) in 0…1; maps (B, 1, S, S), the scaled anomaly maps, where something needs them.

        `attentions`, (B, 1, h, w) at each point, take the place of what the external network gives, which is then not
        asked.
        """
        seen = adn_input(self.sees, images, maps)
        if self.caan is None:
            return Output(self.adn(seen))
        if maps is None:
            raise ValueError("an external network needs anomaly maps")
        caan_logits = None
        if attentions is None:
            features, caan_logits = self.caan(maps, self.points)
            attentions = self._attentions(features)
        return Output(self._under(attentions, self.adn, seen), caan_logits, tuple(attentions))

    def attended(self, part: Callable[[Tensor], T], images: Tensor, maps: Tensor | None = None) -> T:
        """`part` of the ADN, such as its features, of what the ADN sees, under the attention.

        Images and maps as `forward` has them.
        """
        return self._under(self.attentions_of(maps), part, adn_input(self.sees, images, maps))

    def attentions_of(self, maps: Tensor | None) -> list[Tensor]:
        """What is added to one at each point, (B, 1, h, w); nothing without an external network."""
        if self.caan is None:
            return []
        if maps is None:
            raise ValueError("an external network needs anomaly maps")
        return self._attentions(self.caan(maps, self.points)[0])

    def evidence_map(self, images: Tensor, maps: Tensor | None = None) -> Tensor | None:
        """What each position adds to the logit of anomalous, (B, 1, h, w); images and maps as `forward` has them.

        None of an ADN whose answer is not a sum over positions: all but a frozen one.
        """
        return self.attended(self.adn.evidence_map, images, maps) if isinstance(self.adn, Frozen) else None

    def _under(self, attentions: Sequence[Tensor], part: Callable[[Tensor], T], seen: Tensor) -> T:
        with ExitStack() as entered:
            for entrance, attention in zip(self.entrances, attentions, strict=True):
                entered.enter_context(entrance.using(attention))
            return part(seen)

    def _attentions(self, features: Sequence[Tensor]) -> list[Tensor]:
        found = [attention(of_point) for attention, of_point in zip(self.attention, features, strict=True)]
        if len(found) == 1:
            return found
        return [share * attention for share, attention in zip(self.shares.softmax(0), found, strict=True)]


def evidence(logits: Tensor) -> Tensor:
    """(B, 2) logits of normal and anomalous → (B,) logit of anomalous: the mean of what the two units say.

    It is above 0 exactly where the second unit is the larger, so a probability above 0.5 is the authors' argmax.
    """
    return (logits[:, 1] - logits[:, 0]) / 2
