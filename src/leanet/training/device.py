"""Which device there is, and what each kind does best with, beyond what Lightning sees to."""

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from leanet.errors import LeanetError


class UseDevice(Callback):
    """At the start of a fit: on a GPU channels last, cuDNN's search for the fastest convolutions, and TF32 products.

    A CPU's library lays out weights by itself, and inputs are channels last everywhere (detector/task.py).
    """

    def on_fit_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if task.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")  # as PyTorch has it for convolutions already
            task.to(memory_format=torch.channels_last)


def device_of(accelerator: str) -> torch.device:
    there = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(name for name, is_there in there.items() if is_there) if accelerator == "auto" else accelerator
    if not there.get(name):
        raise LeanetError(f"accelerator={accelerator}: this machine has none; accelerator=auto takes what there is")
    return torch.device("cuda" if name == "gpu" else name)


def name_of(device: torch.device) -> str:
    """cpu, mps, or cuda with the GPU's name: cuda (NVIDIA H200)."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def precision_on(device: torch.device, setting: str) -> str:
    """What `trainer.precision` computes in: float32 on a GPU that has TF32 is TF32, see `UseDevice`."""
    if setting != "32-true":
        return {"16-mixed": "float16 mixed", "bf16-mixed": "bfloat16 mixed"}[setting]
    has_tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return "tf32" if has_tf32 else "float32"
