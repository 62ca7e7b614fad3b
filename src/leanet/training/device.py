"""Choose the device, and the settings that make training fast on it."""

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from leanet.errors import LeanetError

# From how many steps on cuDNN searches for the fastest convolutions. On an H200 and with the MobileNet CAAN the search
# takes up to 20 s, as long as some 2,500 steps; a fit of the paper's size has 3,100 steps, a colorizer 15,500.
SEARCH_FROM_STEPS = 10_000


class UseDevice(Callback):
    """On a GPU, use the channels-last memory format, TF32 and, in long fits, cuDNN's search for fast convolutions.

    A CPU needs no change: its library chooses the layout of weights, and inputs are channels last (detector/task.py).

    Args:
        steps: of the whole fit.
    """

    def __init__(self, steps: int) -> None:
        self.searches = steps >= SEARCH_FROM_STEPS

    def on_fit_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        if task.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # PyTorch's default for convolutions
            task.to(memory_format=torch.channels_last)

    def on_train_epoch_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        torch.backends.cudnn.benchmark = self.searches and task.device.type == "cuda"

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        torch.backends.cudnn.benchmark = False  # not for test images, whose batches have other shapes


def device_of(accelerator: str) -> torch.device:
    """Choose a device.

    Args:
        accelerator: `cpu`, `gpu` or `mps`; `auto` chooses a GPU, else MPS, else the CPU.

    Raises:
        LeanetError: this machine has no such device.
    """
    there = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(name for name, is_there in there.items() if is_there) if accelerator == "auto" else accelerator
    if not there.get(name):
        raise LeanetError(f"accelerator={accelerator}: this machine has none; accelerator=auto uses what is available")
    return torch.device("cuda" if name == "gpu" else name)


def name_of(device: torch.device) -> str:
    """The device for people: `cpu`, `mps`, or `cuda` with the GPU's name, as `cuda (NVIDIA H200)`."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def precision_on(device: torch.device, setting: str) -> str:
    """The precision in which a device computes; float32 is TF32 on GPUs that have it (see `UseDevice`).

    Args:
        device: the device.
        setting: `trainer.precision`.
    """
    if setting != "32-true":
        return {"16-mixed": "float16 mixed", "bf16-mixed": "bfloat16 mixed"}[setting]
    has_tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    return "tf32" if has_tf32 else "float32"
