"""Rules for single values of the configuration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leanet.config.weight_sources import BUNDLED, IMAGENET, NONE

SIZE_STEP = 32  # both CAANs and the paper's ADNs halve an image five times


@dataclass(frozen=True)
class Rule:
    """A condition on a value.

    Args:
        holds: whether a value satisfies it.
        words: the condition in words, for "must be …".
        choices: values to choose from, each with a few words about it, for `--help` and tab completion. The words are
            empty if the comment in conf/ explains the value. Other values may satisfy the rule too.
    """

    holds: Callable[[Any], bool]
    words: str
    choices: Mapping[Any, str] = field(default_factory=dict, compare=False)


def whole(low: int, high: int | None = None) -> Rule:
    """A rule for whole numbers from `low` to `high`, both included."""
    words = f"a whole number from {low}" + (f" to {high}" if high is not None else "")
    return Rule(lambda v: type(v) is int and v >= low and (high is None or v <= high), words)


def number(low: float, high: float) -> Rule:
    """A rule for numbers from `low` to `high`, both included."""
    return Rule(lambda v: type(v) in (int, float) and low <= v <= high, f"a number from {low:g} to {high:g}")


def one_of(*choices: str | bool) -> Rule:
    """A rule for one of several texts, true and false."""
    words = [choice if isinstance(choice, str) else str(choice).lower() for choice in choices]
    return Rule(lambda v: isinstance(v, str | bool) and v in choices, either(words), dict.fromkeys(choices, ""))


def either(words: Sequence[str]) -> str:
    """Words in a row: `a, b or c`."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


SHARE = Rule(lambda v: type(v) in (int, float) and 0 < v <= 1, "a number above 0, up to 1")
MOMENTUM = Rule(lambda v: v == "keras" or SHARE.holds(v), f"{SHARE.words}, or keras", {"keras": ""})
POSITIVE = Rule(lambda v: type(v) in (int, float) and 0 < v < float("inf"), "a number above 0")
BOOLEAN = Rule(lambda v: type(v) is bool, "true or false", {True: "", False: ""})
TEXT = Rule(lambda v: isinstance(v, str) and v != "", "a text")
BETAS = Rule(
    lambda v: isinstance(v, list) and len(v) == 2 and all(type(b) in (int, float) and 0 <= b < 1 for b in v),
    "two numbers from 0 to below 1",
)
PATH = Rule(TEXT.holds, "a path")
WEIGHTS = Rule(TEXT.holds, "none, imagenet, bundled or a path", dict.fromkeys((NONE, IMAGENET, BUNDLED), ""))
DATASET_TEXT = Rule(lambda v: v is None or isinstance(v, str), "a text")
SEVERAL = Rule(
    lambda v: isinstance(v, list) and len(v) > 1 and v == sorted({n for n in v if type(n) is int and 1 <= n <= 5}),
    "several points of 1 to 5, from shallow to deep, as in [2,3,4]",
)
STAGES = Rule(
    lambda v: isinstance(v, list) and bool(v) and v == sorted({n for n in v if type(n) is int and 1 <= n <= 5}),
    "points of 1 to 5, from shallow to deep, as in [3,4,5]",
)
LAYERS = Rule(
    lambda v: isinstance(v, list) and bool(v) and v == sorted({n for n in v if type(n) is int and n >= 0}),
    "whole numbers from shallow to deep, as in [1,2,3]",
)
NAME = Rule(
    lambda v: (
        isinstance(v, str)
        and 0 < len(v.encode(errors="surrogateescape")) <= 100
        and v.isprintable()
        and not v.startswith(".")
        and not {"/", "\\"} & set(v)
    ),
    "a name of up to 100 letters that can be part of a folder's name: without / or \\, and not with a dot in front",
)
NODE = Rule(lambda v: isinstance(v, dict) and "_target_" in v, "a group with a _target_")
REST = Rule(lambda v: NODE.holds(v), NODE.words)  # for all other values of a group: _target_ and its arguments
FIT = one_of("stretch", "pad", "crop")
IMAGE_SIZE = Rule(
    lambda v: type(v) is int and v >= SIZE_STEP and v % SIZE_STEP == 0,
    f"a multiple of {SIZE_STEP}, since the networks halve an image five times",
)
