"""LEA-Net: CAAN and ADN, connected at one attention point or several (§3-4, Fig. 2)."""

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
from leanet.detector.tile_pooling import TilePooling

T = TypeVar("T")


class Output(NamedTuple):
    """The output of LEA-Net for a batch of B images.

    Args:
        adn: (B, 2) logits of normal and anomalous, by the ADN.
        caan: the same by the CAAN's own head; None without a CAAN.
        attentions: (B, 1, h, w) for each attention point, the A of 1 + A; in 0…1 as in the paper.
    """

    adn: Tensor
    caan: Tensor | None = None
    attentions: tuple[Tensor, ...] = ()

    @property
    def attention(self) -> Tensor | None:
        """The attention at the deepest point; None without attention."""
        return self.attentions[-1] if self.attentions else None


class LeaNet(nn.Module):
    """An ADN whose features at one or several points are multiplied by 1 + the attention from an external network.

    With several points, each attention is multiplied by a share. The shares are trained as the softmax of one number
    for each point, start equal and add up to one, so that the total starts with the amplitude of one attention.

    Args:
        adn: the classifier.
        caan: the external network; None for the ADN alone.
        points: the attention point, 1…5, or several from shallow to deep; the same in both networks. None with
            `caan=None`.
        sees: the input of the ADN, a key of `CHANNELS`.
        attentions: for each point, the module that turns features into attention; None: Eq. 2.
        pooling: for images that are cut into tiles, which are what the network sees; it is used by
            `leanet.detector.tiles`.

    Raises:
        ValueError: an external network without a point.
        LeanetError: the ADN has no features at a point.
    """

    def __init__(
        self,
        adn: Adn,
        caan: ExternalNetwork | None = None,
        points: int | Sequence[int] | None = None,
        sees: str = "rgb",
        attentions: Sequence[Attention] | None = None,
        pooling: TilePooling | None = None,
    ) -> None:
        super().__init__()
        self.adn = adn
        self.caan = caan
        self.points = (points,) if isinstance(points, int) else tuple(points or ())
        self.sees = sees
        self.pooling = pooling
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
        """The deepest attention point; None without attention."""
        return self.points[-1] if self.points else None

    def forward(self, images: Tensor, maps: Tensor | None = None, attentions: Sequence[Tensor] | None = None) -> Output:
        """Classify a batch.

        Args:
            images: (B, 3, S, S), sRGB in 0…1.
            maps: (B, 1, S, S), scaled anomaly maps; None where neither network needs them.
            attentions: (B, 1, h, w) for each point, used in place of the external network's, which then does not run.

        Raises:
            ValueError: maps are needed and missing.
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
        """Run a part of the ADN, such as `Frozen.features`, on its input, with the attention applied.

        Args:
            part: a function of the ADN's input.
            images: as for `forward`.
            maps: as for `forward`.
        """
        return self._under(self.attentions_of(maps), part, adn_input(self.sees, images, maps))

    def attentions_of(self, maps: Tensor | None) -> list[Tensor]:
        """The attention (B, 1, h, w) at each point; an empty list without an external network.

        Args:
            maps: (B, 1, S, S), scaled anomaly maps.
        """
        if self.caan is None:
            return []
        if maps is None:
            raise ValueError("an external network needs anomaly maps")
        return self._attentions(self.caan(maps, self.points)[0])

    def evidence_map(self, images: Tensor, maps: Tensor | None = None) -> Tensor | None:
        """How much each position adds to the logit of anomalous.

        Args:
            images: as for `forward`.
            maps: as for `forward`.

        Returns:
            (B, 1, h, w); None if the ADN's logit is not a sum over positions, which only a frozen network's is.
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
    """The logit of anomalous from the two units' logits: half of their difference.

    It is above 0 exactly where the second unit is larger, so P > 0.5 is the argmax of the authors' code.

    Args:
        logits: (B, 2), of normal and anomalous.

    Returns:
        (B,).
    """
    return (logits[:, 1] - logits[:, 0]) / 2
