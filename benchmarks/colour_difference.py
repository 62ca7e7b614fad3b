"""ΔE00, a core against a core: ours compiled and as it is, scikit-image and colour-science; and on a GPU.

    python benchmarks/colour_difference.py

prints megapixels a second, how many times as fast as scikit-image that is, and what share of the memory's bandwidth is
used: a pixel costs six numbers read and one written, the least that any program can move.
"""

import shutil
from collections.abc import Callable

import colour
import numpy as np
import torch
from skimage.color import deltaE_ciede2000
from tabulate import tabulate
from timing import Times, in_turns, median, ratio
from torch import Tensor

from leanet.color import ciede2000
from leanet.training.allocator import keep_freed_memory

SIDE, ROUNDS = 1024, 7
SCIKIT = {"float32": "scikit-image, float32", "float64": "scikit-image, float64"}
MOVED = 7  # numbers a pixel


@torch.inference_mode()
def main() -> None:
    keep_freed_memory()
    torch.set_num_threads(1)
    first, second = colors(0), colors(1)
    times = in_turns(contenders(first, second), ROUNDS)
    rows = [
        [name, pixels(median(times, name)), *(against(times, other, name) for other in SCIKIT.values())]
        for name in times
    ]
    print(f"ΔE00 of {SIDE}×{SIDE} pixels, one core ({torch.backends.cpu.get_cpu_capability()}), {ROUNDS} turns\n")
    headers = ["", "Mpixel/s", *(f"× {name}" for name in SCIKIT.values())]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))
    if torch.cuda.is_available():
        on_gpu()
    else:
        print("\nNo GPU here: with one, the same in float32 beside a copy of as many bytes would follow.")


def contenders(first: Tensor, second: Tensor) -> dict[str, Callable[[], object]]:
    arrays = [colors[0].movedim(0, -1).numpy() for colors in (first, second)]
    in_float32, in_float64 = ([array.astype(kind) for array in arrays] for kind in (np.float32, np.float64))
    doubles = first.double(), second.double()
    calls: dict[str, Callable[[], object]] = {
        SCIKIT["float32"]: lambda: deltaE_ciede2000(*in_float32),
        SCIKIT["float64"]: lambda: deltaE_ciede2000(*in_float64),
        "colour-science, float64": lambda: colour.delta_E(*in_float64, method="CIE 2000"),
        "leanet, float32": lambda: ciede2000(first, second),
        "leanet, float64": lambda: ciede2000(*doubles),
    }
    if shutil.which("g++") or shutil.which("clang++"):
        compiled = torch.compile(ciede2000, dynamic=False)
        calls["leanet compiled, float32"] = lambda: compiled(first, second)
        calls["leanet compiled, float64"] = lambda: compiled(*doubles)
    return calls


def colors(seed: int) -> Tensor:
    """(1, 3, SIDE, SIDE) random L*a*b*."""
    low, high = (torch.tensor(values)[:, None, None] for values in ([0.0, -100, -100], [100.0, 100, 100]))
    return low + (high - low) * torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def pixels(seconds: float) -> str:
    return f"{SIDE * SIDE / 1e6 / seconds:.1f}"


def against(times: Times, other: str, name: str) -> str:
    return f"{ratio(times, other, name):.1f}"


def on_gpu() -> None:
    """Compiled on the GPU, at 1, 4 and 16 megapixels, against a copy that moves as many bytes."""
    compiled, rows = torch.compile(ciede2000, dynamic=False), []
    for megapixels in (1, 4, 16):
        first, second = (colors(seed).repeat(megapixels, 1, 1, 1).cuda() for seed in (0, 1))
        source = torch.empty(MOVED * SIDE * SIDE * megapixels // 2, device="cuda")
        target = torch.empty_like(source)
        copy, ours = seconds(lambda t=target, s=source: t.copy_(s)), seconds(lambda a=first, b=second: compiled(a, b))
        rows.append([megapixels, f"{megapixels * SIDE * SIDE / 1e9 / ours:.1f}", f"{ours / copy:.2f}"])
    print(f"\n{torch.cuda.get_device_name()}, float32\n")
    print(tabulate(rows, headers=["megapixels", "Gpixel/s", "× the time of a copy"], tablefmt="github"))


def seconds(call: Callable[[], object], calls: int = 50) -> float:
    """Of one call on the GPU, which is kept busy."""
    for _ in range(5):
        call()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(calls):
        call()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000 / calls


if __name__ == "__main__":
    main()
