"""Every example runs, the longest one with fewer images, leaves nothing behind, and is short."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

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


def test_are_short() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in EXAMPLES.glob("*.py")}
    assert lines.pop("lea_net.py") < 70 and max(lines.values()) < 35
