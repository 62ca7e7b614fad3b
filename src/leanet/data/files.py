"""Which files below a folder are images, and which are left out."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from leanet.storage.files import JOURNAL, PREDICTION

# What the readers of decode.py read. GIF (256 colours), AVIF and JPEG 2000 (whose colour spaces Pillow does not tell)
# would be read with colours that may be wrong.
_IMAGES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"})
_HEIC = frozenset({".heic", ".heif", ".hif"})  # with the extra
_PICTURES = "avif dib exr gif hdr ico j2k jp2 jpx jxl pbm pgm ppm tga"
_CAMERAS = "3fr arw cr2 cr3 dng erf kdc mrw nef nrw orf pef raf raw rw2 sr2 srw x3f"
_EDITORS, _INSTRUMENTS = "ai eps psb psd svg xcf", "dcm fits"
_NOT_READ = frozenset(f".{name}" for names in (_PICTURES, _CAMERAS, _EDITORS, _INSTRUMENTS) for name in names.split())
READS = "JPEG, PNG, TIFF, BMP or WebP"
HEIC_EXTRA = "HEIC, which needs pip install 'leanet[heic]'"
HEIC_BRANDS = frozenset({b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1"})  # how HEIC files begin, from byte 4 on

# Names that systems leave behind, in lower case; hidden ones (.DS_Store, ._1.png, .Trash-1000) are known by their dot.
_SYSTEM = frozenset(
    {
        *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot", "@__thumb"),  # QNAP
        *("$recycle.bin", "system volume information", "found.000"),  # Windows
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
        *("__macosx", "icon\r", "network trash folder", "temporary items"),  # macOS
        *("lost+found", "~snapshot"),  # Linux, NetApp
    }
)
_OWN_PICTURES = frozenset({"overlays", "reliability.png"})  # which leanet.predict writes beside its other files


class Kind(StrEnum):
    """What a file is. A system folder and a folder that leanet wrote count as one file, and are not searched."""

    IMAGE = "images"
    NOT_READ = "of image formats that leanet does not read"
    SYSTEM = "hidden or of a system"
    OWN = "written by leanet"
    CLOSED = "without permission to read"
    OTHER = "other"


Entry = tuple[Kind, Path]


@dataclass(frozen=True)
class Files:
    """The files below a folder, in no order."""

    found: tuple[Entry, ...]

    @classmethod
    def below(cls, *folders: Path) -> "Files":
        return cls(tuple(entry for folder in folders for entry in _walk(folder)))

    def of(self, kind: Kind) -> list[Path]:
        return [path for known, path in self.found if known is kind]

    @property
    def left_out(self) -> str:
        """How many files of each kind are no images, in one line; empty where there are none."""
        return told(self.found)


def told(found: Iterable[Entry]) -> str:
    """As `Files.left_out`: "3 files left out: 1 hidden or of a system (@eaDir), 2 other (.txt, .json)"."""
    kinds: dict[Kind, Counter[str]] = {kind: Counter() for kind in Kind if kind is not Kind.IMAGE}
    for kind, path in found:
        if kind is not Kind.IMAGE:
            kinds[kind][_label(kind, path)] += 1
    parts = [f"{labels.total()} {kind} ({_most(labels)})" for kind, labels in kinds.items() if labels]
    total = sum(labels.total() for labels in kinds.values())
    return f"{total} file{'' if total == 1 else 's'} left out: {', '.join(parts)}" if parts else ""


def kind_of(name: str) -> Kind:
    """The kind of a file by its name."""
    suffix = Path(name).suffix.lower()
    if is_system(name):
        return Kind.SYSTEM
    if suffix in image_suffixes():
        return Kind.IMAGE
    return Kind.NOT_READ if suffix in _NOT_READ | _HEIC else Kind.OTHER


def is_image(name: str) -> bool:
    """Whether a file of that name is an image that is read."""
    return kind_of(name) is Kind.IMAGE


def is_system(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a NAS, Windows, macOS or Linux leaves behind."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_own(folder: Path) -> bool:
    """Whether leanet wrote the folder: a prediction, a run, or a folder of runs."""
    if _is_prediction(folder) or (_has(folder, "result.json") and _has(folder, "config.yaml")):
        return True
    return any(next(folder.glob(f"{kind}/*/config.yaml"), None) for kind in ("detectors", "models"))


@cache
def image_suffixes() -> frozenset[str]:
    """The suffixes of files that are read, in lower case."""
    return _IMAGES | _HEIC if reads_heic() else _IMAGES


@cache
def reads_heic() -> bool:
    return find_spec("pillow_heif") is not None


def why_not_read(name: str) -> str:
    """Why an image of a format that is not read is left out, and what to do."""
    suffix = Path(name).suffix.lower()
    if suffix in _HEIC:
        return HEIC_EXTRA
    return f"{suffix} is not read: save it as {READS}"


def subfolders(folder: Path) -> tuple[list[Path], list[Entry]]:
    """The folders directly in `folder`, by name; and those of systems and of leanet, which are left out."""
    folders, left_out = [], []
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if is_system(path.name):
            left_out.append((Kind.SYSTEM, path))
        elif is_own(path):
            left_out.append((Kind.OWN, path))
        else:
            folders.append(path)
    return folders, left_out


def _walk(folder: Path) -> Iterator[Entry]:
    """Every file below `folder`, through links too."""
    entered: set[str] = set()
    closed: list[OSError] = []
    for top, folders, files in os.walk(folder, followlinks=True, onerror=closed.append):
        here, real = Path(top), os.path.realpath(top)
        if real in entered:  # a link to a folder above would be walked for ever
            folders.clear()
            continue
        entered.add(real)
        own = _own_in(here, folders, files)
        yield from ((Kind.OWN, here / name) for name in sorted(own))
        yield from ((Kind.SYSTEM, here / name) for name in folders if is_system(name))
        yield from ((kind_of(name), here / name) for name in files if name not in own)
        folders[:] = [name for name in folders if name not in own and not is_system(name)]
    yield from ((Kind.CLOSED, Path(error.filename)) for error in closed)


def _own_in(folder: Path, folders: list[str], files: list[str]) -> set[str]:
    """The names in `folder` of what leanet wrote there."""
    own = {name for name in folders if is_own(folder / name)}
    return own | _OWN_PICTURES & {*folders, *files} if _is_prediction(folder) else own


def _is_prediction(folder: Path) -> bool:
    return _has(folder, PREDICTION) or _has(folder, JOURNAL)


def _has(folder: Path, name: str) -> bool:
    return os.path.exists(folder / name)  # noqa: PTH110  # Path.exists raises where a folder cannot be read


def _label(kind: Kind, path: Path) -> str:
    if kind in (Kind.SYSTEM, Kind.OWN, Kind.CLOSED):
        return "._*" if path.name.startswith("._") else path.name
    suffix = path.suffix.lower() or "without a suffix"
    return f"{suffix}, which needs pip install 'leanet[heic]'" if suffix in _HEIC else suffix


def _most(labels: Counter[str], most: int = 5) -> str:
    """The most frequent of the labels."""
    shown = [label if label.isprintable() else repr(label) for label, _ in labels.most_common(most)]
    return ", ".join(shown) + (", …" if len(labels) > most else "")
