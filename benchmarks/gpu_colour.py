"""ΔE00 on a GPU, as it is and compiled, against a copy that moves as many bytes; gpu.py prints it."""

from collections.abc import Iterator
from functools import partial

import torch
from timing import seconds_of
from torch import Tensor

from leanet.color import ciede2000

SIDE = 1024
MOVED = 7  # numbers a pixel: six are read and one is written, the least that any program can move
HEADERS = ["megapixels", "eager, Gpixel/s", "× a copy", "compiled, Gpixel/s", "× a copy"]


def colors(seed: int) -> Tensor:
    """(1, 3, SIDE, SIDE) random L*a*b*."""
    low, high = (torch.tensor(values)[:, None, None] for values in ([0.0, -100, -100], [100.0, 100, 100]))
    return low + (high - low) * torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def colour_rows() -> Iterator[list[str]]:
    """A row for each size. On a CPU there is one size, as it is: colour_difference.py says more about CPUs."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for megapixels in (1, 4, 16) if device == "cuda" else (1,):
        first, second = (colors(seed).to(device).repeat(megapixels, 1, 1, 1) for seed in (0, 1))
        source = torch.empty(MOVED * SIDE * SIDE * megapixels // 2, device=device)
        target = torch.empty_like(source)
        copy = seconds_of(partial(target.copy_, source))
        row = [str(megapixels), *speed(seconds_of(partial(ciede2000, first, second)), copy, megapixels)]
        if device == "cuda":
            compiled = torch.compile(ciede2000, dynamic=False)
            yield [*row, *speed(seconds_of(partial(compiled, first, second)), copy, megapixels)]
        else:
            yield [*row, "–", "–"]


def speed(seconds: float, copy: float, megapixels: int) -> tuple[str, str]:
    """Gigapixels a second, and the time as a multiple of the copy's."""
    return f"{megapixels * SIDE * SIDE / 1e9 / seconds:.3g}", f"{seconds / copy:.2f}"
