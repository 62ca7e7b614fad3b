"""Training LEA-Net (Eq. 1) and asking it."""

from collections.abc import Iterator
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits, one_hot

from leanet.data.batches import Parts, Tensors, batches
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

    def training_step(self, batch: Tensors, batch_idx: int) -> Tensors:
        """`loss`, which is minimised, and what it is made of; epochs.py logs their means."""
        output = self(batch)
        loss = head_loss(output.adn, batch["labels"])
        losses = {"adn_loss": loss}
        if output.caan is not None:
            losses["caan_loss"] = head_loss(output.caan, batch["labels"])
            loss = loss + losses["caan_loss"]
        return {"loss": loss, **losses}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)


def head_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of (B, 2) logits and (B,) labels, the mean over both units."""
    return binary_cross_entropy_with_logits(logits, one_hot(labels, 2).to(logits.dtype))


@torch.inference_mode()
def _outputs(task: DetectorTask, tensors: Parts, batch_size: int) -> Iterator[Output]:
    """What the network in evaluation mode says of each batch."""
    training = task.training
    task.eval()
    for batch in batches(tensors, batch_size):
        yield task({key: value.to(task.device) for key, value in batch.items()})
    task.train(training)


def probabilities(task: DetectorTask, tensors: Parts, batch_size: int = 64) -> Tensors:
    """P(anomalous) of each row by each head: {"adn": (N,)} and, with a CAAN, {"caan": (N,)}, on the CPU."""
    heads: dict[str, list[Tensor]] = {"adn": [], "caan": []}
    for output in _outputs(task, tensors, batch_size):
        for head in heads:
            logits = getattr(output, head)
            if logits is not None:
                heads[head].append(torch.sigmoid(evidence(logits.float())).cpu())
    return {head: torch.cat(parts) for head, parts in heads.items() if parts}


def attention_maps(task: DetectorTask, tensors: Parts, most: int = 32, batch_size: int = 64) -> Tensor | None:
    """The attention map of each row, (N, h, w) float16 with sides of at most `most`; None without attention or rows."""
    maps = []
    for output in _outputs(task, tensors, batch_size):
        if output.attention is None:
            return None
        height, width = (min(side, most) for side in output.attention.shape[-2:])
        maps.append(adaptive_avg_pool2d(output.attention.float(), (height, width))[:, 0].half().cpu())
    return torch.cat(maps) if maps else None


class LastEpochs(Callback):
    """The test fold's probabilities after each of the last epochs, and after the very last more; in the checkpoint.

    F1 on twenty positives swings by ±.1 from epoch to epoch: the last figure alone says little.

    Args:
        validation: the images held out, of none or more rows.

    Attributes:
        history: the test images' probabilities by head, of each of the last epochs.
        validated: those of the validation images, after the last.
        attention: the test images' attention maps, after the last; None where there is none.
    """

    def __init__(self, test: Parts, validation: Parts, epochs: int = 5) -> None:
        self.test = test
        self.validation = validation
        self.epochs = epochs
        self.history: list[Tensors] = []
        self.validated: Tensors = {}
        self.attention: Tensor | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        assert isinstance(task, DetectorTask) and trainer.max_epochs is not None
        if trainer.current_epoch >= trainer.max_epochs - self.epochs:
            self.history.append(probabilities(task, self.test))
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self.validated = probabilities(task, self.validation)
            self.attention = attention_maps(task, self.test)

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history, "validated": self.validated, "attention": self.attention}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]
        # Checkpoints of older runs have neither.
        self.validated, self.attention = state_dict.get("validated", {}), state_dict.get("attention")
