"""The cache of decoded images, asked for by several processes at once."""

import subprocess
import sys
from pathlib import Path

LOAD = """
import sys, time
import numpy as np
from pathlib import Path
from leanet.data.images import Decoded, Index, load_cached

def decode(images):
    print("decoding", flush=True)
    time.sleep(0.5)
    images[:] = 7
    return Decoded(("a", "b"), np.array([[4, 4], [4, 4]]))

index = Index.of([("a.png", 0, "1"), ("b.png", 1, "2")])
found = load_cached(Path(sys.argv[1]) / "images" / "set.npy", index, 32, decode)
assert (found.images == 7).all() and found.pixels == ("a", "b")
"""


def test_one_process_decodes_and_the_others_wait(tmp_path: Path) -> None:
    leftover = tmp_path / "images/.set-v3.npy.killed.part"  # of a process that was killed while it decoded
    leftover.parent.mkdir()
    leftover.touch()
    command = [sys.executable, "-c", LOAD, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 3
    assert sum("decoding" in each for each in said) == 1
    assert {file.suffix for file in (tmp_path / "images").iterdir()} == {".npy", ".npz"}
