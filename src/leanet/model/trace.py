"""What a network does in one forward pass: its layers in the order in which they run, with sizes and multiply-adds."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

Shape = tuple[int, ...]

_ADDITIONS = {"add", "add_", "__add__", "__radd__", "__iadd__"}
_CONCATENATIONS = {"cat", "concat"}
_ACTIVATIONS = {"relu": "ReLU", "relu_": "ReLU", "sigmoid": "sigmoid", "silu": "SiLU", "gelu": "GELU", "tanh": "tanh"}
_JOINING = ("Conv", "Linear")  # layers whose batch norm and activation are told in the same row, as in Table 9


@dataclass
class Layer:
    """One layer: a module with its batch norm and activation, or a sum or concatenation of earlier layers.

    Args:
        paths: names of its modules.
        within: the name of its first module; for a sum or a concatenation, of the module that does it.
        module: its first module; None for a sum or a concatenation.
        shape: of what comes out.
        kind: Add or Concat; empty for a module.
        operands: places of the layers it joins; -1 stands for the input.
    """

    paths: list[str]
    within: str
    module: nn.Module | None
    shape: Shape
    kind: str = ""
    operands: tuple[int, ...] = ()
    norm: nn.Module | None = None
    activation: str = ""


@dataclass
class Trace:
    """One forward pass.

    Args:
        layers: in the order of their running.
        shapes: of what goes into and comes out of each module that ran, where both are one tensor.
        macs: multiply-adds of each module, without those of its own modules.
    """

    input: Shape
    layers: list[Layer] = field(default_factory=list)
    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def trace(network: nn.Module, images: Tensor, *more: Any) -> Trace:
    """Run `network` on (1, C, S, S) images, best on the meta device, and write down what happens.

    The network must be in evaluation mode. What FlopCounterMode counts is counted: convolutions, dense layers and
    products of matrices.
    """
    recorder = _Recorder(network, images)
    hooks = list(recorder.hooks())
    try:
        with torch.no_grad(), recorder.counter, recorder:
            network(images, *more)
        recorder.count()
    finally:
        for hook in hooks:
            hook.remove()
    return recorder.trace


def is_layer(module: nn.Module) -> bool:
    """Whether nothing within it is told apart: it has no parts, or it is a normalisation with its activation."""
    return "Norm" in type(module).__name__ or not any(True for _ in module.children())


def is_activation(module: nn.Module) -> bool:
    return "activation" in type(module).__module__


class _Recorder(TorchFunctionMode):
    """Follows tensors from module to module by their identity, so that a row never names a layer it only resembles."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.network = network
        self.counter = FlopCounterMode(display=False)
        self.trace = Trace(tuple(images.shape))
        self._made_by = {id(images): -1}  # tensor → place of the layer it comes from
        self._kept: list[Tensor] = [images]  # alive until the end: an identity is not given twice
        self._running = [""]
        self._within_layer = 0
        self._counted = 0

    def hooks(self) -> Iterable[Any]:
        """Hooks on every module but the network itself and what lies within layers."""
        within: set[nn.Module] = set()
        for path, module in self.network.named_modules():
            if not path or module in within:
                continue
            if is_layer(module):
                within |= set(module.modules())
            yield module.register_forward_pre_hook(self._enter(path, is_layer(module)))
            yield module.register_forward_hook(self._leave(path, is_layer(module)))

    def _enter(self, path: str, layer: bool) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            self.count()
            self._running.append(path)
            self._within_layer += layer

        return hook

    def _leave(self, path: str, layer: bool) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            self.count()
            self._running.pop()
            self._within_layer -= layer
            if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
                self.trace.shapes[path] = tuple(inputs[0].shape), tuple(output.shape)
                if layer:
                    self._note(path, module, inputs[0], output)

        return hook

    def count(self) -> None:
        """Multiply-adds since the last call belong to the module that is running."""
        total = self.counter.get_total_flops() // 2
        self.trace.macs[self._running[-1]] += total - self._counted
        self._counted = total

    def _note(self, path: str, module: nn.Module, seen: Tensor, output: Tensor) -> None:
        """A module that ran becomes a row, joins the last one, or leaves none."""
        before = self._last_if_from(seen)
        if is_activation(module):
            if before is None or before.activation:
                return self._same(seen, output)
            before.activation = type(module).__name__
        elif before is not None and _normalizes(path, module, before):
            before.norm, before.activation = module, _activation_within(module)
        elif "Pool" in type(module).__name__ or any(True for _ in module.parameters()):
            activation = _activation_within(module) if "Norm" in type(module).__name__ else ""
            return self._append(Layer([path], path, module, tuple(output.shape), activation=activation), output)
        else:
            return self._same(seen, output)
        before.paths.append(path)
        self._remember(output, len(self.trace.layers) - 1)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        places = None if self._within_layer else self._operands(func.__name__, args)  # before an addition in place
        output = func(*args, **(kwargs or {}))
        if self._within_layer or not isinstance(output, Tensor):
            return output
        if places:
            kind = "Concat" if func.__name__ in _CONCATENATIONS else "Add"
            self._append(Layer([], self._running[-1], None, tuple(output.shape), kind, places), output)
        elif args and func.__name__ in _ACTIVATIONS:
            before = self._last_if_from(args[0])
            if before is not None and not before.activation:
                before.activation = _ACTIVATIONS[func.__name__]
                self._remember(output, len(self.trace.layers) - 1)
        return output

    def _operands(self, name: str, args: Any) -> tuple[int, ...]:
        """Places of the layers that an addition or a concatenation joins; none where one of them is not known."""
        if args and name in _CONCATENATIONS:
            tensors = list(args[0])
        elif name in _ADDITIONS and len(args) > 1:
            tensors = list(args[:2])
        else:
            return ()
        if not all(isinstance(tensor, Tensor) and id(tensor) in self._made_by for tensor in tensors):
            return ()
        return tuple(self._made_by[id(tensor)] for tensor in tensors)

    def _last_if_from(self, tensor: Tensor) -> Layer | None:
        """The last layer, if `tensor` is its output."""
        place = len(self.trace.layers) - 1
        return self.trace.layers[place] if place >= 0 and self._made_by.get(id(tensor)) == place else None

    def _append(self, layer: Layer, output: Tensor) -> None:
        self.trace.layers.append(layer)
        self._remember(output, len(self.trace.layers) - 1)

    def _same(self, seen: Tensor, output: Tensor) -> None:
        """What changes nothing that a row tells: dropout, flattening, an activation of its own."""
        if id(seen) in self._made_by:
            self._remember(output, self._made_by[id(seen)])

    def _remember(self, tensor: Tensor, place: int) -> None:
        self._made_by[id(tensor)] = place
        self._kept.append(tensor)


def _normalizes(path: str, norm: nn.Module, before: Layer) -> bool:
    """Whether `norm` is what follows a convolution or dense layer in the same part of the network."""
    follows = type(before.module).__name__.startswith(_JOINING) and not before.norm and not before.activation
    return follows and "Norm" in type(norm).__name__ and path.rpartition(".")[0] == before.within.rpartition(".")[0]


def _activation_within(norm: nn.Module) -> str:
    """timm's batch norms bring their activation."""
    for module in norm.modules():
        if is_activation(module):
            return type(module).__name__
    return ""
