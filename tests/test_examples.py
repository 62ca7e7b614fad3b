"""Every example runs as it stands, leaves nothing behind, and is short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TESTED_WITH_AN_EXPORTED_FILE = {"onnx_predict.py"}  # see test_export.py


@pytest.mark.parametrize("file", sorted({file.name for file in EXAMPLES.glob("*.py")} - TESTED_WITH_AN_EXPORTED_FILE))
def test_runs_and_says_something(file: str, tmp_path: Path) -> None:
    found = subprocess.run([sys.executable, EXAMPLES / file], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    figures = [float(figure) for figure in re.findall(r"\d+\.\d+", found.stdout)]
    assert figures and all(figure > 0 for figure in figures)
    assert not list(tmp_path.iterdir())


def test_are_short() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in EXAMPLES.glob("*.py")}
    assert lines.pop("lea_net.py") < 70 and max(lines.values()) < 35
