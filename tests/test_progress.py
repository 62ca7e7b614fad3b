import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress

CODE = """
import time
from leanet import progress
progress.LINE_SECONDS = 0.1
for _ in progress.progress(range(20), label="decode", total=20, unit="image"):
    time.sleep(0.02)
"""
COMMAND: Sequence[str] = (sys.executable, "-c", CODE)


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    ended = subprocess.run(COMMAND, capture_output=True, text=True, check=True)
    lines = ended.stderr.splitlines()
    assert 2 <= len(lines) <= 4  # 0.4 s, and none at once
    assert all(re.fullmatch(r"decode: image \d+ of 20, \d\d:\d\d left", line) for line in lines)


def test_a_terminal_shows_a_bar() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    subprocess.run(COMMAND, stderr=theirs, check=True)
    os.close(theirs)
    shown = ""
    with suppress(OSError):  # at the end
        while True:
            shown += os.read(ours, 1 << 16).decode()
    assert "decode: 100%" in shown and "\r" in shown and " left" not in shown
