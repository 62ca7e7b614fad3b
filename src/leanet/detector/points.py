"""The five attention points of a network: modules with features of the sizes S/2, S/4, S/8, S/16 and S/32."""

from collections.abc import Sequence

from torch import nn

from leanet.errors import LeanetError

POINTS = 5
Names = tuple[str | None, ...]  # of five modules, shallow to deep; None where the network has no such features


def find_points(network: nn.Module, names: Sequence[str] | None) -> Names:
    """Names of the modules at the five points.

    A network that starts with a stride of 4 (ConvNeXt, Swin) has no point 1.

    Args:
        network: of timm if `names` is None.
        names: of five modules, shallow to deep; None: those with sizes S/2 … S/32 in timm's feature information.

    Raises:
        LeanetError: not five names, a name that the network does not have, or no feature information.
    """
    if names is None:
        return _from_feature_information(network)
    if isinstance(names, str) or len(names) != POINTS:
        raise LeanetError(f"points={names}: give the names of {POINTS} modules, from shallow to deep")
    there = dict(network.named_modules())
    for name in names:
        if not name or name not in there:
            raise LeanetError(f"points={list(names)}: the network has no module {name!r}; it has {_listed(network)}")
    return tuple(names)


def _from_feature_information(network: nn.Module) -> Names:
    entries = getattr(network, "feature_info", None)
    if not entries:
        raise LeanetError(f"the network does not say where its features are; name {POINTS} modules: points=[…]")
    # Of several modules at one size the last is the one that timm's own feature extractors give.
    by_reduction = {entry["reduction"]: entry["module"] for entry in getattr(entries, "info", entries)}
    found = tuple(by_reduction.get(2**point) for point in range(1, POINTS + 1))
    if len(by_reduction) == 1 or not any(found):
        raise LeanetError(
            f"the network's features do not shrink from S/2 to S/32; name {POINTS} modules: points=[…] out of "
            f"{_listed(network)}"
        )
    return found


def module_at(names: Names, point: int) -> str:
    """The name of the module at `point`, 1…5; raises LeanetError if there is none."""
    name = names[point - 1]
    if name is None:
        there = [str(number) for number, other in enumerate(names, start=1) if other is not None]
        raise LeanetError(
            f"point={point}: the network has no features of S/{2**point}; choose point={'|'.join(there)}, or name "
            f"{POINTS} modules with points=[…]"
        )
    return name


def _listed(network: nn.Module) -> str:
    return ", ".join(name for name, _ in network.named_modules() if name)
