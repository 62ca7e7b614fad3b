"""Every example runs, the longest one with fewer images, leaves nothing behind, and is short."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from leanet.config.command_line import composed
from leanet.config.effective import settings_of
from leanet.training.log_names import figures

EXAMPLES = Path(__file__).parents[1] / "examples"
TESTED_WITH_AN_EXPORTED_FILE = {"onnx_predict.py"}  # see test_export.py
FEWER = {"lea_net.py": ("negatives=120, positives=60", "negatives=48, positives=24")}


@pytest.mark.parametrize("file", sorted({file.name for file in EXAMPLES.glob("*.py")} - TESTED_WITH_AN_EXPORTED_FILE))
def test_runs_and_says_something(file: str, python: Any, tmp_path: Path) -> None:
    code = (EXAMPLES / file).read_text()
    if file in FEWER:
        assert FEWER[file][0] in code
        code = code.replace(*FEWER[file])
    found = python("-c", code, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    figures = [float(figure) for figure in re.findall(r"\d+\.\d+", found.stdout)]
    assert figures and figures[-1] > 0  # of so few images F1 may be 0
    assert not list(tmp_path.iterdir())


def test_the_notebook_runs_from_top_to_bottom(python: Any, tmp_path: Path) -> None:
    cells = json.loads((EXAMPLES / "photographs.ipynb").read_text())["cells"]
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found = python("-c", f"{code}\nfigure.savefig('evidence.png')\nprint(found.evidence.shape)", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1].startswith("(56, ") and (tmp_path / "evidence.png").stat().st_size > 10_000


def test_each_value_of_the_wandb_sweep_gives_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is made by W&B itself, as its agent does."""
    monkeypatch.setenv("LEANET_DATA", "data")
    sweep = yaml.safe_load((EXAMPLES / "wandb_sweep.yaml").read_text())
    values = {name: about.get("values", [*about.values()][-1:]) for name, about in sweep["parameters"].items()}
    plain = {name: found[0] for name, found in values.items()}
    for name, found in values.items():
        for value in found:
            given = {key: {"value": one} for key, one in {**plain, name: value}.items()}
            words = create_sweep_command_args({"args": given})["args_no_hyphens"]
            settings = settings_of(composed("train", words))
            assert settings.validation and settings.fold == 1 and settings.logger["_target_"].endswith("WandbLogger")
    assert sweep["command"][-3:] == ["-m", "leanet.train", "${args_no_hyphens}"]
    assert sweep["metric"]["name"] in figures({"validation": {"f1": 1, "auroc": 1, "ap": 1}})


def test_are_short() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in EXAMPLES.glob("*.py")}
    assert lines.pop("lea_net.py") < 70 and max(lines.values()) < 35
