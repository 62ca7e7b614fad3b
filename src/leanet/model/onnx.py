"""Write a program to an ONNX file, and run it with ONNX Runtime."""

import json
import logging
import warnings
from dataclasses import asdict

import onnx
import onnxruntime
import torch
from torch.export import ExportedProgram

from leanet.errors import LeanetError
from leanet.model.program import ATTENTION, MAP, PROBABILITY, ExportFacts, Predictor

MOST_BYTES = 2**31 - 2**20  # of weights; the format's limit is 2 GiB in all


def to_bytes(program: ExportedProgram, facts: ExportFacts) -> bytes:
    """Convert a program to the content of an .onnx file, weights included.

    Args:
        program: the exported network.
        facts: written to the file's metadata.

    Raises:
        LeanetError: the weights do not fit into one file.
    """
    weights = sum(value.numel() * value.element_size() for value in program.state_dict.values())
    if weights > MOST_BYTES:
        raise LeanetError(
            f"{weights / 1e9:.1f} GB of weights: an ONNX file holds 2 GB; export one fold, or use format=torch"
        )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        exported = torch.onnx.export(program, (), input_names=["images"], output_names=_outputs(program), verbose=False)
    assert exported is not None
    model = exported.model_proto
    _tidy(model.graph)
    model.producer_name, model.producer_version = "leanet", facts.version
    for name, value in asdict(facts).items():
        if value is None:
            continue
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
    content: bytes = model.SerializeToString()
    return content


def _tidy(graph: onnx.GraphProto) -> None:
    """Remove source information, a tenth of a small file, and name the batch dimension N."""
    del graph.value_info[:]  # intermediate shapes, which runtimes infer
    for part in (graph, *graph.node, *graph.input, *graph.output):
        del part.metadata_props[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def read_predictor(content: bytes) -> Predictor:
    """Open the content of an .onnx file in ONNX Runtime, on the CPU with as many threads as PyTorch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(None, {"images": images}), strict=True))


def _outputs(program: ExportedProgram) -> list[str]:
    count = len(program.graph_signature.user_outputs)
    return [PROBABILITY, MAP, ATTENTION][:count]
