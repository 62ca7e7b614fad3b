"""Other systems, played: what they lack is taken away."""

import subprocess
import sys

import pytest

from leanet.config.commands import COMMANDS

WINDOWS = "import runpy, sys; sys.platform = 'win32'; sys.modules['fcntl'] = None; "
TOLD = "leanet runs on Linux and macOS; on Windows, install it in WSL"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_windows_gets_one_line(command: str) -> None:
    module, script = (f"leanet.{command}", f"leanet-{command}") if command else ("leanet", "leanet")
    for start in (
        f"sys.argv = ['x']; runpy._run_module_as_main('{module}')",
        f"sys.argv = ['C:/Scripts/{script}.exe']; import {module}",
    ):
        found = subprocess.run([sys.executable, "-c", WINDOWS + start], capture_output=True, text=True)
        assert found.returncode == 1
        assert TOLD in found.stderr and found.stderr.count("\n") == 1


def test_on_windows_importing_leanet_says_why_it_cannot_be() -> None:
    found = subprocess.run([sys.executable, "-c", WINDOWS + "import leanet"], capture_output=True, text=True)
    assert found.stderr.endswith(f"ImportError: {TOLD}\n")
