"""Iterate over the files of folders and archives. Damaged, unsafe or too large archives raise a LeanetError.

tarfile's own filter guards extraction. Here nothing is extracted: members are read as a stream, of zip and tar alike.
"""

import bz2
import gzip
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from leanet.data.files import is_system
from leanet.errors import LeanetError

BLOCK = 1 << 20
_HEADER_MOST = 1 << 26  # bytes; real tar headers are much smaller, and tarfile reads them into memory
ARCHIVE = re.compile(r"\.(zip|tar|tgz|txz|tbz2?|tar\.(gz|xz|bz2))$", re.IGNORECASE)
NOT_READ = re.compile(r"\.(rar|7z)$", re.IGNORECASE)
_STARTS = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without members
    b"\x1f\x8b": "gz",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bz2",
    b"Rar!\x1a\x07": "rar",
    b"7z\xbc\xaf\x27\x1c": "7z",
}
_OPEN: dict[str, Callable[[Path], Any]] = {
    "gz": gzip.open,
    "xz": lzma.open,
    "bz2": bz2.open,
    "tar": lambda p: p.open("rb"),
}


@dataclass
class Budget:
    """Limits for unpacking archives. Bytes are counted during unpacking, since declared sizes may be wrong.

    Args:
        max_gb: the largest unpacked size in GB.
        max_members: the largest number of members.
        bytes: unpacked so far.
        members: seen so far.
    """

    max_gb: float
    max_members: int
    bytes: int = 0
    members: int = 0

    def spend(self, count: int) -> None:
        """Count unpacked bytes; LeanetError if they are too many."""
        self.bytes += count
        if self.bytes > self.max_gb * 1e9:
            raise LeanetError(f"max_gb={self.max_gb:g}: the archive unpacks to more; if you trust it, allow more")

    def member(self) -> None:
        """Count a member; LeanetError if there are too many."""
        self.members += 1
        if self.members > self.max_members:
            raise LeanetError(f"max_members={self.max_members}: the archive has more; if you trust it, allow more")


@dataclass(frozen=True)
class Member:
    """A file of a folder or an archive.

    Args:
        name: POSIX path relative to the folder or archive.
        open: returns an open file.
        special: what it is, if it is not a regular file that can be read, such as "a link".
        size: declared size in bytes; None if unknown.
        path: of a file on disk.
    """

    name: str
    open: Callable[[], Any]
    special: str = ""
    size: int | None = None
    path: Path | None = None


def of_folder(root: Path) -> Iterator[Member]:
    """Iterate over the files below a folder, sorted in each folder; hidden folders are left out."""
    entered: set[str] = set()
    for top, folders, files in os.walk(root, followlinks=True, onerror=_raise):
        real = os.path.realpath(top)
        # A link to a parent folder would never end.
        folders[:] = [] if real in entered else sorted(name for name in folders if not is_hidden(name))
        for name in sorted(files) if real not in entered else []:
            path = Path(top, name)
            special = "" if path.is_file() else "not a regular file"  # opening a pipe would block
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            yield Member(_printable(relative), partial(path.open, "rb"), special, path=path)
        entered.add(real)


def of_archive(archive: Path, shown: str, budget: Budget) -> Iterator[Member]:
    """Iterate over the files of a zip or tar archive, without unpacking it to disk.

    Args:
        archive: the file; its content decides on the format, not its suffix.
        shown: its name in messages.
        budget: limits, in which members and bytes are counted.

    Raises:
        LeanetError: another format, a member outside of its folder, or too many members or bytes.
    """
    with archive.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
    kind = next((kind for magic, kind in _STARTS.items() if start.startswith(magic)), None)
    if kind in ("rar", "7z"):
        raise LeanetError(f"{shown}: leanet does not read .{kind}; unpack it yourself and give the folder")
    if kind is None and not _is_tar(start):
        what = "a web page" if start.lstrip()[:1] == b"<" else "no archive that leanet reads"
        raise LeanetError(f"{shown}: {what}; give a .zip, .tar, .tar.gz, .tar.xz or .tar.bz2, or a folder")
    return _of_zip(archive, shown, budget) if kind == "zip" else _of_tar(archive, shown, kind or "tar", budget)


def _of_zip(archive: Path, shown: str, budget: Budget) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            budget.member()
            name = _inside(info.filename, shown)
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            special = "" if kind in (0, stat.S_IFREG) else "a link or a device"
            if info.flag_bits & 1:
                special = "encrypted"
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                special = "packed in a rare way"
            yield Member(name, partial(file.open, info), special, info.file_size)


def _of_tar(archive: Path, shown: str, kind: str, budget: Budget) -> Iterator[Member]:
    with _OPEN[kind](archive) as file:
        data: Any = _Counted(file, budget)
        with tarfile.open(fileobj=data, mode="r:", tarinfo=_StrictInfo) as tar:
            for info in tar:
                budget.member()
                name = _inside(info.name, shown)
                if not info.isdir():
                    special = "" if info.isreg() else "a link" if info.issym() or info.islnk() else "a device"
                    yield Member(name, partial(tar.extractfile, info), special)
        while data.read(BLOCK):  # nothing follows the end of a tar, but reading on verifies gzip's checksum
            pass


class _Counted:
    """The stream that tarfile reads. It reads forwards and counts all bytes, skipped ones too."""

    def __init__(self, data: BinaryIO, budget: Budget) -> None:
        self.data, self.budget = data, budget

    def read(self, count: int) -> bytes:
        if count > _HEADER_MOST:
            raise tarfile.ReadError("a header of absurd size")
        block = self.data.read(count)
        self.budget.spend(len(block))
        return block

    def seek(self, position: int) -> None:
        while (left := position - self.data.tell()) > 0 and self.read(min(left, BLOCK)):
            pass
        if left < 0:
            self.data.seek(position)

    def tell(self) -> int:
        return self.data.tell()


class _StrictInfo(tarfile.TarInfo):
    """Raises an error for damaged or missing headers, which tarfile would treat as the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictInfo":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
                raise
            raise tarfile.ReadError(str(error)) from error


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _inside(name: str, archive: str) -> str:
    """The name of a member as a relative POSIX path; LeanetError if it points outside of the archive's folder."""
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", path) or "\0" in path:
        raise LeanetError(f"{archive}: refused, since {name!r} in it leads out of its folder; get it from elsewhere")
    return _printable("/".join(parts))


def _printable(name: str) -> str:
    """The name with `?` for line breaks and for bytes that are not text."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def is_hidden(name: str) -> bool:
    """Whether a file or one of its folders is hidden or was created by a system, as `is_system`."""
    return any(is_system(part) for part in name.split("/"))


def unpacked(path: str) -> str:
    """The folder into which an archive would be unpacked: its path without .zip, .tar.gz etc."""
    return ARCHIVE.sub("", path)


@contextmanager
def damage_reported(archive: str) -> Iterator[None]:
    """A context that raises LeanetError for the exceptions of libraries on damaged archives.

    Args:
        archive: its name in the message.
    """
    try:
        yield
    except (
        *(EOFError, struct.error, zlib.error, lzma.LZMAError, ValueError, RuntimeError),
        *(zipfile.BadZipFile, tarfile.TarError, OSError),
    ) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's; gzip and bz2 set none
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LeanetError(f"{archive}: damaged or cut off ({reason}); download it again") from error


def _raise(error: OSError) -> None:
    raise error
