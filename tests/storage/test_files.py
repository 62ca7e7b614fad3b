import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import pytest

from leanet.errors import LeanetError
from leanet.storage import files as store
from leanet.storage.files import (
    as_cell,
    identity,
    read_array,
    read_json,
    write_array,
    write_atomically,
    write_json,
    write_text,
)
from leanet.storage.locks import lock

HALF_WRITTEN = """
import sys, time
from pathlib import Path
from leanet.storage.files import write_atomically

def write(file):
    file.write(b"half of the ne")
    file.flush()
    print("half", flush=True)
    time.sleep(60)

write_atomically(Path(sys.argv[1]) / "kept", write)
"""


def start(script: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"half of the ne")
        raise RuntimeError

    (tmp_path / "kept").write_text("old")
    with pytest.raises(RuntimeError):
        write_atomically(tmp_path / "kept", write)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"kept": "old"}


def test_what_is_written_replaces_the_old_and_has_the_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/kept"
    for text in (b"old", b"new"):
        write_atomically(path, lambda file, text=text: file.write(text))  # type: ignore[misc]
    (tmp_path / "ordinary").touch()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_an_array_is_written_where_the_system_is_not_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr(store, "_BLOCK", 7)
    expected = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    write_array(tmp_path / "kept.npy", (3, 4, 5), np.float32, lambda array: np.copyto(array, expected))
    np.testing.assert_array_equal(read_array(tmp_path / "kept.npy"), expected)
    assert (tmp_path / "kept.npy").stat().st_size == 128 + expected.nbytes


def test_a_kill_while_writing_leaves_the_old_file_and_the_next_lock_sweeps(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("old")
    with start(HALF_WRITTEN, tmp_path) as writer:
        assert line(writer) == "half"
        writer.kill()
    assert len(list(tmp_path.glob(".kept.*.part"))) == 1
    with lock(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {"kept", ".lease"}
        assert (tmp_path / "kept").read_text() == "old"


def test_json_comes_back_and_a_missing_file_is_none(tmp_path: Path) -> None:
    value = {"f1": 0.5, "caan": None, "folds": [1, 2], "name": "ü"}
    write_json(tmp_path / "kept.json", value)
    assert read_json(tmp_path / "kept.json") == value == json.loads((tmp_path / "kept.json").read_bytes())
    assert read_json(tmp_path / "missing/none.json") is None


def test_identity_is_that_of_the_sorted_json() -> None:
    # printf '{"a":[1,null],"b":{"c":true,"d":0.5}}' | sha256sum
    assert identity({"b": {"d": 0.5, "c": True}, "a": [1, None]}) == "f39315dbad1a"


@pytest.mark.parametrize(
    "other", [{"a": 2, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1}, {"a": 1, "b": "x", "c": None}, {"a": "1", "b": "x"}]
)
def test_identity_changes_with_every_fact(other: dict[str, Any]) -> None:
    assert identity(other) != identity({"a": 1, "b": "x"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), io.BytesIO()])
def test_what_is_no_json_has_no_identity(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        identity({"lr": value})


def test_an_array_is_filled_in_its_file_and_read_without_changing_it(tmp_path: Path) -> None:
    def fill(array: Any) -> None:
        array[:] = np.arange(24, dtype=np.float16).reshape(2, 3, 4)

    write_array(tmp_path / "kept.npy", (2, 3, 4), np.float16, fill)
    np.testing.assert_array_equal(np.load(tmp_path / "kept.npy"), np.arange(24).reshape(2, 3, 4))
    read_array(tmp_path / "kept.npy")[:] = 0
    assert read_array(tmp_path / "kept.npy").dtype == np.float16
    assert read_array(tmp_path / "kept.npy").sum() == 276
    write_array(tmp_path / "none.npy", (0, 3), np.uint8, lambda array: None)
    assert np.load(tmp_path / "none.npy").shape == (0, 3)


def test_an_array_for_which_there_is_no_room_is_an_error_before_it_is_filled(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"large\.npy"):
        write_array(tmp_path / "large.npy", (1 << 58,), np.uint8, lambda array: pytest.fail("filled"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00"])
def test_damaged_json_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "result.json"
    assert read_json(file) is None
    file.write_bytes(content)
    with pytest.raises(LeanetError, match=rf"^{file}: damaged; remove it, and give the command that made it once"):
        read_json(file)


@pytest.mark.parametrize("kept", [0, 5, 60, 200])
def test_a_damaged_array_is_named_with_what_to_do(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "maps.npy"
    np.save(file, np.zeros((4, 4)))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(LeanetError, match=rf"^{file}: damaged; remove it, and give the command that made it once"):
        read_array(file)


def test_names_may_be_long_or_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / f"{'l' * 250}.txt"
    write_text(path, os.fsdecode(b"\xff \xc3\xbc"))
    assert path.read_text(encoding="utf-8") == "\\udcff ü"


@pytest.mark.parametrize("name", ["=1+1.png", "+.png", "-.png", "@a.png", "\t.png", "\r.png"])
def test_a_cell_is_no_formula_and_the_same_file(name: str) -> None:
    assert as_cell(name) == f"./{name}"
    assert Path(as_cell(name)) == Path(name)


@pytest.mark.parametrize("name", ["a=1.png", "./-.png", "Negative/=1.png", "", "ü.png"])
def test_other_cells_stay(name: str) -> None:
    assert as_cell(name) == name
