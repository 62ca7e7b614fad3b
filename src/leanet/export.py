"""python -m leanet.export: write a trained detector to one file that runs without leanet."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from leanet.config.allowed_targets import settings_in
from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.rules import BOOLEAN, PATH, one_of
from leanet.config.settings import RunPaths
from leanet.errors import LeanetError
from leanet.model.find import FoundModel, find
from leanet.model.sample import sample_of
from leanet.storage.files import write_bytes
from leanet.version import __version__

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
_NEEDED = ("onnx", "onnxscript", "onnxruntime")  # packages for format=onnx


@dataclass(frozen=True)
class ExportSettings:
    """All settings of conf/export.yaml."""

    run: Annotated[str | None, PATH]
    format: Annotated[str, one_of(*SUFFIXES)]
    out: Annotated[str | None, PATH]
    trust: Annotated[bool, BOOLEAN]
    paths: RunPaths


def export(config: dict[str, Any]) -> None:
    """Export a detector, after its predictions were compared with PyTorch's, and print the speed of both.

    Raises:
        LeanetError: no such run, a package is missing, or the predictions differ.
    """
    settings: ExportSettings = read_settings(ExportSettings, config)
    if settings.run is None:
        raise LeanetError("give run=RUN: a run's or a model's folder, name or hash, or a cell's hash")
    if settings.format == "onnx":
        _ensure_installed()
    found = find(settings.run, Path(settings.paths.runs))
    file = Path(settings.out) if settings.out else _default_file(found, settings)
    if file.suffix != SUFFIXES[settings.format]:
        raise LeanetError(f"out={settings.out}: format={settings.format} is kept in a file {SUFFIXES[settings.format]}")
    _write(found, file, settings)


def _ensure_installed() -> None:
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise LeanetError(f"format=onnx needs {name}, which is not installed: pip install 'leanet[export]'")


def _default_file(found: FoundModel, settings: ExportSettings) -> Path:
    first = found.members[0]
    name = f"{found.name}-{first.result['cell']}" if found.is_cell else first.folder.name
    return Path(settings.paths.runs) / "exports" / f"{name}{SUFFIXES[settings.format]}"


def _write(found: FoundModel, file: Path, settings: ExportSettings) -> None:
    trained = settings_in(found.members[0].folder, settings.trust)
    sample = sample_of(trained, Path(settings.paths.runs))

    # Here, since they import torch: mistakes in the settings are reported before.
    from leanet.model.checking import ensure_equal, images_per_second, threads
    from leanet.model.pipeline import ensemble_of, pipeline_of
    from leanet.model.program import Exportable, ExportFacts, as_predictor, program_of

    if settings.format == "onnx":
        from leanet.model.onnx import read_predictor, to_bytes
    else:
        from leanet.model.program import read_predictor, to_bytes

    folders = [member.folder for member in found.members]
    pipeline = ensemble_of(folders, settings.trust) if found.is_cell else pipeline_of(folders[0], settings.trust)
    network = Exportable(pipeline)
    size = sample.images.shape[1]
    runs = tuple(str(member.result["run"]) for member in found.members)
    tiles, fit = found.members[0].result.get("tiles"), trained.fit
    facts = ExportFacts(found.name, size, runs, __version__, fit=fit, tiles=tiles)
    least = trained.tile_top if trained.has_tiles and trained.tile_pooling != "max" else 1
    content = to_bytes(program_of(network, size, least), facts)
    exported, expected = read_predictor(content), as_predictor(network)
    difference = ensure_equal(exported, expected, sample.images)
    write_bytes(file, content)

    if found.is_cell:
        print(f"the mean of {len(folders)} of {found.folds} folds")
    what = "images" if tiles is None else "tiles"
    speeds = [f"{images_per_second(each, sample.images):.0f} {what}/s" for each in (expected, exported)]
    print(f"checked  {len(sample.images)} {what} of {sample.name}: probabilities as PyTorch's to {difference:.1g}")
    print(f"speed    PyTorch {speeds[0]}, the file {speeds[1]} (CPU, threads: {threads()})")
    print(f"written  {file}, {len(content) / 1e6:.1f} MB")


def main() -> None:
    run_command(export, "export", ExportSettings)


if __name__ == "__main__":
    main()
