"""Read weights from disk safely: only numbers and plain containers are read, and no code is executed."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch
from torch import nn

from leanet.errors import LeanetError
from leanet.storage.files import damaged


def read_weights(file: Path) -> dict[str, Any]:
    """Read a file that `torch.save` wrote, to the CPU. Tensors are read from disk only when they are used.

    Raises:
        LeanetError: the file is damaged, or holds objects other than numbers and plain containers.
    """
    try:
        kept = torch.load(file, map_location="cpu", mmap=is_zipfile(file), weights_only=True)  # older files are not zip
    except OSError:
        raise
    except UnpicklingError as error:
        raise LeanetError(
            f"{file}: damaged, or not written by leanet: it holds more than numbers, and nothing in it was executed"
        ) from error
    except Exception as error:  # damaged files raise many exception classes
        raise damaged(file) from error
    if not isinstance(kept, dict):
        raise LeanetError(f"{file}: not written by leanet: it holds no weights by name")
    return kept


def give_weights(network: nn.Module, weights: Any, file: Path) -> None:
    """Load a state dict into a network.

    Args:
        network: changed in place.
        weights: tensors by name.
        file: that they were read from, for the message.

    Raises:
        LeanetError: they are the weights of another network.
    """
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LeanetError(f"{file}: weights of another network than config.yaml names: {reason}") from None
