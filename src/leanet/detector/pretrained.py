"""Pretrained weights for timm networks, and the normalisation of images that they expect."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from leanet.config.weight_sources import file_of
from leanet.detector.catalogue import is_without_weights
from leanet.errors import LeanetError
from leanet.storage.weights import read_weights

State = dict[str, Tensor]


def load_pretrained(network: nn.Module, model: str, weights: str) -> None:
    """Load the weights of a file into the backbone of a network.

    The classifier keeps its random weights. If the first convolution does not have three input channels, its weights
    are adapted as timm does: for one channel, the sum over the three colours. Inside the context `without_weights`
    nothing is read.

    Args:
        network: it has the modules of `model`, or some of them, under timm's names. It is changed in place.
        model: the network's name in timm.
        weights: `bundled`, or a file with a state dict (.pth, .pt) or in the safetensors format.

    Raises:
        LeanetError: no such file, or one that lacks tensors of the backbone.
    """
    if is_without_weights():
        return
    file = file_of(weights)
    published = _reference(model).state_dict()
    own = network.state_dict()
    backbone = names_in_backbone(network, model)
    state = _by_name(_state_in(file), published)
    found = {name: state[name] for name in backbone if name in state and state[name].shape == published[name].shape}
    missing = [name for name in backbone if name not in found]
    if missing or not backbone:
        raise LeanetError(
            f"weights={weights}: {len(found)} of the {len(backbone)} tensors of {model} are in it; missing: "
            f"{', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}; is it of another network?"
        )
    network.load_state_dict({name: _fitting(value, own[name]) for name, value in found.items()}, strict=False)


def names_in_backbone(network: nn.Module, model: str) -> list[str]:
    """Names of the tensors of `network` that pretrained weights of `model` set: all but those of the classifier."""
    reference, own = _reference(model), network.state_dict()
    return [name for name in reference.state_dict() if name in own and not _may_be_new(name, reference)]


@cache
def _reference(model: str) -> nn.Module:
    """The timm network on the meta device, for the names and shapes of its tensors; not to be changed."""
    with torch.device("meta"):
        network: nn.Module = timm.create_model(model, pretrained=False)
    return network


class Normalize(nn.Module):
    """(images − mean) / deviation for each channel.

    Args:
        mean: (C,).
        deviation: (C,), the SDs.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.deviation


def expected(model: str, channels: int) -> nn.Module:
    """The normalisation that the weights of a timm network expect, by timm's configuration.

    Args:
        model: the network's name in timm.
        channels: of the input: 1 for a map, 3 for RGB, 4 for RGB and a map. A map is not changed.

    Returns:
        a module, (B, channels, S, S) in 0…1 → the same shape.
    """
    if channels < 3:
        return nn.Identity()
    config = timm.get_pretrained_cfg(model, allow_unregistered=True)
    assert config is not None  # since timm has the network
    more = channels - 3
    return Normalize([*config.mean, *[0.0] * more], [*config.std, *[1.0] * more])


def _state_in(file: Path) -> State:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except Exception as error:  # safetensors raises its own exception classes
            raise LeanetError(f"{file}: not a safetensors file ({str(error).splitlines()[0]})") from None
    kept: Any = read_weights(file)
    for name in ("state_dict", "model"):  # the keys under which training programs save a state dict
        kept = kept[name] if isinstance(kept.get(name), dict) else kept
    return {name: value for name, value in kept.items() if isinstance(value, Tensor)}


def _by_name(state: State, published: State) -> State:
    """The state under timm's names. If it has none of them but the same shapes in the same order, it is renamed."""
    if not state.keys() & published.keys() and _shapes(state) == _shapes(published):
        return dict(zip(published, state.values(), strict=True))
    return state


def _shapes(state: State) -> list[torch.Size]:
    return [value.shape for value in state.values()]


def _may_be_new(name: str, reference: nn.Module) -> bool:
    """Whether a tensor need not be in the file: the classifier's, or a count of batches, which is not used."""
    if name.endswith("num_batches_tracked"):
        return True
    classifiers = reference.pretrained_cfg["classifier"]  # type: ignore[index]
    classifiers = [classifiers] if isinstance(classifiers, str) else classifiers or []
    return any(name.startswith(f"{classifier}.") for classifier in classifiers)


def _fitting(value: Tensor, own: Tensor) -> Tensor:
    if value.shape == own.shape:
        return value
    adapted: Tensor = adapt_input_conv(own.shape[1], value)
    return adapted
