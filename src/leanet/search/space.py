"""The space of a search: settings and the values to choose from, in Hydra's syntax for sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, QuotedString, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from leanet.config.checked import check
from leanet.config.options import as_typed
from leanet.config.rules import whole
from leanet.errors import LeanetError
from leanet.grid.products import Words

FOLD = "fold"
_DIGITS = 3  # of a number that is tried: more would only make names and commands longer
_FIXED = {  # a score with one of these values says nothing about another value
    *("dataset", "dataset.root", "dataset.folds_file", "experiment", "folds", "seed", "split_seed"),
    *("validation", "positive_rate"),
}


@dataclass(frozen=True)
class Space:
    """The settings that are searched, and the overrides that are the same in all trials.

    texts: the values of each setting, as they are typed.
    fixed: without `fold`.
    folds: as typed; None: those of the configuration.
    """

    distributions: dict[str, BaseDistribution]
    texts: dict[str, str]
    fixed: Words
    folds: tuple[int, ...] | None

    @classmethod
    def of(cls, params: Mapping[str, Any], given: Sequence[str]) -> "Space":
        """The space of `hydra.sweeper.params`, where the overrides typed by the user replace those of the same name.

        Raises:
            LeanetError: a space without settings, or of settings that cannot be searched.
        """
        parser = OverridesParser.create()
        typed = {override.get_key_element(): override for override in parser.parse_overrides(list(given))}
        axes = {key: parser.parse_override(f"{key}={value}") for key, value in params.items()}
        every = {**axes, **typed}
        fold = every.pop(FOLD, None)
        searched = {key: override for key, override in every.items() if override.is_sweep_override()}
        if not searched:
            raise LeanetError(
                "there is nothing to search: give ranges, such as adn.lr='tag(log, interval(1e-5, 1e-3))', "
                "or experiment=search"
            )
        for key in searched.keys() & _FIXED:
            raise LeanetError(f"{key}: a search needs one value, since scores with different values do not compare")
        return cls(
            {key: _distribution(override) for key, override in searched.items()},
            {key: _text(override) for key, override in searched.items()},
            tuple(_fixed(override) for key, override in every.items() if key not in searched),
            None if fold is None else _folds(fold),
        )

    def words(self, params: Mapping[str, Any]) -> Words:
        """The overrides of a trial; numbers are rounded to three digits."""
        return tuple(f"{key}={_typed(params[key])}" for key in self.distributions)

    def start(self, default_of: Mapping[str, Any]) -> dict[str, Any]:
        """The first trial: the default of each setting that the space contains, else the space's first value."""
        return {key: _start(self.distributions[key], key, default_of[key]) for key in self.distributions}


def _distribution(override: Override) -> BaseDistribution:
    value = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None
        is_log = "log" in value.tags
        if isinstance(value.start, int) and isinstance(value.end, int):
            return IntDistribution(value.start, value.end, log=is_log)
        return _checked(override, value.start, value.end, is_log)
    if isinstance(value, RangeSweep):
        numbers = list(value.range())
        if all(isinstance(number, int) for number in numbers):
            return IntDistribution(int(numbers[0]), int(numbers[-1]), step=int(value.step))
        return FloatDistribution(numbers[0], numbers[-1], step=value.step)
    if not override.is_choice_sweep() or isinstance(value, Glob):
        raise LeanetError(f"{override.input_line}: a search knows choice(…), range(…) and interval(…)")
    return CategoricalDistribution([_choice(value) for value in override.sweep_iterator()])


def _choice(value: Any) -> str:
    return value.with_quotes() if isinstance(value, QuotedString) else as_typed(value)


def _checked(override: Override, low: float, high: float, is_log: bool) -> FloatDistribution:
    if low > high or (is_log and low <= 0):
        raise LeanetError(f"{override.input_line}: the interval ends below its beginning, or has no logarithm")
    return FloatDistribution(low, high, log=is_log)


def _text(override: Override) -> str:
    return str(override.input_line).partition("=")[2]


def _fixed(override: Override) -> str:
    key = override.get_key_element()
    return key if override.is_delete() else f"{key}={override.get_value_element_as_str()}"


def _folds(override: Override) -> tuple[int, ...] | None:
    values: Any = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    if values == [None]:
        return None
    for value in values:
        check(FOLD, value, whole(1))
    return tuple(values)


def _typed(value: Any) -> str:
    return f"{float(f'{value:.{_DIGITS}g}')!r}" if isinstance(value, float) else str(value)


def _start(distribution: BaseDistribution, key: str, default: Any) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        parser = OverridesParser.create()
        values = [parser.parse_override(f"{key}={choice}").value() for choice in distribution.choices]
        return distribution.choices[values.index(default) if default in values else 0]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    is_inside = type(default) in (int, float) and distribution.low <= default <= distribution.high
    return default if is_inside else distribution.low
