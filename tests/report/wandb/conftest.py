"""W&B's offline files, read back: what `wandb sync` would send."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from wandb.proto.wandb_internal_pb2 import Record

from leanet.runs.run import Run
from leanet.storage.files import write_json, write_text
from leanet.storage.run_files import COLORIZER_FACTS

_BLOCK, _FILE_HEADER, _HEADER = 32768, 7, 7  # the log format of LevelDB, after W&B's own mark
_FULL, _FIRST, _LAST = 1, 2, 4


@dataclass
class Told:
    """One offline run.

    history: what was logged, with `_step`.
    """

    id: str = ""
    group: str = ""
    job: str = ""
    name: str = ""
    project: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    files: Path = Path()

    @property
    def facts(self) -> dict[str, Any]:
        """What must be the same, whoever told it."""
        tables = ("predictions", "confusion_table", "folds")
        return {
            "names": (self.id, self.job, self.group, self.name, self.project),
            "config": {key: value for key, value in self.config.items() if key != "_wandb"},
            "figures": {
                key: value
                for key, value in self.summary.items()
                if isinstance(value, float | int) and not key.startswith("_")
            },
            "tables": {key: self.last(key) for key in tables if key in self.summary},
            "sheet": self.last("sheet")["sha256"] if "sheet" in self.summary else None,
        }

    @property
    def curves(self) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k[0] != "_"} for row in self.history if "epoch" in row]

    def last(self, key: str) -> Any:
        """What was logged or summed up under `key` last; of a table, its columns and rows."""
        value = [
            *(row[key] for row in self.history if key in row),
            *([self.summary[key]] if key in self.summary else []),
        ][-1]
        if isinstance(value, dict) and value.get("_type") == "table-file":
            table = json.loads((self.files / value["path"]).read_text())
            return table["columns"], table["data"]
        return value


def chunks(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = _FILE_HEADER
    while place + _HEADER <= len(data):
        if _BLOCK - place % _BLOCK < _HEADER:  # too little of the block is left for a header
            place += _BLOCK - place % _BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        if place + _HEADER + length > len(data):  # the rest is still to be written
            return
        yield kind, data[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length


def records(file: Path) -> Iterator[Record]:
    parts: list[bytes] = []
    for kind, part in chunks(file.read_bytes()):
        parts = [part] if kind in (_FULL, _FIRST) else [*parts, part]
        if kind in (_FULL, _LAST):
            yield Record.FromString(b"".join(parts))


def finished(file: Path, seconds: float = 20) -> list[Record]:
    """The records of a run that was ended; W&B's service may still be writing when it says that it has done so."""
    end = time.monotonic() + seconds
    while True:
        found = list(records(file))
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        assert time.monotonic() < end, f"{file}: of a run that was not ended"
        time.sleep(0.05)


def put(node: dict[str, Any], item: Any) -> None:
    """An item of the configuration, the summary or the history, whose key may be nested."""
    *above, key = list(item.nested_key) or [item.key]
    for name in above:
        node = node.setdefault(name, {})
    node[key] = json.loads(item.value_json)


def told(file: Path) -> Told:
    found = Told(files=file.parent / "files")
    for record in finished(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found.id, found.group, found.job = run.run_id, run.run_group, run.job_type
            found.name, found.project = run.display_name, run.project
            for item in run.config.update:
                put(found.config, item)
        elif kind == "config":
            for item in record.config.update:
                put(found.config, item)
        elif kind == "summary":
            for item in record.summary.update:
                put(found.summary, item)
        elif kind == "history":
            row: dict[str, Any] = {"_step": record.history.step.num}
            for item in record.history.item:
                put(row, item)
            found.history.append(row)
    return found


def read_all(home: Path) -> dict[str, Told]:
    """All offline runs under `home`, by id; an id that is there twice is an error."""
    found = [told(file) for file in sorted(home.glob("*/*/wandb/offline-run-*/*.wandb"))]
    assert len({run.id for run in found}) == len(found)
    return {run.id: run for run in found}


@pytest.fixture(scope="session")
def read_back() -> Any:
    return read_all


LOSSES = ("loss", "adn_loss", "caan_loss")


@pytest.fixture(scope="session")
def losses() -> tuple[str, ...]:
    """The columns of a detector's curves.csv, as `done` writes it."""
    return LOSSES


@pytest.fixture
def done(finish: Any, tmp_path: Path) -> Any:
    """done({1: 0.8, …}, *words) → as `finish`, with the files that runs and their colorizers leave."""

    def made(f1: dict[int, float], *words: str) -> list[Run]:
        last = finish(f1, *words)
        runs = [replace(last, fold=fold) for fold in f1]
        for run in runs:
            curves = f"epoch,{','.join(LOSSES)}\n1,2.5,1.5,1\n2,1.25,0.75,0.5\n"
            write_text(run.folder / "curves.csv", curves)
            predictions = "".join(f"{n}.png,{n:02x},{n % 2},{n / 10},0.5\n" for n in range(10))
            write_text(run.folder / "predictions.csv", f"file,sha256,label,adn,caan\n{predictions}")
            Image.new("RGB", (8, 8), (run.fold, 0, 0)).save(run.folder / "sheet.png")
            write_json(run.maps_folder / COLORIZER_FACTS, {"name": "unet", "seconds": 3.0})
            write_text(run.maps_folder / "curves.csv", "epoch,loss\n1,0.5\n2,0.25\n3,0.125\n")
        return runs

    return made
