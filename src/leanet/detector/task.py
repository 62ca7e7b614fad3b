"""Training LEA-Net (Eq. 1) and asking it."""

from collections.abc import Iterator

import lightning
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits, one_hot

from leanet.data.batches import Tensors, batches
from leanet.detector.network import LeaNet, Output, evidence


class DetectorTask(lightning.LightningModule):
    """L = BCE(CAAN) + BCE(ADN), over two sigmoid units each, on one-hot labels (Eq. 1, Table 1)."""

    def __init__(self, network: LeaNet, lr: float) -> None:
        super().__init__()
        self.network = network
        self.lr = lr

    def forward(self, batch: Tensors) -> Output:
        """A batch of images (B, 3, S, S) uint8, and where there is attention maps (B, 1, S, S) with scales (B,)."""
        # Channels last: a CPU trains the MobileNet CAAN half as fast again so, and a GPU convolves that way.
        images = batch["images"].to(memory_format=torch.channels_last) / 255
        maps = None
        if "maps" in batch:
            maps = batch["maps"].float() * batch["scales"][:, None, None, None]
            maps = maps.to(memory_format=torch.channels_last)  # `contiguous` leaves one channel as it is
        output: Output = self.network(images, maps)
        return output

    def training_step(self, batch: Tensors, batch_idx: int) -> Tensor:
        losses = head_losses(self(batch), batch["labels"])
        loss = total(losses)
        rows = len(batch["labels"])
        self.log_dict({"loss": loss, **losses}, on_step=False, on_epoch=True, sync_dist=True, batch_size=rows)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)


def head_losses(output: Output, labels: Tensor) -> Tensors:
    """The loss of each head there is."""
    losses = {"adn_loss": head_loss(output.adn, labels)}
    if output.caan is not None:
        losses["caan_loss"] = head_loss(output.caan, labels)
    return losses


def total(losses: Tensors) -> Tensor:
    """What is trained on: the sum over the heads (Eq. 1)."""
    return torch.stack(list(losses.values())).sum()


def head_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of (B, 2) logits and (B,) labels, the mean over both units."""
    return binary_cross_entropy_with_logits(logits, one_hot(labels, 2).to(logits.dtype))


@torch.inference_mode()
def _outputs(task: DetectorTask, tensors: Tensors, batch_size: int) -> Iterator[Output]:
    """What the network in evaluation mode says of each batch."""
    training = task.training
    task.eval()
    for batch in batches(tensors, batch_size):
        yield task({key: value.to(task.device) for key, value in batch.items()})
    task.train(training)


def probabilities(task: DetectorTask, tensors: Tensors, batch_size: int = 64) -> Tensors:
    """P(anomalous) of each row by each head: {"adn": (N,)} and, with a CAAN, {"caan": (N,)}, on the CPU."""
    heads: dict[str, list[Tensor]] = {"adn": [], "caan": []}
    for output in _outputs(task, tensors, batch_size):
        for head in heads:
            logits = getattr(output, head)
            if logits is not None:
                heads[head].append(torch.sigmoid(evidence(logits.float())).cpu())
    return {head: torch.cat(parts) for head, parts in heads.items() if parts}


def mean_loss(task: DetectorTask, tensors: Tensors, batch_size: int = 64) -> float:
    """What is trained on (Eq. 1), of the network in evaluation mode: the mean over all rows, whose labels are there."""
    labels = (batch["labels"].to(task.device) for batch in batches(tensors, batch_size))
    sums = [
        float(total(head_losses(output, of_batch))) * len(of_batch)
        for output, of_batch in zip(_outputs(task, tensors, batch_size), labels, strict=True)
    ]
    return sum(sums) / len(tensors["labels"])


def attention_maps(task: DetectorTask, tensors: Tensors, most: int = 32, batch_size: int = 64) -> Tensor | None:
    """The attention map of each row, (N, h, w) float16 with sides of at most `most`; None without attention or rows."""
    maps = []
    for output in _outputs(task, tensors, batch_size):
        if output.attention is None:
            return None
        height, width = (min(side, most) for side in output.attention.shape[-2:])
        maps.append(adaptive_avg_pool2d(output.attention.float(), (height, width))[:, 0].half().cpu())
    return torch.cat(maps) if maps else None
