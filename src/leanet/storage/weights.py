"""Weights on disk, which may come from anyone: nothing but numbers and plain containers is read from them."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch
from torch import nn

from leanet.errors import LeanetError
from leanet.storage.files import damaged


def read_weights(file: Path) -> dict[str, Any]:
    """What `torch.save` put into `file`, on the CPU; tensors are read from disk only when they are used.

    Raises:
        LeanetError: it is damaged, or holds something that would have to be executed.
    """
    try:
        kept = torch.load(file, map_location="cpu", mmap=is_zipfile(file), weights_only=True)  # older files are no zip
    except OSError:
        raise
    except UnpicklingError as error:
        raise LeanetError(
            f"{file}: damaged, or not written by leanet: it holds more than numbers, and nothing in it was executed"
        ) from error
    except Exception as error:  # damaged files raise nearly anything
        raise damaged(file) from error
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
