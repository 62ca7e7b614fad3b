"""The command as people give it, and its files as they use them: without leanet, without PyTorch."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from leanet.data.decode import decode
from leanet.data.resize import resized
from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.export import export
from leanet.model import checking
from leanet.model.pipeline import ensemble_of, pipeline_of
from leanet.storage.files import read_json
from leanet.train import train

Configure = Callable[..., dict[str, Any]]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def home(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fold of a cell of photographs, lying in `photos` beside the runs. They are wide, and padded."""
    home = tmp_path_factory.mktemp("export")
    leaves = SyntheticLeaves(image_size=32, negatives=12, positives=6).load(home)
    for number, (pixels, label) in enumerate(zip(leaves.images, leaves.labels, strict=True)):
        file = home / "photos" / ("Positive" if label else "Negative") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.moveaxis(pixels[:, 5:27], 0, -1)).save(file)
    train(config_of(configure, home, 1))
    return home


def config_of(configure: Configure, home: Path, fold: int) -> dict[str, Any]:
    words = ["adn=cnn", "caan=direct", "colorizer=autoencoder", "trainer.max_epochs=1", "colorizer.max_epochs=1"]
    target = {"_target_": "leanet.data.folder.ImageFolder", "name": "photos", "root": str(home / "photos")}
    return {**configure(home / "runs", *words, f"fold={fold}"), "dataset": {**target, "image_size": 32, "fit": "pad"}}


def exported(home: Path, **words: str) -> tuple[Path, str]:
    """The file that leanet.export wrote, and what it said."""
    given = {"run": None, "format": "onnx", "out": None, "trust": False, "paths": {"runs": str(home / "runs")}}
    said = io.StringIO()
    with redirect_stdout(said):
        export({**given, **words})
    (file,) = (home / "runs/exports").glob("*")
    return file.rename(home / file.name), said.getvalue()


@pytest.fixture(scope="module")
def onnx_file(home: Path) -> tuple[Path, str]:
    return exported(home, run=read_json(fold(home, 1) / "result.json")["run"])


def fold(home: Path, number: int) -> Path:
    (folder,) = home.glob(f"runs/detectors/*-fold{number}-*")
    return folder


def without_leanet(*words: object) -> str:
    """What a Python prints that cannot import leanet, whichever way that is installed here."""
    hide = "import sys, runpy; sys.modules['leanet'] = None; sys.argv = sys.argv[1:]; "
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", f"{hide}runpy.run_path(sys.argv[0], run_name='__main__')", *map(str, words)]
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_example_says_of_photographs_what_the_run_said(home: Path, onnx_file: tuple[Path, str]) -> None:
    file, said = onnx_file
    assert "checked  18 images of photos" in said and "images/s" in said and " MB" in said
    with (fold(home, 1) / "predictions.csv").open(newline="") as rows:
        kept = {row["file"]: float(row["adn"]) for row in csv.DictReader(rows)}
    paths = [home / "photos" / name for name in kept]
    lines = without_leanet(ROOT / "examples/onnx_predict.py", file, *paths).splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(path) for path in paths]
    np.testing.assert_allclose([float(line.split("\t")[1]) for line in lines], list(kept.values()), atol=1e-5)
    assert np.ptp(list(kept.values())) > 1e-3


def test_the_example_decodes_as_training_does(home: Path, onnx_file: tuple[Path, str]) -> None:
    paths = [home / name for name in ("turned.jpg", "clear.png", "grey.png")]
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(noise[..., :3]).resize((700, 500)).save(paths[0], exif=exif)
    Image.fromarray(noise).save(paths[1])
    Image.fromarray(noise[..., 0]).save(paths[2])
    pixels = np.stack([resized(decode(path), 32, "pad") for path in paths])
    with torch.inference_mode():
        expected = pipeline_of(fold(home, 1))(torch.from_numpy(pixels)).probability
    lines = without_leanet(ROOT / "examples/onnx_predict.py", onnx_file[0], *paths).splitlines()
    np.testing.assert_allclose([float(line.split("\t")[1]) for line in lines], expected, atol=1e-4)


PT2 = """
import json, sys, numpy, torch
facts = {"leanet.json": ""}
program = torch.export.load(sys.argv[1], extra_files=facts).module()
found = program(torch.from_numpy(numpy.load(sys.argv[2])))
found = {name: value.tolist() for name, value in found.items()}
print(json.dumps({"facts": json.loads(facts["leanet.json"]), **found}))
"""


@pytest.mark.slow
def test_a_cell_as_a_torch_program_needs_nothing_but_torch(home: Path, configure: Configure) -> None:
    train(config_of(configure, home, 2))
    folders = [fold(home, 1), fold(home, 2)]
    results = [read_json(folder / "result.json") for folder in folders]
    file, said = exported(home, run=results[0]["cell"], format="torch")
    assert file.suffix == ".pt2" and "the mean of 2 of 2 folds" in said
    script, images = home / "use.py", home / "images.npy"
    script.write_text(PT2)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.save(images, pixels)
    found = json.loads(without_leanet(script, file, images))
    with torch.inference_mode():
        expected = ensemble_of(folders)(torch.from_numpy(pixels).movedim(-1, 1))
    for name, value in zip(("probability", "anomaly_map", "attention_map"), expected, strict=True):
        np.testing.assert_allclose(np.array(found[name]), value, atol=1e-4, rtol=2e-3)
    assert found["facts"]["runs"] == [result["run"] for result in results]
    assert found["facts"]["threshold"] == 0.5 and found["facts"]["image_size"] == 32
    assert found["facts"]["fit"] == "pad"


def test_a_file_that_says_something_else_is_not_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "TOLERANCE", -1.0)
    with pytest.raises(LeanetError, match=r"differ from PyTorch's by .* nothing was written"):
        exported(home, run=str(fold(home, 1)), format="torch")
    assert not list((home / "runs").glob("exports/*"))


def test_without_its_images_it_is_checked_on_painted_leaves(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "runs", tmp_path / "runs")
    config = next(tmp_path.glob("runs/detectors/*-fold1-*/config.yaml"))
    config.write_text(config.read_text().replace(str(home / "photos"), str(tmp_path / "gone")))
    file, said = exported(tmp_path, run=str(config.parent), format="torch")
    assert "32 images of painted leaves" in said and file.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run=null"], r"give run=RUN: a run's or a model's folder, name or hash, or a cell's hash"),
        (["run=nothing"], r"run=nothing: no such folder, .*"),
        (["run=nothing", "format=pickle"], r"format=pickle: must be onnx or torch"),
        (
            ["run=nothing", "fromat=onnx"],
            r"fromat is no setting, did you mean format\? --help lists all",
        ),
        (["run={fold}", "out=leaves.bin"], r"out=leaves.bin: format=onnx is kept in a file \.onnx"),
    ],
    ids=str,
)
def test_mistakes_are_told_in_one_line(words: list[str], told: str, python: Any, home: Path) -> None:
    given = [word.format(fold=fold(home, 1)) for word in words]
    found = python("-m", "leanet.export", f"paths.runs={home / 'runs'}", *given, cwd=home)
    assert found.returncode == 1 and found.stdout == ""
    assert re.fullmatch(f"leanet: {told}\n", found.stderr)


def test_what_is_not_installed_is_named_without_importing_torch(home: Path) -> None:
    code = (
        "import importlib.util as util, sys; real = util.find_spec;"
        "util.find_spec = lambda name, *rest: None if name == 'onnxscript' else real(name, *rest);"
        "from leanet.export import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, f"paths.runs={home / 'runs'}", f"run={fold(home, 1)}"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 1
    assert (
        found.stderr == "leanet: format=onnx needs onnxscript, which is not installed: pip install 'leanet[export]'\n"
    )
