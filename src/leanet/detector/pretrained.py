"""Pretrained weights for networks of timm's catalogue, and what they expect of an image."""

from collections.abc import Sequence
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
    """Give `network`, which has timm's names for the backbone of `model`, the weights of a file.

    Within `without_weights` nothing is read. The classifier stays new. A first convolution of another number of
    channels gets the weights of the three colours as timm adapts them: their sum for a single channel.

    Args:
        network: with `model`'s modules, or some of them, under their own names.
        model: the network's name in timm.
        weights: `bundled`, or a file with a state dict (.pth, .pt) or in the safetensors format.

    Raises:
        LeanetError: no such file, or tensors of the backbone that are not in it.
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
    """The tensors of `network` that the weights of `model` are for: all but those of the classifier."""
    reference, own = _reference(model), network.state_dict()
    return [name for name in reference.state_dict() if name in own and not _may_be_new(name, reference)]


def _reference(model: str) -> nn.Module:
    """timm's own, for its names and shapes."""
    with torch.device("meta"):
        network: nn.Module = timm.create_model(model, pretrained=False)
    return network


class Normalize(nn.Module):
    """(images − mean) / deviation, by channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.deviation


def expected(model: str, channels: int) -> nn.Module:
    """What `model`'s weights expect of an RGB image in 0…1 (timm's configuration).

    A map, alone or as the fourth channel, stays as it is.
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
        except Exception as error:  # safetensors has errors of its own
            raise LeanetError(f"{file}: not a safetensors file ({str(error).splitlines()[0]})") from None
    kept: Any = read_weights(file)
    for name in ("state_dict", "model"):  # as training programs wrap it
        kept = kept[name] if isinstance(kept.get(name), dict) else kept
    return {name: value for name, value in kept.items() if isinstance(value, Tensor)}


def _by_name(state: State, published: State) -> State:
    """The state under timm's names: those that it has, or, where all shapes agree in their order, by their place."""
    if not state.keys() & published.keys() and _shapes(state) == _shapes(published):
        return dict(zip(published, state.values(), strict=True))
    return state


def _shapes(state: State) -> list[torch.Size]:
    return [value.shape for value in state.values()]


def _may_be_new(name: str, reference: nn.Module) -> bool:
    """Whether it is of the classifier, or a count of batches, which older files lack and nothing needs."""
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
