"""What each kind of device does best with, beyond what Lightning sees to."""

import lightning
import torch
from lightning.pytorch.callbacks import Callback


class UseDevice(Callback):
    """At the start of a fit: on a GPU channels last, cuDNN's search for the fastest convolutions, and TF32 products.

    A CPU's library lays out weights by itself, and inputs are channels last everywhere (detector/task.py).
    """

    def on_fit_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if task.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")  # as PyTorch has it for convolutions already
            task.to(memory_format=torch.channels_last)
