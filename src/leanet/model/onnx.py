"""A program as an ONNX file, and how ONNX Runtime runs it."""

import json
import logging
import warnings
from dataclasses import asdict

import onnx
import onnxruntime
import torch
from torch.export import ExportedProgram

from leanet.errors import LeanetError
from leanet.model.program import ATTENTION, MAP, PROBABILITY, Asked, ExportFacts

MOST_BYTES = 2**31 - 2**20  # the file's format cannot hold more


def to_bytes(program: ExportedProgram, facts: ExportFacts) -> bytes:
    """The content of an .onnx file, networks and all.

    Raises:
        LeanetError: the networks do not fit into one file.
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
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
    content: bytes = model.SerializeToString()
    return content


def _tidy(graph: onnx.GraphProto) -> None:
    """Leave out where each part came from, a tenth of a small file, and call the number of images N."""
    del graph.value_info[:]  # shapes in between, which every runtime finds for itself
    for part in (graph, *graph.node, *graph.input, *graph.output):
        del part.metadata_props[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def opened(content: bytes) -> Asked:
    """What ONNX Runtime makes of the .onnx file with that content, with as many threads as torch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(None, {"images": images}), strict=True))


def _outputs(program: ExportedProgram) -> list[str]:
    count = len(program.graph_signature.user_outputs)
    return [PROBABILITY, MAP, ATTENTION][:count]
