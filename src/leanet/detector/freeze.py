"""Freeze the first stages of a pretrained network while the rest is trained."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from leanet.detector.adn import Adn
from leanet.errors import LeanetError
from leanet.training.batch_norm import is_batch_norm


def freeze(adn: Adn, stages: int, example: Tensor) -> None:
    """Freeze all modules that run up to the module at point `stages`, which is frozen too.

    Their parameters get no gradients, and their batch norm stays in evaluation mode also after `adn.train()`.

    Args:
        adn: its network is changed in place.
        stages: the last point that is frozen, 1…5.
        example: (1, C, S, S), an input of the network; it is run once to find the order of the modules.

    Raises:
        LeanetError: the network has no features at that point.
    """
    modules = _run_before(adn.network, _last(adn, stages), example)
    for module in modules.values():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
    adn.kept = tuple(name for name, module in modules.items() if is_batch_norm(module))
    adn.train(adn.training)


def _last(adn: Adn, stages: int) -> str:
    name = adn.points[stages - 1]
    if name is None:
        there = "|".join(str(point) for point, other in enumerate(adn.points, start=1) if other is not None)
        raise LeanetError(
            f"adn.freeze={stages}: the network has no features of S/{2**stages}; choose adn.freeze={there}"
        )
    return name


def _run_before(network: nn.Module, last: str, example: Tensor) -> dict[str, nn.Module]:
    """By name, the modules with parameters of their own that run up to the end of module `last`."""
    found: dict[str, nn.Module] = {}
    is_over = False

    def end(*of_call: Any) -> None:
        nonlocal is_over
        is_over = True

    with ExitStack() as hooks, _evaluating(network):
        for name, module in network.named_modules():
            if any(True for _ in module.parameters(recurse=False)):

                def note(*of_call: Any, name: str = name, module: nn.Module = module) -> None:
                    if not is_over:
                        found[name] = module

                hooks.enter_context(module.register_forward_hook(note))
        hooks.enter_context(network.get_submodule(last).register_forward_hook(end))  # after its own `note`
        network(example)
    return found


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, so that a pass draws no random numbers and updates no statistics."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)
