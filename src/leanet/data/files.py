"""Find image files below a folder, and classify the files that are left out."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from leanet.storage.files import JOURNAL, PREDICTION

# Formats that decode.py reads. GIF has only 256 colours, and Pillow does not report the colour spaces of AVIF and
# JPEG 2000, so that their colours could be wrong.
_IMAGES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"})
_HEIC = frozenset({".heic", ".heif", ".hif"})  # need the extra `heic`
_PICTURES = "avif dib exr gif hdr ico j2k jp2 jpx jxl pbm pgm ppm tga"
_CAMERAS = "3fr arw cr2 cr3 dng erf kdc mrw nef nrw orf pef raf raw rw2 sr2 srw x3f"
_EDITORS, _INSTRUMENTS = "ai eps psb psd svg xcf", "dcm fits"
_NOT_READ = frozenset(f".{name}" for names in (_PICTURES, _CAMERAS, _EDITORS, _INSTRUMENTS) for name in names.split())
READS = "JPEG, PNG, TIFF, BMP or WebP"
HEIC_EXTRA = "HEIC, which needs pip install 'leanet[heic]'"
HEIC_BRANDS = frozenset({b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1"})  # bytes 4…11 of HEIC files

# Names of files and folders that systems create, in lower case; hidden ones (.DS_Store, ._1.png) start with a dot.
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
_OWN_PICTURES = frozenset({"overlays", "reliability.png"})  # written by leanet.predict beside its other files


class Kind(StrEnum):
    """The kind of a file. A system folder or a folder written by leanet counts as one file and is not searched."""

    IMAGE = "images"
    NOT_READ = "of image formats that leanet does not read"
    SYSTEM = "hidden or of a system"
    OWN = "written by leanet"
    CLOSED = "without permission to read"
    OTHER = "other"


Entry = tuple[Kind, Path]


@dataclass(frozen=True)
class Files:
    """The files below one or several folders.

    Args:
        found: kind and path of each file, in no particular order.
    """

    found: tuple[Entry, ...]

    @classmethod
    def below(cls, *folders: Path) -> "Files":
        """Search folders recursively; links to folders are followed."""
        return cls(tuple(entry for folder in folders for entry in _walk(folder)))

    def of(self, kind: Kind) -> list[Path]:
        """The paths of the files of one kind."""
        return [path for known, path in self.found if known is kind]

    @property
    def left_out(self) -> str:
        """One line that counts the files that are not images, by kind; empty if there are none."""
        return told(self.found)


def told(found: Iterable[Entry]) -> str:
    """Count files that are not images, as "3 files left out: 1 hidden or of a system (@eaDir), 2 other (.txt)".

    Args:
        found: kind and path of each file; images are not counted.

    Returns:
        one line; empty if there are only images.
    """
    kinds: dict[Kind, Counter[str]] = {kind: Counter() for kind in Kind if kind is not Kind.IMAGE}
    for kind, path in found:
        if kind is not Kind.IMAGE:
            kinds[kind][_label(kind, path)] += 1
    parts = [f"{labels.total()} {kind} ({_most(labels)})" for kind, labels in kinds.items() if labels]
    total = sum(labels.total() for labels in kinds.values())
    return f"{total} file{'' if total == 1 else 's'} left out: {', '.join(parts)}" if parts else ""


def kind_of(name: str) -> Kind:
    """The kind of a file, from its name only."""
    suffix = Path(name).suffix.lower()
    if is_system(name):
        return Kind.SYSTEM
    if suffix in image_suffixes():
        return Kind.IMAGE
    return Kind.NOT_READ if suffix in _NOT_READ | _HEIC else Kind.OTHER


def is_image(name: str) -> bool:
    """Whether leanet reads a file of that name as an image."""
    return kind_of(name) is Kind.IMAGE


def is_system(name: str) -> bool:
    """Whether a file or folder is hidden, or created by a NAS, Windows, macOS or Linux for its own use."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_own(folder: Path) -> bool:
    """Whether a folder was written by leanet: a prediction, a run, or a folder of runs."""
    if _is_prediction(folder) or (_has(folder, "result.json") and _has(folder, "config.yaml")):
        return True
    return any(next(folder.glob(f"{kind}/*/config.yaml"), None) for kind in ("detectors", "models"))


@cache
def image_suffixes() -> frozenset[str]:
    """The suffixes of image files that leanet reads, in lower case."""
    return _IMAGES | _HEIC if reads_heic() else _IMAGES


@cache
def reads_heic() -> bool:
    """Whether the extra `heic` is installed."""
    return find_spec("pillow_heif") is not None


def why_not_read(name: str) -> str:
    """Why an image of this format is not read, and what to do, for messages."""
    suffix = Path(name).suffix.lower()
    if suffix in _HEIC:
        return HEIC_EXTRA
    return f"{suffix} is not read: save it as {READS}"


def subfolders(folder: Path) -> tuple[list[Path], list[Entry]]:
    """List the folders directly in a folder.

    Returns:
        the folders, sorted by name; and the folders of systems and of leanet, which are left out.
    """
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
        if real in entered:  # a link to a parent folder would never end
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
    """Names of files and folders in `folder` that leanet wrote."""
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
    """The most frequent labels, for messages."""
    shown = [label if label.isprintable() else repr(label) for label, _ in labels.most_common(most)]
    return ", ".join(shown) + (", …" if len(labels) > most else "")
