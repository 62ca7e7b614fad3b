"""A pipeline as a program that runs with torch alone, and what is kept in an exported file beside the networks."""

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export, load, save

from leanet.data.images import THRESHOLD
from leanet.model.pipeline import Ensemble, Pipeline, Seen

Outputs = dict[str, NDArray[np.float32]]
Asked = Callable[[NDArray[np.uint8]], Outputs]  # images (N, S, S, 3), sRGB → outputs by name

PROBABILITY, MAP, ATTENTION = "probability", "anomaly_map", "attention_map"
CLASSES = ("normal", "anomalous")  # what a probability of 0 and of 1 mean
FACTS_FILE = "leanet.json"  # within a .pt2 file


@dataclass(frozen=True)
class ExportFacts:
    """What somebody who has nothing but the exported file should know.

    Args:
        name: dataset and model, for people.
        image_size: S.
        runs: the hashes of the run, or of the folds' runs whose mean it is.
        version: of leanet.
        classes, threshold: an image is of the second class above this probability.
    """

    name: str
    image_size: int
    runs: tuple[str, ...]
    version: str
    classes: tuple[str, str] = CLASSES
    threshold: float = THRESHOLD


class Exportable(nn.Module):
    """A pipeline as others meet it: images as Pillow and NumPy have them, (N, S, S, 3) uint8, and outputs by name.

    Whoever has `numpy.asarray(image)` needs no transposing then, and whoever has tensors loses nothing: to move the
    channels is free. The names are those of the outputs that there are: `probability` (N,), `anomaly_map`
    (N, 1, S, S), `attention_map` (N, 1, h, w).
    """

    def __init__(self, pipeline: Pipeline | Ensemble) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        seen: Seen = self.pipeline(images.movedim(-1, 1))
        named = {PROBABILITY: seen.probability, MAP: seen.map, ATTENTION: seen.attention}
        return {name: value for name, value in named.items() if value is not None}


def program_of(network: Exportable, image_size: int) -> ExportedProgram:
    """Everything that `network` computes, for any number of images, without the Python that it was written in."""
    # Two, since torch takes what is 1 in its example for what is 1 always.
    example = torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        program = export(network, (example,), dynamic_shapes=({0: Dim("images", min=1)},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # lines and paths of this machine
    return program


def asked(network: Callable[[Tensor], dict[str, Tensor]]) -> Asked:
    """The network, from and to NumPy."""

    def ask(images: NDArray[np.uint8]) -> Outputs:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in network(torch.from_numpy(images)).items()}

    return ask


def to_bytes(program: ExportedProgram, facts: ExportFacts) -> bytes:
    """The content of a .pt2 file, which `torch.export.load` reads."""
    out = io.BytesIO()
    save(program, out, extra_files={FACTS_FILE: json.dumps(asdict(facts), indent=2)})
    return out.getvalue()


def opened(content: bytes) -> Asked:
    """What the .pt2 file with that content does."""
    return asked(load(io.BytesIO(content)).module())
