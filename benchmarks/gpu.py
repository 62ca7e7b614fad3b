"""What training takes on a GPU: each network in each way of doing steps, its largest kernels, and ΔE00.

    python benchmarks/gpu.py [image size] [images] [--minutes 8] [--ways "float32 graph" …] [--networks U-Net …]

Each row is of a process of its own that fits one network to random images, by default 486 of 256×256 in batches of 16,
as in strawberry's folds. Columns:

- images/s and seconds a fold: by epochs timed after some that do not count; 100 epochs are a fold, 500 of the U-Net.
- ms a step: the clock's time. Device busy: the part of it that kernels take, from a profile of a few steps, and their
  number. A launch takes the host longer than many kernels take the device, which then waits.
- start-up: what a fit takes beyond its epochs at that pace: starting CUDA, compiling, cuDNN's search, recording; not
  Python's imports. Cold: with nothing started or compiled before. Warm: the same network again in that process.
- of the peak: floating-point operations a second as a share of a large matrix product's in bfloat16.

When the minutes are used up, the rest is left out, and named. Without a GPU, only the first way runs, at a small size,
and columns that need a GPU have a dash.
"""

import argparse
import copy
import gc
import itertools
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from gpu_colour import HEADERS, colour_rows
from gpu_fits import BATCH, EAGER, GRAPH, NETWORKS, UNET, WAYS, Clock, card, fresh, prepared, random_tensors, run
from gpu_kernels import KernelCounter, Kernels
from tabulate import tabulate
from timing import seconds_of
from torch.utils.flop_counter import FlopCounterMode

LEAST_SECONDS, MOST_SECONDS = 30, 180  # a row is not begun with less, and has no more


@dataclass(frozen=True)
class Row:
    """A network in a way; what was measured last is missing where the process died or had no time for it.

    Args:
        flops: floating-point operations of an epoch.
        epoch: seconds of an epoch.
        cold, warm: seconds of start-up.
        kernels: of a step.
    """

    network: str
    way: str
    images: int
    flops: float
    epoch: float
    cold: float
    warm: float = math.nan
    kernels: Kernels | None = None

    def cells(self, peak: float) -> list[str]:
        step = self.epoch / math.ceil(self.images / BATCH)
        return [
            self.network,
            self.way,
            f"{self.images / self.epoch:,.0f}",
            f"{self.epoch * (500 if self.network == UNET else 100):.1f}",
            f"{1000 * step:.2f}",
            f"{self.kernels.busy / step:.0%}" if self.kernels else "–",
            f"{self.kernels.count:,.0f}" if self.kernels else "–",
            f"{self.cold:.1f}",
            "–" if math.isnan(self.warm) else f"{self.warm:.1f}",
            f"{self.flops / self.epoch / peak:.1%}",
        ]


COLUMNS = ["", "", "images/s", "s a fold", "ms a step", "device busy", "kernels a step"]
COLUMNS += ["s of start-up, cold", "warm", "of the peak"]


def main() -> None:
    given = arguments()
    end = time.monotonic() + 60 * given.minutes
    names = fresh(card)
    size, images = given.size or (256 if names else 32), given.images or (486 if names else 8)
    given.ways = given.ways if names else [EAGER]
    [peak], colours = fresh(matrix_peak), fresh(colour_rows)
    rows, left_out = measure_all(given, size, images, end)
    print(f"{(names or ['CPU'])[0]}, {size}×{size}, {images} images, batch {BATCH}; PyTorch {torch.__version__}")
    print(f"{'bfloat16' if names else 'float32'} matrix product: {peak / 1e12:.3g} TFLOP/s\n")
    table(COLUMNS, [row.cells(peak) for row in rows])
    for name in left_out:
        print(f"left out, for want of time or because it failed: {name}")
    print(f"\nThe largest kernels of a step ({GRAPH})\n")
    kernels = [line for row in rows if row.way == GRAPH for line in top(row)]
    table(["", "kernel", "of the device's time"], kernels or [["–"] * 3])
    print("\nΔE00, float32; a copy moves as many bytes\n")
    table(HEADERS, colours)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What training takes on a GPU; a table is printed at the end.")
    parser.add_argument("size", nargs="?", type=int, help="of images, in pixels")
    parser.add_argument("images", nargs="?", type=int, help="of an epoch")
    parser.add_argument("--minutes", type=float, default=8, help="after which the rest is left out")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NETWORK")
    return parser.parse_args()


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


def measure_all(given: argparse.Namespace, size: int, images: int, end: float) -> tuple[list[Row], list[str]]:
    """The rows for which there was time, way by way, and the names of the others."""
    flops = {network: images * sum(fresh(flops_of_an_image, network, size)) for network in given.networks}
    rows, left_out = [], []
    for way, network in itertools.product(given.ways, given.networks):
        left, name = end - time.monotonic(), f"{network}, {way}"
        print(f"{name}: {left:.0f} s are left", file=sys.stderr)
        seconds = min(left, MOST_SECONDS)
        found = fresh(measured, network, way, size, images, seconds=seconds) if left > LEAST_SECONDS else []
        if found:
            fields = {key: value for part in found for key, value in part.items()}
            rows.append(Row(network, way, images, flops[network], **fields))
            print(" | ".join(rows[-1].cells(math.nan)[:-1]), file=sys.stderr)
        else:
            left_out.append(name)
    return sorted(rows, key=lambda row: list(NETWORKS).index(row.network)), left_out


def measured(network: str, way: str, size: int, images: int) -> Iterator[dict[str, Any]]:
    """The fields of a row: first of a fit in a fresh process, then of the same again."""
    chosen, tensors = WAYS[way], random_tensors(size, images)
    warm, timed = chosen.warm, 5 if torch.cuda.is_available() else 2
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as nothing_compiled:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = nothing_compiled
        first = Clock(warm + timed, chosen.searches)
        start = run(network, chosen, tensors, first)
        epoch = (first.ends[-1] - first.ends[warm - 1]) / timed
        cold = max(0, first.ends[warm - 1] - start - warm * epoch)
        yield {"epoch": epoch, "cold": cold}
        gc.collect()  # the graphs of the first fit
        again, counter = Clock(warm + 1, chosen.searches), KernelCounter(warm)
        start = run(network, chosen, tensors, again, counter)
        yield {"warm": max(0, again.ends[warm - 1] - start - warm * epoch)}
        yield {"kernels": counter.found()}


def flops_of_an_image(network: str, size: int) -> Iterator[float]:
    """Floating-point operations of an image in training, counted by a step that computes nothing."""
    task, seen, _ = prepared(network, WAYS[EAGER], random_tensors(size, 2))
    imagined = copy.deepcopy(task).to("meta")
    with FlopCounterMode(display=False) as counter:
        told: Any = imagined.training_step({name: value.to("meta") for name, value in seen.items()}, 0)
        told["loss"].backward()
    yield counter.get_total_flops() / 2


def matrix_peak() -> Iterator[float]:
    """Floating-point operations a second of a matrix product: in bfloat16 on a GPU, in float32 on a CPU."""
    side, device, kind = (8192, "cuda", torch.bfloat16) if torch.cuda.is_available() else (512, "cpu", torch.float32)
    matrix = torch.randn(side, side, device=device, dtype=kind)
    yield 2 * side**3 / seconds_of(lambda: matrix @ matrix)


def top(row: Row) -> list[list[str]]:
    """The lines of a network in the table of kernels."""
    largest = row.kernels.largest() if row.kernels else []
    return [[row.network, brief(name), f"{share:.1%}"] for name, share in largest]


def brief(kernel: str, most: int = 70) -> str:
    """A kernel's name without what most names share."""
    for shared in ("void ", "at::native::", "(anonymous namespace)::", "at::", "c10::"):
        kernel = kernel.replace(shared, "")
    return kernel if len(kernel) <= most else kernel[: most - 1] + "…"


if __name__ == "__main__":
    main()
