"""The benchmarks of GPUs, on a CPU: they run at a small size, and their tables hold together."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """benchmark("gpu_grid") → that script, imported."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield __import__
    for file in BENCHMARKS.glob("*.py"):
        sys.modules.pop(file.stem, None)


def run(python: Any, *words: object) -> str:
    found = python(*words, cwd=BENCHMARKS, CUDA_VISIBLE_DEVICES="")
    assert found.returncode == 0, found.stderr
    return found.stdout


def tables(printed: str) -> list[list[list[str]]]:
    """The cells of the tables, line by line, headers first."""
    parts = [[line for line in part.splitlines() if line.startswith("|")] for part in printed.split("\n\n")]
    cells = [[[cell.strip() for cell in line.strip("|").split("|")] for line in part] for part in parts if part]
    return [[part[0], *part[2:]] for part in cells]


def number(cell: str) -> float:
    return float(cell.replace(",", "").rstrip("%"))


def check_rows(rows: list[list[str]], images: int) -> None:
    for row in rows:
        figures = dict(zip(("images/s", "fold", "step"), map(number, row[2:5]), strict=True))
        epochs = 500 if row[0] == "U-Net" else 100
        rounding = 0.6 / figures["images/s"] + 0.06 / figures["fold"]
        assert figures["images/s"] * figures["fold"] == pytest.approx(images * epochs, rel=rounding)
        assert figures["step"] * epochs / 1000 == pytest.approx(figures["fold"], abs=0.06)
        assert row[1] == "float32 eager" and row[5:7] == ["–", "–"]
        assert min(map(number, row[7:9])) >= 0 and 0 < number(row[9]) < 200


def test_networks_and_colours(python: Any) -> None:
    printed = run(python, "gpu.py", 32, 8, "--networks", "ResNet18")
    assert printed.startswith("CPU, 32×32, 8 images, batch 16;")
    (headers, *rows), (_, *kernels), (_, *colours) = tables(printed)
    assert headers[2:5] == ["images/s", "s a fold", "ms a step"] and headers[-1] == "of the peak"
    assert [row[0] for row in rows] == ["ResNet18"]
    check_rows(rows, 8)
    assert kernels == [["–"] * 3]
    [[megapixels, eager, copies, *compiled]] = colours
    assert megapixels == "1" and number(eager) > 0 and number(copies) > 1 and compiled == ["–", "–"]


@pytest.mark.slow
def test_all_networks(python: Any) -> None:
    (_, *rows), *_ = tables(run(python, "gpu.py", 32, 8))
    assert len(rows) == 4 and rows[-1][0] == "U-Net"
    check_rows(rows, 8)


def test_names_what_it_had_no_time_for(python: Any) -> None:
    printed = run(python, "gpu.py", 32, 8, "--minutes", 0, "--networks", "ResNet18")
    assert not tables(printed)[0][1:]
    assert "left out, for want of time or because it failed: ResNet18, float32 eager\n" in printed


@pytest.mark.slow
def test_fits_side_by_side(python: Any) -> None:
    printed = run(python, "gpu_grid.py", 32, 4)
    assert printed.startswith("CPU, ResNet18 + MobileNet CAAN, 32×32, 4 images;")
    [[headers, *rows]] = tables(printed)
    assert headers == ["fits", "without MPS", "with MPS"]
    assert [row[0] for row in rows] == ["1", "2"] and {row[2] for row in rows} == {"–"}
    *_, foretold, speeds = printed.splitlines()
    assert foretold.startswith("Table 3: 1,000 fits on 27,712,000 images and 25 colorizers on 2,664,000,")
    best, unet = (number(word) for word in speeds.split() if word.replace(",", "").isdigit())
    assert best == max(number(row[1]) for row in rows)
    hours = float(foretold.split()[-2])
    assert hours == pytest.approx((27_712_000 / best + 2_664_000 / unet) / 3600, rel=0.05)


@pytest.mark.slow
def test_a_fit_that_dies_is_a_dash(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = benchmark("gpu_grid")
    started: list[int] = []
    monkeypatch.setattr(grid, "held_fit", stand_in)
    monkeypatch.setattr(grid, "READY_SECONDS", 5)
    start = grid.start
    monkeypatch.setattr(grid, "start", lambda size, images: started.append(1) or start(len(started), images))
    found = grid.side_by_side((1, 2, 3), 0, 8, 0.2)
    assert found[:2] == pytest.approx([8 / 0.01, 2 * 8 / 0.01], rel=0.5)
    assert math.isnan(found[2]) and grid.shown(found[2]) == "–"


def stand_in(pipe: Any, place: int, images: int) -> None:
    """Epochs of a hundredth of a second; the second process dies."""
    import time

    if place == 2:
        raise SystemExit
    pipe.send("ready")
    pipe.recv()
    ends = []
    while not pipe.poll():
        time.sleep(0.01)
        ends.append(time.monotonic())
    pipe.send(ends)


def test_a_pace_is_that_of_whole_epochs(benchmark: Any) -> None:
    pace = benchmark("gpu_grid").pace
    assert pace([0, 1, 3, 5, 9], 0.5, 6) == 2 / 4
    assert math.isnan(pace([0, 1, 3], 2, 4))


def test_kernels_of_a_step(benchmark: Any) -> None:
    kernels, gpu = benchmark("gpu_kernels"), benchmark("gpu")
    counter = kernels.KernelCounter(epoch=4)
    assert counter.found() is None
    named = [("void at::native::add<4>", 30.0), ("gemm", 50.0), ("gemm", 10.0), ("Optimizer.step", 90.0)]
    counter._steps, counter._profile = (
        2,
        SimpleNamespace(
            events=lambda: [
                SimpleNamespace(
                    name=name,
                    device_type=kernels.DeviceType.CUDA,
                    is_user_annotation=name == "Optimizer.step",
                    time_range=SimpleNamespace(elapsed_us=lambda time=time: time),
                )
                for name, time in named
            ]
        ),
    )
    found = counter.found()
    assert found.count == 1.5 and found.busy == pytest.approx(45e-6)
    assert found.largest() == [("gemm", pytest.approx(2 / 3)), ("void at::native::add<4>", pytest.approx(1 / 3))]
    row = gpu.Row("ResNet18", gpu.GRAPH, 48, flops=1e6, epoch=3 * 60e-6, cold=1, warm=0, kernels=found)
    assert row.cells(1e12)[4:7] == ["0.06", "75%", "2"]
    assert gpu.top(row)[1] == ["ResNet18", "add<4>", "33.3%"]
    assert len(gpu.brief("x" * 100)) == 70
