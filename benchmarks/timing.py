"""Timing: things against each other on a machine that others use too, by ratios within each round; and on a device."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Times = dict[str, list[float]]


def in_turns(contenders: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Seconds of each contender in each round, A B C A B C …, after one call of each that does not count."""
    for call in contenders.values():
        call()
    times: Times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return times


def ratio(times: Times, slower: str, faster: str) -> float:
    """How many times as fast as `slower` the contender `faster` is: the median over the rounds."""
    return statistics.median(a / b for a, b in zip(times[slower], times[faster], strict=True))


def median(times: Times, name: str) -> float:
    return statistics.median(times[name])


def synchronize() -> None:
    """Wait until the GPU, if there is one, has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds of one call on a device that is kept busy, after some calls that do not count."""
    calls = 50 if torch.cuda.is_available() else 3
    for _ in range(max(1, calls // 10)):
        call()
    synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    synchronize()
    return (time.perf_counter() - start) / calls
