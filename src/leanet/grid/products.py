"""Expand a grid's products of axes to the overrides of cells, and compose their configurations quickly."""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf

from leanet.errors import LeanetError

Words = tuple[str, ...]  # overrides, as they are typed: adn=vgg16 point=4
_PLAIN = re.compile(r"[a-z_]\w*(\.\w+)*")  # a key of an override that neither adds nor deletes


def expand(products: Sequence[Mapping[str, Any]], given: Sequence[str]) -> list[Words]:
    """The overrides of all cells of a grid, in the order of products, without duplicates.

    Args:
        products: each maps axes to their values: {"adn": "resnet18,vgg16", "point": "1,2,3,4,5"}.
        given: overrides typed by the user. They replace an axis of the same name in every product, so that
            `adn=resnet18` selects that row of a grid, and may be axes themselves.

    Raises:
        LeanetError: a range without steps.
    """
    parser = OverridesParser.create()
    typed = {override.get_key_element(): override for override in parser.parse_overrides(list(given))}
    cells: dict[Words, None] = {}
    for product in products:
        axes = {key: parser.parse_override(f"{key}={value}") for key, value in product.items()}
        choices = [_choices(override) for override in {**typed, **axes, **typed}.values()]
        cells |= dict.fromkeys(itertools.product(*choices))
    return list(cells)


def _choices(override: Override) -> list[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}" if not override.is_delete() else key]
    if not override.is_discrete_sweep():
        raise LeanetError(f"{override.input_line}: a grid needs values to choose from, not a range without steps")
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


class Configurations:
    """Resolved configurations of many cells, for which Hydra composes each choice of a group only once.

    Hydra needs a twentieth of a second to compose a configuration, too long for the thousands of cells of a paper. But
    a choice of a group (adn=vgg16) changes the same parts of the configuration in all cells, and a value (point=4) only
    its own place, so that the parts can be combined. Other overrides (+new=1) are composed as a whole.

    Args:
        compose: composes a configuration from overrides.
        is_group: whether a key is a group of choices.
    """

    def __init__(self, compose: Callable[[list[str]], DictConfig], is_group: Callable[[str], bool]) -> None:
        self._compose = compose
        self._is_group = cache(is_group)  # slow in Hydra
        self._parts: dict[Words, dict[str, Any]] = {}
        self._resolved: dict[Words, dict[str, Any]] = {}

    def of(self, words: Words, common: Iterable[str]) -> dict[str, Any]:
        """The configuration of a cell.

        Args:
            words: the cell's overrides.
            common: those that are the same in all cells.
        """
        shared = tuple(word for word in words if word in set(common))
        own = [word.partition("=") for word in words if word not in shared]
        if all(_PLAIN.fullmatch(key) or self._is_group(key) for key, _, _ in own):
            groups = tuple(f"{key}={choice}" for key, _, choice in own if self._is_group(key))
            values = tuple(f"{key}={value}" for key, _, value in own if not self._is_group(key))
            with suppress(HydraException):  # a common override may apply only to some cells' choices
                return self._put_together(shared, groups, values)
        return _resolved(self._composed(words))

    def _put_together(self, shared: Words, groups: Words, values: Words) -> dict[str, Any]:
        # No other value refers to `point`, and most cells of a grid differ only in it.
        light = [value for value in values if value.startswith("point=")]
        heavy = [value for value in values if value not in light]
        key = (*shared, *groups, *heavy)
        if key not in self._resolved:
            changes = {word.partition("=")[0]: self._changes(shared, word) for word in groups}
            whole = dict(self._composed(shared))
            for group, changed in changes.items():  # input=map changes caan too, unless caan is given
                whole |= {name: node for name, node in changed.items() if name == group or name not in changes}
            self._resolved[key] = _resolved(_with_values(whole, heavy))
        return _with_values(self._resolved[key], light)

    def _changes(self, shared: Words, word: str) -> dict[str, Any]:
        """The parts of the configuration that a choice changes, with its own group."""
        base, group = self._composed(shared), word.partition("=")[0]
        found = self._composed((*shared, word))
        return {name: node for name, node in found.items() if name == group or node != base.get(name)}

    def _composed(self, words: Words) -> dict[str, Any]:
        """The unresolved configuration, without Hydra's own part."""
        if words not in self._parts:
            config = self._compose(list(words))
            container: Any = OmegaConf.to_container(config)
            self._parts[words] = {name: node for name, node in container.items() if name != "hydra"}
        return self._parts[words]


def _with_values(config: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """A copy of `config` with the values of overrides; unchanged parts are shared."""
    changed = dict(config)
    for override in map(_parsed, words):
        *path, name = override.key_or_group.split(".")
        node = changed
        for part in path:
            node[part] = dict(node[part])
            node = node[part]
        if name not in node:
            raise ConfigCompositionException(f"Could not override '{override.key_or_group}'.")
        node[name] = override.value()
    return changed


@cache
def _parsed(word: str) -> Override:
    return OverridesParser.create().parse_override(word)


def _resolved(config: dict[str, Any]) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(config), resolve=True))
