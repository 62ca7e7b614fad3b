"""A dataset's folder with a list of what belongs in it: it appears whole or not at all, and can be checked."""

import csv
import hashlib
import io
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from leanet.data.files import Files, Kind
from leanet.data.images import NEGATIVE, POSITIVE
from leanet.data.readers import open_file
from leanet.errors import LeanetError
from leanet.published.archives import WantedFile
from leanet.storage.files import as_cell, read_json, write_json, write_text
from leanet.storage.locks import ensure_held

FOLDERS = {NEGATIVE: "Negative", POSITIVE: "Positive"}  # as ImageFolder looks for them
_COLUMNS = ("class", "file", "source", "sha256", "bytes")
_MANIFEST, _ORIGIN = "MANIFEST.csv", "ORIGIN.json"


def write_dataset(folder: Path, staging: Path, drawn: dict[int, tuple[WantedFile, ...]], facts: dict[str, Any]) -> None:
    """Copy the drawn images to `staging`, list them, and rename that to `folder`, which must be absent or empty.

    `facts` say where the images come from; they are kept beside them.

    Raises:
        LeanetError: a file of the source changed since it was drawn.
    """
    rows = []
    for label, images in drawn.items():
        (staging / FOLDERS[label]).mkdir(parents=True)
        nth: Counter[str] = Counter()
        for image in images:
            name = f"{FOLDERS[label]}/{_name(image, nth[image.sha256])}"
            nth[image.sha256] += 1
            _copy(image, staging / name)
            rows.append((FOLDERS[label], name, as_cell(image.source), image.sha256, image.bytes))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_COLUMNS, *sorted(rows)])
    write_text(staging / _MANIFEST, text.getvalue())
    write_json(staging / _ORIGIN, facts)
    ensure_held(staging)
    staging.rename(folder)


def check_dataset(folder: Path, facts: dict[str, Any]) -> dict[int, int]:
    """The number of images of each class in a folder that `write_dataset` made.

    Raises:
        LeanetError: naming what differs: `folder` is not such a folder, was drawn otherwise, or was changed since.
    """
    mend = "move that folder away and give the command again"
    if not (folder / _MANIFEST).exists():
        raise LeanetError(f"{folder}: there is such a folder, which leanet.prepare did not make; {mend}")
    made = read_json(folder / _ORIGIN) or {}
    for key in ("dataset", "draw_seed"):
        if made.get(key) != facts[key]:
            raise LeanetError(f"{folder}: made with {key}={made.get(key)}, not {facts[key]}; {mend}")
    listed = _listed(folder / _MANIFEST)
    differences = list(_differences(folder, listed))
    if differences:
        shown = ", ".join(differences[:3]) + (", ..." if len(differences) > 3 else "")
        raise LeanetError(f"{folder}: {len(differences)} files differ from {_MANIFEST}: {shown}; {mend}")
    counts = Counter(name.partition("/")[0] for name in listed)
    return {label: counts[name] for label, name in FOLDERS.items()}


def _differences(folder: Path, listed: dict[str, str]) -> Iterator[str]:
    images = Files.below(*(folder / name for name in FOLDERS.values())).of(Kind.IMAGE)
    there = {path.relative_to(folder).as_posix() for path in images}
    yield from (f"missing {name}" for name in sorted(set(listed) - there))
    yield from (f"added {name}" for name in sorted(there - set(listed)))
    for name in sorted(there & set(listed)):
        if _sha256(folder / name) != listed[name]:
            yield f"changed {name}"


def _listed(manifest: Path) -> dict[str, str]:
    """SHA-256 of each file in the manifest."""
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            return {row["file"]: row["sha256"] for row in csv.DictReader(file)}
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise LeanetError(f"{manifest}: not a list that leanet.prepare wrote; move the folder away") from error


def _name(image: WantedFile, nth: int) -> str:
    """A name for people that no other image of the class has, whatever the file system makes of case."""
    path = PurePosixPath(image.source)
    stem = re.sub(r"[^A-Za-z0-9._()-]+", "_", f"{path.parent.name}_{path.stem}")[-80:].strip("._-") or "image"
    copy = f"-{nth + 1}" if nth else ""
    return f"{stem}-{image.sha256[:12]}{copy}{path.suffix.lower()}"


def _copy(image: WantedFile, target: Path) -> None:
    shutil.copyfile(image.path, target)
    if _sha256(target) != image.sha256:
        raise LeanetError(f"{image.path}: changed while it was read; give the command again when it is at rest")


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
