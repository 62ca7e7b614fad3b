"""Training LEA-Net, and its predictions."""

from collections.abc import Iterator
from dataclasses import dataclass

import lightning
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from leanet.detector.attention import spatial_sd
from leanet.detector.baselines import FitsItself
from leanet.detector.frozen import Frozen
from leanet.detector.inputs import adn_input
from leanet.detector.lea_net import LeaNet, Output, evidence
from leanet.detector.loss import Balance, head_losses, total
from leanet.detector.multiple_instance import FitsFeatures, fit_to_tiles
from leanet.detector.tile_pooling import TilePooling
from leanet.detector.tiles import each_tile, in_parts, joined, leading_tiles, pooled
from leanet.errors import LeanetError
from leanet.training.batches import Parts, Tensors, batches

ATTENTION = "attention"


class DetectorTask(lightning.LightningModule):
    """L = BCE(CAAN) + BCE(ADN), over two sigmoid units each, on one-hot labels (Eq. 1, Table 1)."""

    def __init__(self, network: LeaNet, lr: float | None, balance: Balance | None = None) -> None:
        """
        Args:
            network: what is trained.
            lr: learning rate of Adam; None for an ADN that fits itself.
            balance: corrections for rare classes.
        """
        super().__init__()
        self.network = network
        self.lr = lr
        self.balance = balance

    def forward(self, batch: Tensors) -> Output:
        """Classify a batch.

        Args:
            batch: `images` (B, 3, S, S) uint8; with attention, `maps` (B, 1, S, S) and their `scales` (B,). A frozen
                ADN takes `features` (B, F) in place of images. `attention 0`, `attention 1`, … replace the attention at
                each point. Images that are cut into tiles are (B, T, 3, S, S), with maps (B, T, 1, S, S) or features
                (B, T, F).
        """
        output = self._of_each(batch)
        if self.network.pooling is None:
            return output
        return pooled(self.network, output, len(next(iter(batch.values()))))

    def _of_each(self, batch: Tensors) -> Output:
        """The output for each image, or for each tile."""
        if "features" in batch:  # of a frozen ADN
            assert isinstance(self.network.adn, Frozen)
            attended = self.network.attentions_of(scaled_maps(batch))
            features = batch["features"].flatten(0, -2)
            return Output(self.network.adn.classified(features), attentions=tuple(attended))
        if self.network.pooling is not None:
            return joined(in_parts(self.network, *images_and_maps(batch)))
        attentions = [batch[key] for key in sorted(batch) if ATTENTION in key] or None
        output: Output = self.network(*images_and_maps(batch), attentions)
        return output

    def training_step(self, batch: Tensors, batch_idx: int) -> Tensors:
        """The `loss` to minimise, and other values whose means over the epoch are logged."""
        if self.network.pooling is not None:
            batch = self._leading(batch, self.network.pooling)
        output = self(batch)
        losses = head_losses(output, batch["labels"], self.balance)
        told = {"loss": total(losses), **losses}
        if output.attention is not None:
            told["attention_sd"] = spatial_sd(output.attention.detach()).mean()
        return told

    @torch.no_grad()
    def _leading(self, batch: Tensors, pooling: TilePooling) -> Tensors:
        """A batch with the tiles of each image that decide, so that only these need gradients."""
        self.eval()
        logits = self._of_each(batch).adn.reshape(len(batch["images"]), -1, 2)
        self.train()
        return leading_tiles(batch, logits, pooling)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        assert self.lr is not None
        trained = (parameter for parameter in self.parameters() if parameter.requires_grad)
        return torch.optim.Adam(trained, lr=self.lr, fused=True)


def images_and_maps(batch: Tensors) -> tuple[Tensor, Tensor | None]:
    """The images or all tiles of a batch in 0…1, and their scaled maps; None for maps that it does not have."""
    # Channels last: 1.5 times as fast on a CPU with the MobileNet CAAN, and the layout of a GPU's convolutions.
    images = each_tile(batch["images"]).to(memory_format=torch.channels_last) / 255
    return images, scaled_maps(batch)


def evidence_maps(task: DetectorTask, batch: Tensors) -> Tensor | None:
    """How much each position adds to the logit of anomalous, as `LeaNet.evidence_map`: of images, or of all tiles."""
    found = in_parts(task.network.evidence_map, *images_and_maps(batch))
    there = [part for part in found if part is not None]
    return torch.cat(there) if there else None


def scaled_maps(batch: Tensors) -> Tensor | None:
    """The scaled maps of a batch, (B, 1, S, S) or (B · T, 1, S, S) of tiles; None if it has no maps."""
    if "maps" not in batch:
        return None
    maps = batch["maps"].float()
    maps = each_tile(maps * batch["scales"].view(-1, *[1] * (maps.ndim - 1)))
    return maps.to(memory_format=torch.channels_last)  # `contiguous` leaves one channel as it is


def fit_itself(task: DetectorTask, train: Parts, batch_size: int = 64) -> None:
    """Fit an ADN that needs no epochs to the training images.

    Args:
        task: its ADN is a `FitsItself`.
        train: as batches have it, with `labels`.
        batch_size: images whose input is computed at once.
    """
    network, adn, labels = task.network, task.network.adn, train["labels"][:]
    seen = (
        adn_input(network.sees, *images_and_maps(batch)) for batch in batches(train, images_at_once(train, batch_size))
    )
    if network.pooling is not None:
        if not isinstance(adn, FitsFeatures):
            raise LeanetError(f"{type(adn).__name__} cannot be fitted to tiles: it has no `features`")
        features = train["features"][:] if "features" in train else torch.cat([adn.features(each) for each in seen])
        fit_to_tiles(adn, network.pooling, features.view(len(labels), -1, features.shape[-1]), labels)
    elif "features" in train:
        assert isinstance(adn, Frozen)
        adn.fit_features(train["features"][:], labels)
    else:
        assert isinstance(adn, FitsItself)
        adn.fit(seen, labels)


def images_at_once(tensors: Parts, batch_size: int) -> int:
    """The number of images of which about `batch_size` images or tiles are seen together."""
    images = tensors.get("images")
    return batch_size if images is None or len(images.shape) < 5 else max(1, batch_size // images.shape[1])


@torch.inference_mode()
def outputs(task: DetectorTask, tensors: Parts, batch_size: int) -> Iterator[Output]:
    """The output for each batch, in evaluation mode."""
    training = task.training
    task.eval()
    for batch in batches(tensors, images_at_once(tensors, batch_size)):
        yield task({key: value.to(task.device) for key, value in batch.items()})
    task.train(training)


@dataclass(frozen=True)
class Answers:
    """The predictions of a detector for N images, on the CPU.

    Args:
        evidence: logits of anomalous, (N,) by head: `adn` and, with a CAAN, `caan`; empty for no images.
        attention: (N, h, w) float16 with sides of at most 32, the A of 1 + A; None without attention or images, or for
            images that are cut into tiles.
        attention_sd: (N,), its SD over h and w, at its original size; of tiles their mean.
    """

    evidence: Tensors
    attention: Tensor | None
    attention_sd: Tensor | None

    @property
    def probabilities(self) -> Tensors:
        """P(anomalous), (N,) by head."""
        return {head: torch.sigmoid(values) for head, values in self.evidence.items()}


def answers(task: DetectorTask, tensors: Parts, batch_size: int = 64) -> Answers:
    """The predictions for each row, in evaluation mode.

    Args:
        task: the detector.
        tensors: as batches have it; labels are not needed.
        batch_size: images at once.
    """
    heads: dict[str, list[Tensor]] = {"adn": [], "caan": []}
    maps, deviations = [], []
    for output in outputs(task, tensors, batch_size):
        for head in heads:
            logits = getattr(output, head)
            if logits is not None:
                heads[head].append(evidence(logits.float()).cpu())
        if output.attention is not None:
            if task.network.pooling is None:
                maps.append(_shrunk(output.attention.float()).half().cpu())
            deviations.append(spatial_sd(output.attention).view(len(output.adn), -1).mean(dim=1).cpu())
    found = {head: torch.cat(parts) for head, parts in heads.items() if parts}
    return Answers(found, _joined(maps), _joined(deviations))


def _shrunk(attention: Tensor, most: int = 32) -> Tensor:
    """(B, 1, h, w) → (B, h, w) with sides of at most `most`."""
    height, width = (min(side, most) for side in attention.shape[-2:])
    return adaptive_avg_pool2d(attention, (height, width))[:, 0]


def _joined(parts: list[Tensor]) -> Tensor | None:
    return torch.cat(parts) if parts else None


def probabilities(task: DetectorTask, tensors: Parts, batch_size: int = 64) -> Tensors:
    """P(anomalous), (N,) by head: `adn` and, with a CAAN, `caan`; on the CPU. Arguments as for `answers`."""
    return answers(task, tensors, batch_size).probabilities


def mean_loss(task: DetectorTask, tensors: Parts, batch_size: int = 64) -> float:
    """The training loss (Eq. 1) in evaluation mode, the mean over all rows. Arguments as for `answers`, with labels."""
    labels = (batch["labels"].to(task.device) for batch in batches(tensors, images_at_once(tensors, batch_size)))
    sums = [
        float(total(head_losses(output, of_batch, task.balance))) * len(of_batch)
        for output, of_batch in zip(outputs(task, tensors, batch_size), labels, strict=True)
    ]
    return sum(sums) / len(tensors["labels"])
