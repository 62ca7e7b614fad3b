"""ΔE00, a core against a core: ours compiled and as it is, scikit-image and colour-science.

    python benchmarks/colour_difference.py

prints megapixels a second, and how many times as fast as scikit-image that is. benchmarks/gpu.py has ΔE00 on a GPU.
"""

import shutil
from collections.abc import Callable

import colour
import numpy as np
import torch
from gpu_colour import SIDE, colors
from skimage.color import deltaE_ciede2000
from tabulate import tabulate
from timing import Times, in_turns, median, ratio
from torch import Tensor

from leanet.color import ciede2000
from leanet.training.allocator import keep_freed_memory

ROUNDS = 7
SCIKIT = {"float32": "scikit-image, float32", "float64": "scikit-image, float64"}


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


def pixels(seconds: float) -> str:
    return f"{SIDE * SIDE / 1e6 / seconds:.1f}"


def against(times: Times, other: str, name: str) -> str:
    return f"{ratio(times, other, name):.1f}"


if __name__ == "__main__":
    main()
