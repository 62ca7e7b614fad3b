"""timm classifiers, for ADN and CAAN."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import timm
from torch import nn

from leanet.config.weight_sources import BUNDLED_MODEL
from leanet.errors import LeanetError

_WITHOUT_WEIGHTS = ContextVar("without_weights", default=False)


@contextmanager
def without_weights() -> Iterator[None]:
    """A context in which no pretrained weights are loaded, for networks that get those of a checkpoint."""
    token = _WITHOUT_WEIGHTS.set(True)
    try:
        yield
    finally:
        _WITHOUT_WEIGHTS.reset(token)


def is_without_weights() -> bool:
    """Whether the context `without_weights` is active."""
    return _WITHOUT_WEIGHTS.get()


def timm_network(model: str, channels: int, image_size: int, pretrained: bool = False, **options: Any) -> nn.Module:
    """Create a timm classifier, (B, channels, image_size, image_size) → (B, 2) logits.

    Args:
        model: the network's name in timm.
        channels: of its input.
        image_size: side of its input.
        pretrained: whether to use ImageNet weights.
        options: further arguments of the network.

    Raises:
        LeanetError: no such model or option, or weights that cannot be downloaded.
    """
    if not timm.is_model(model.partition(".")[0]):
        close = difflib.get_close_matches(model, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "timm.list_models() has their names"
        raise LeanetError(f"model={model}: timm has no such network; {hint}")
    pretrained = pretrained and not _WITHOUT_WEIGHTS.get()
    if _is_of_fixed_size(model):
        options = {"img_size": image_size, **options}
    try:
        network: nn.Module = timm.create_model(
            model, pretrained=pretrained, num_classes=2, in_chans=channels, **options
        )
    except TypeError as error:
        raise LeanetError(f"model={model}: {error}") from error
    except Exception as error:
        if not pretrained:
            raise
        reason = str(error).splitlines()[0].rstrip(".:")
        raise LeanetError(
            f"weights=imagenet: those of {model} cannot be fetched ({reason}); go online once, so that they are kept, "
            f"or use weights=bundled ({BUNDLED_MODEL}) or weights=FILE"
        ) from error
    return network


def is_channels_last(network: nn.Module) -> bool:
    """Whether the features of a timm network are (B, H, W, C), as those of Swin."""
    return getattr(network, "output_fmt", None) == "NHWC"


def _is_of_fixed_size(model: str) -> bool:
    known = timm.get_pretrained_cfg(model, allow_unregistered=True)
    return known is not None and known.fixed_input_size
