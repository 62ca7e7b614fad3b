"""What takes space under `paths.runs`, by kind, and its safe removal. Imports no torch.

Only files that can be made again, or that a finished result does not need, are of a kind. All others are kept.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leanet.storage.locks import LEASE, is_held, lock_if_free
from leanet.storage.run_files import CHECKPOINT, COLORIZER_WEIGHTS, DETECTORS, FEATURE_WEIGHTS, MODELS, RESULT

COLORIZERS, FEATURES, IMAGES = "colorizers", "features", "images"

KINDS = {  # by name: what removing it costs
    "images": "decoded images; the next command that needs them decodes them again from the image files",
    "features": "features of frozen networks; the next run or figure that needs them computes them again",
    "maps": "anomaly maps; the next run or picture that needs them makes them again, without training",
    "checkpoints": "networks of finished runs; predict, export and ablate need these runs trained again",
    "unfinished": "folders of runs and colorizers that were stopped; they then start again from the beginning",
    "temporary": "files that killed processes left; nothing is lost",
}
SHARED = ("images", "features", "maps")  # which a run that is being trained may be reading


@dataclass(frozen=True)
class Part:
    """The files of one kind in one folder.

    Args:
        kind: a key of `KINDS`.
        folder: whose lock is needed to remove them.
        files: with their sizes in bytes.
        whole: whether the folder itself is removed too.
    """

    kind: str
    folder: Path
    files: dict[Path, int]
    whole: bool = False

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(self.files.values())


def parts_of(home: Path) -> list[Part]:
    """All parts under `paths.runs`, in the order of `KINDS`; a file is in one part at most.

    Args:
        home: `paths.runs`.
    """
    found = [*_arrays(home), *_of_fits(home)]
    order = list(KINDS)
    return sorted((part for part in found if part.files), key=lambda part: (order.index(part.kind), part.folder))


def size_of(folder: Path) -> tuple[int, int]:
    """The number of files in a folder and its subfolders, and their size in bytes; links are not followed."""
    sizes = _files(folder.rglob("*")).values()
    return len(sizes), sum(sizes)


def in_training(home: Path) -> Path | None:
    """The folder of a run or colorizer that another process is training; None if there is none."""
    folders = (folder for kind in (DETECTORS, MODELS, COLORIZERS) for folder in _folders(home / kind))
    return next((folder for folder in folders if is_held(folder)), None)


def remove(parts: Sequence[Part], home: Path, say: Callable[[str], object] = print) -> tuple[int, int]:
    """Remove parts, except those that another process is using.

    The lock of a folder is taken without waiting. While a run is being trained, what it may share with others is left
    alone: images, features and maps.

    Args:
        parts: as `parts_of` returns them.
        home: `paths.runs`.
        say: receives lines that say what is left alone.

    Returns:
        the number of files that were removed, and their size in bytes.
    """
    count = size = 0
    shared = [kind for kind in SHARED if any(part.kind == kind for part in parts)]
    if shared and (training := in_training(home)):
        say(f"left alone: all {', '.join(shared)}: {training.name} is being trained and may need them")
        parts = [part for part in parts if part.kind not in shared]
    for part in parts:
        with lock_if_free(part.folder) as is_locked:
            if not is_locked:
                say(f"left alone: {part.kind} in {part.folder}: another process is using the folder")
                continue
            gone = _removed(part)
        if part.whole:
            with suppress(OSError):  # another process may have begun there
                part.folder.rmdir()
        count, size = count + len(gone), size + sum(gone.values())
    return count, size


def _removed(part: Part) -> dict[Path, int]:
    """Remove the files of a part whose lock is held, and return them."""
    if part.kind == "checkpoints" and not (part.folder / RESULT).exists():
        return {}  # since it was listed, its result was removed to repeat the run
    if not part.whole:
        for file in part.files:
            file.unlink(missing_ok=True)
        return part.files
    if not _is_unfinished(part.folder):
        return {}  # it was finished in the meantime
    files = _files(part.folder.rglob("*"))
    for path in part.folder.iterdir():
        if path.name == LEASE:  # held by this process
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return files


def _is_unfinished(folder: Path) -> bool:
    if folder.parent.name == COLORIZERS:
        return (folder / CHECKPOINT).exists() and not (folder / COLORIZER_WEIGHTS).exists()
    return not (folder / RESULT).exists()


def _arrays(home: Path) -> Iterator[Part]:
    yield Part("images", home / IMAGES, _files(p for p in (home / IMAGES).glob("*") if p.suffix in (".npy", ".npz")))
    yield Part("temporary", home / IMAGES, _leftovers(home / IMAGES))
    for folder in _folders(home / FEATURES):
        yield Part("features", folder, _files(folder.glob("*.npy")))  # the seconds beside them are kept
        yield Part("temporary", folder, _leftovers(folder))


def _of_fits(home: Path) -> Iterator[Part]:
    for kind in (DETECTORS, MODELS, COLORIZERS):
        for folder in _folders(home / kind):
            if _is_unfinished(folder):
                yield Part("unfinished", folder, _files(folder.rglob("*")), whole=True)
                continue
            if kind == DETECTORS:
                yield Part("checkpoints", folder, _files([folder / CHECKPOINT]))
            if kind == COLORIZERS and _has_makers(folder):
                yield Part("maps", folder, _files(folder.glob("maps-*.npy")))
            yield Part("temporary", folder, _leftovers(folder))


def _has_makers(folder: Path) -> bool:
    """Whether all map makers of the maps in a folder are kept. With cross-fitting, they are in `-partN-` folders."""
    weights = (COLORIZER_WEIGHTS, FEATURE_WEIGHTS)
    if any((folder / file).exists() for file in weights):
        return True
    name = folder.name.rpartition("-")[0]
    parts = [other for other in _folders(folder.parent) if other.name.startswith(f"{name}-part")]
    return bool(parts) and all(any((other / file).exists() for file in weights) for other in parts)


def _folders(home: Path) -> list[Path]:
    return sorted(path for path in home.glob("*") if path.is_dir() and not path.is_symlink())


def _files(paths: Iterator[Path] | Sequence[Path]) -> dict[Path, int]:
    found = {}
    for path in paths:
        with suppress(OSError):  # removed in the meantime
            if path.is_file() and not path.is_symlink():
                found[path] = path.stat().st_size
    return found


def _leftovers(folder: Path) -> dict[Path, int]:
    return _files(folder.glob(".*.part"))
