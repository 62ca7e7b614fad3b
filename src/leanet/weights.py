"""Weights on disk, which may come from anyone: nothing but numbers and plain containers is read from them."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from leanet.errors import LeanetError


def read_weights(file: Path) -> dict[str, Any]:
    """What `torch.save` put into `file`, on the CPU; tensors are read from disk only when they are used.

    Raises:
        LeanetError: it is damaged, or holds something that would have to be executed.
    """
    try:
        kept = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except OSError:
        raise
    except Exception as error:  # damaged files raise nearly anything
        raise LeanetError(
            f"{file}: damaged, or not written by leanet: it holds more than numbers, and nothing in it was executed; "
            "if it is of your own run, remove it, and the same command makes it again"
        ) from error
    if not isinstance(kept, dict):
        raise LeanetError(f"{file}: not written by leanet: it holds no weights by name")
    return kept


def give_weights(network: nn.Module, weights: Any, file: Path) -> None:
    """Give `network` the `weights` by name that came from `file`; LeanetError where they are not this network's."""
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LeanetError(f"{file}: weights of another network than config.yaml names: {reason}") from None
