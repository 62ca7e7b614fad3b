"""Export a pipeline as a program that needs only torch, with metadata."""

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export, load, save

from leanet.data.images import THRESHOLD
from leanet.data.resize import STRETCH
from leanet.model.pipeline import Ensemble, Pipeline, Seen

Outputs = dict[str, NDArray[np.float32]]
Predictor = Callable[[NDArray[np.uint8]], Outputs]  # images (N, S, S, 3), sRGB → outputs by name

PROBABILITY, MAP, ATTENTION = "probability", "anomaly_map", "attention_map"
CLASSES = ("normal", "anomalous")  # the classes of probability 0 and 1
FACTS_FILE = "leanet.json"  # inside a .pt2 file


@dataclass(frozen=True)
class ExportFacts:
    """The metadata of an exported file.

    Args:
        name: dataset and model, for people.
        image_size: S.
        runs: the hash of the run, or the hashes of the runs that are averaged.
        version: of leanet.
        classes: names of the two classes.
        threshold: an image is of the second class if its probability is above it.
        fit: how the caller must make images square, as for `leanet.data.resize.resized`; older files do not have it.
        tiles: how an image is cut, as `result.json` has it; the input is then the T tiles of one image, (T, S, S, 3),
            and the output has one probability. None: the input is whole images.
    """

    name: str
    image_size: int
    runs: tuple[str, ...]
    version: str
    classes: tuple[str, str] = CLASSES
    threshold: float = THRESHOLD
    fit: str = STRETCH
    tiles: dict[str, Any] | None = None


class Exportable(nn.Module):
    """A pipeline whose input has channels last, as `numpy.asarray(image)`, and whose outputs have names.

    Args:
        pipeline: the networks.
    """

    def __init__(self, pipeline: Pipeline | Ensemble) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Classify a batch.

        Args:
            images: (N, S, S, 3) uint8, sRGB; or (T, S, S, 3), the tiles of one image.

        Returns:
            `probability` (N,), or (1,) of one image's tiles; and, if the pipeline has them, `anomaly_map` (N, 1, S, S)
            and `attention_map` (N, 1, h, w).
        """
        seen: Seen = self.pipeline(images.movedim(-1, 1))
        named = {PROBABILITY: seen.probability, MAP: seen.map, ATTENTION: seen.attention}
        return {name: value for name, value in named.items() if value is not None}


def program_of(network: Exportable, image_size: int, least: int = 1) -> ExportedProgram:
    """Export a network as a program for any number of images, which runs without leanet's source code.

    Args:
        network: the network.
        image_size: S.
        least: the smallest number of images; or of tiles, as many as judge an image.
    """
    # At least two images, since torch.export would specialise a dimension of size 1.
    example = torch.zeros(least + 1, image_size, image_size, 3, dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        program = export(network, (example,), dynamic_shapes=({0: Dim("images", min=least)},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # source lines with local paths
    return program


def as_predictor(network: Callable[[Tensor], dict[str, Tensor]]) -> Predictor:
    """Wrap a network as a function of NumPy arrays."""

    def predict(images: NDArray[np.uint8]) -> Outputs:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in network(torch.from_numpy(images)).items()}

    return predict


def to_bytes(program: ExportedProgram, facts: ExportFacts) -> bytes:
    """The content of a .pt2 file with the program and its metadata, for `torch.export.load`."""
    out = io.BytesIO()
    save(program, out, extra_files={FACTS_FILE: json.dumps(asdict(facts), indent=2)})
    return out.getvalue()


def read_predictor(content: bytes) -> Predictor:
    """Open the content of a .pt2 file as a function of NumPy arrays."""
    return as_predictor(load(io.BytesIO(content)).module())
