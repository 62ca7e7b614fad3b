"""Find the wanted files in folders and archives. Names from archives are never used as paths on disk."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from leanet.data.images import NEGATIVE, POSITIVE
from leanet.errors import LeanetError
from leanet.published.archive_files import (
    ARCHIVE,
    BLOCK,
    NOT_READ,
    Budget,
    Member,
    damage_reported,
    is_hidden,
    of_archive,
    of_folder,
    unpacked,
)


class Choice(Protocol):
    """Decides which files are wanted, by their POSIX paths, which begin with the folders that contain the source."""

    def label(self, path: str) -> int | None:
        """The class of a file, 0 or 1; None if it is not wanted."""

    def excluded(self, path: str) -> bool:
        """Whether a file or an archive is never read."""


@dataclass(frozen=True)
class WantedFile:
    """A wanted file.

    Args:
        label: 0 normal or 1 anomalous.
        source: its path in the source, for people.
        path: of its content on disk.
        sha256: of its content.
        bytes: its size.
    """

    label: int
    source: str
    path: Path
    sha256: str
    bytes: int


class Reader:
    """Finds and hashes the wanted files of a source.

    Archives inside the source are read only if otherwise a class has no files.

    Args:
        choice: decides which files are wanted.
        spool: a folder on the same file system, into which files of archives are unpacked.
        budget: limits for unpacking.
        progress: called for each wanted file.

    Attributes:
        found: the wanted files.
        empty: names of wanted files without content, which are left out.
        folders: some folders of files that are not wanted, for messages.
        not_read: archives inside the source in formats that are not read.
    """

    def __init__(self, choice: Choice, spool: Path, budget: Budget, progress: Callable[[], object] = lambda: None):
        self.choice, self.spool, self.budget, self.progress = choice, spool, budget, progress
        self.found: list[WantedFile] = []
        self.empty: list[str] = []
        self.folders: set[str] = set()
        self.not_read: set[str] = set()
        self._archives_within = False

    def read(self, source: Path) -> list[WantedFile]:
        """Find the wanted files of a folder or an archive; their order is not defined.

        Raises:
            LeanetError: an archive that has an unknown format, is damaged, encrypted or unsafe, or exceeds the budget.
        """
        source = Path(os.path.abspath(source))  # noqa: PTH100  # resolve() would replace the names of links
        for within in (False, True):
            if source.is_dir():
                self._members(of_folder(source), source.as_posix(), "", within)
            else:
                self._archive(source, unpacked(source.as_posix()), "", within)
            if not self._archives_within or {found.label for found in self.found} == {NEGATIVE, POSITIVE}:
                break
            self.budget = replace(self.budget, bytes=0, members=0)  # the first pass counted the same members
        return self.found

    def _archive(self, archive: Path, prefix: str, shown: str, within: bool) -> None:
        name = shown or str(archive)
        with damage_reported(name):
            self._members(of_archive(archive, name, self.budget), prefix, shown, within)

    def _members(self, members: Iterator[Member], prefix: str, shown: str, within: bool) -> None:
        """Take the wanted members or, if `within`, the wanted members of inner archives."""
        for member in members:
            name = f"{shown}/{member.name}" if shown else member.name
            path = f"{prefix}/{member.name}"
            if not within:
                self._take(member, path, name)
            elif self._is_archive(member, path):
                inner = member.path or self._unpack(member)[0].replace(self.spool / "inner")
                self._archive(inner, unpacked(path), name, within=False)

    def _is_archive(self, member: Member, path: str) -> bool:
        readable = bool(ARCHIVE.search(path)) and not member.special and not is_hidden(member.name)
        return readable and not self.choice.excluded(path)

    def _note(self, member: Member, path: str, name: str) -> None:
        """Record facts about a file that is not wanted, for messages and for the second pass."""
        if len(self.folders) < 100:
            self.folders.add(str(PurePosixPath(name).parent))
        if NOT_READ.search(path):
            self.not_read.add(name)
        self._archives_within |= self._is_archive(member, path)

    def _take(self, member: Member, path: str, name: str) -> None:
        if is_hidden(member.name):
            return
        label = self.choice.label(path)
        if label is None:
            self._note(member, path, name)
            return
        if member.special:
            raise LeanetError(f"{name}: {member.special}, which leanet refuses; unpack it yourself and give the folder")
        where, sha256, size = self._hash(member)
        if size == 0:
            self.empty.append(name)
        else:
            self.found.append(WantedFile(label, name, where, sha256, size))
        self.progress()

    def _hash(self, member: Member) -> tuple[Path, str, int]:
        if member.path is None:
            part, sha256, size = self._unpack(member)
            return part.replace(self.spool / sha256), sha256, size
        with member.path.open("rb") as data:
            digest, size = hashlib.file_digest(data, "sha256"), data.tell()
        return member.path, digest.hexdigest(), size

    def _unpack(self, member: Member) -> tuple[Path, str, int]:
        """Unpack a member to a file in the spool; returns the file, its SHA-256 and its size."""
        part, digest, size = self.spool / "part", hashlib.sha256(), 0
        with member.open() as data, part.open("wb") as out:
            while block := data.read(BLOCK):
                self.budget.spend(0 if member.size is None else len(block))  # a tar counts all bytes itself
                out.write(block)
                digest.update(block)
                size += len(block)
        if member.size not in (None, size):
            raise zipfile.BadZipFile(f"{member.name} has another size than declared")
        return part, digest.hexdigest(), size
