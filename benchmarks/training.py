"""A training step on a CPU, ours against the same networks in straightforward PyTorch, and against the machine's peak.

    python benchmarks/training.py [image size]

prints, for each pair of networks, images a second, the ratio, and what share of the speed of a large matrix product the
step reaches. Straightforward means PyTorch as it comes: its default layout, its own transposed convolution, Adam not
fused, and the C library's allocator as it is. Each round is a process of its own, since an allocator is set once; both
take turns. Processor time is counted, so that others on the machine disturb little.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from tabulate import tabulate
from timing import median, ratio
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from leanet.colorizer.network import ConvTranspose2x2
from leanet.colorizer.unet import UNet
from leanet.detector.adn import basic_cnn, resnet18, vgg
from leanet.detector.caan import mobilenet_caan
from leanet.detector.lea_net import LeaNet
from leanet.detector.loss import head_loss
from leanet.detector.task import DetectorTask
from leanet.training.allocator import keep_freed_memory

BATCH, ROUNDS = 16, 3
WORK = ("resnet18 + mobilenet", "vgg16", "cnn + mobilenet", "unet", "unet, inference")
ARMS = ("straightforward", "leanet")


def main() -> None:
    size = sys.argv[1] if len(sys.argv) > 1 else "64"
    rows = []
    for work in WORK:
        found = {arm: [] for arm in ARMS}
        for _ in range(ROUNDS):
            for arm in ARMS:
                found[arm].append(child(work, arm, size))
        times = {arm: [each["seconds"] for each in found[arm]] for arm in ARMS}
        speed = found["leanet"][0]["flops"] / median(times, "leanet") / 1e9
        peak = sorted(each["peak"] for each in found["leanet"])[ROUNDS // 2]
        images = [f"{BATCH / median(times, arm):.1f}" for arm in ARMS]
        rows.append([work, *images, f"{ratio(times, *ARMS):.2f}", f"{speed:.0f}", f"{peak:.0f}", f"{speed / peak:.0%}"])
    print(f"{size}×{size}, batch {BATCH}, one core, median of {ROUNDS} turns, processor time\n")
    headers = ["", *(f"{arm}, images/s" for arm in ARMS), "ratio", "GFLOP/s", "peak", "share"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


def child(*words: str) -> dict[str, float]:
    run = subprocess.run([sys.executable, __file__, "child", *words], stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def measure(work: str, arm: str, size: int) -> None:
    """One process: the seconds of a step, its floating-point operations, and the speed of a matrix product."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if arm == "leanet":
        keep_freed_memory()
    step = colorizing(work, arm, size) if work.startswith("unet") else detecting(work, arm, size)
    with FlopCounterMode(display=False) as counter:
        step()
    matrix = torch.randn(2048, 2048)
    peak = 2 * 2048**3 / seconds(lambda: matrix @ matrix) / 1e9
    found = {"seconds": seconds(step), "flops": counter.get_total_flops(), "peak": peak}
    print(json.dumps(found))


def seconds(call: Callable[[], object], calls: int = 3) -> float:
    """The processor's, the least of some calls, after one that does not count."""
    call()
    times = []
    for _ in range(calls):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def detecting(work: str, arm: str, size: int) -> Callable[[], object]:
    adn = {"resnet18": resnet18, "cnn": basic_cnn, "vgg16": lambda *sizes: vgg("vgg16", *sizes)}[work.split()[0]](
        3, size
    )
    network = LeaNet(adn, mobilenet_caan(), 4) if "mobilenet" in work else LeaNet(adn)
    task = DetectorTask(network, lr=1e-4)
    images = torch.randint(0, 256, (BATCH, 3, size, size), dtype=torch.uint8)
    maps, labels = torch.rand(BATCH, 1, size, size), torch.arange(BATCH) % 2
    batch = {"images": images} | ({"maps": maps.half(), "scales": torch.ones(BATCH)} if "mobilenet" in work else {})
    optimizer = task.configure_optimizers() if arm == "leanet" else torch.optim.Adam(network.parameters(), lr=1e-4)

    def loss() -> Tensor:
        output = task(batch) if arm == "leanet" else network(images / 255, maps if "mobilenet" in work else None)
        return sum((head_loss(head, labels) for head in (output.adn, output.caan) if head is not None), torch.zeros(()))

    return stepping(loss, optimizer)


def colorizing(work: str, arm: str, size: int) -> Callable[[], object]:
    unet = UNet(size)
    if arm != "leanet":
        with_library_convolutions(unet)
    lightness, colors = torch.rand(BATCH, 1, size, size), torch.rand(BATCH, 2, size, size)
    if "inference" in work:
        unet.eval()
        return lambda: inferring(unet, lightness)
    optimizer = torch.optim.Adam(unet.parameters(), lr=1e-3, fused=arm == "leanet")
    return stepping(lambda: binary_cross_entropy_with_logits(unet.logits(lightness), colors), optimizer)


def with_library_convolutions(unet: UNet) -> None:
    """PyTorch's own transposed convolutions, with the default layout before them."""
    for layer in unet.modules():
        if isinstance(layer, ConvTranspose2x2):
            layer.forward = lambda features, layer=layer: nn.ConvTranspose2d.forward(layer, features)  # type: ignore
    unet.down[0].register_forward_pre_hook(
        lambda layer, inputs: (inputs[0].clone(memory_format=torch.contiguous_format),)
    )


@torch.inference_mode()
def inferring(unet: UNet, lightness: Tensor) -> Tensor:
    found: Tensor = unet(lightness)
    return found


def stepping(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
