"""Locks on folders, for all processes of all hosts that share a file system. A dead holder is replaced soon.

Processes of one host wait for a kernel lock (flock) outside of the folder, which the kernel releases when its holder
ends. Other hosts may not see such a lock, which depends on the file system. So the process that has it also needs the
folder's lease, which uses only directory operations, since these are atomic on all file systems:

    .lease/HOST-PID-TOKEN.BEAT      held by that process
    .lease/ empty, or absent        free

- To take the lease, a process renames a directory that contains its claim to `.lease`. The kernel (or the file server)
  allows this only if `.lease` is absent or empty, so that only one process succeeds.
- The holder increases BEAT every few seconds by renaming its claim.
- Other processes remove a claim that does not change, and try to take the lease as if it were free. A claim's name is
  never used again, so a process that is late removes neither a holder whose BEAT has changed nor the next holder.
- A holder whose claim is gone has lost the lease. It checks this before each file that it renames into place.

Clocks of different machines are not compared: a waiting process counts how often it saw the same claim. If it was
suspended, or waited for a file server, that counts as once.
"""

import errno
import fcntl
import functools
import hashlib
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from leanet.errors import LeanetError
from leanet.storage.private_folder import private_folder

BEAT_SECONDS = 10.0
LOOK_SECONDS = 1.0
SILENT_LOOKS = 60  # after as many looks without a change, the holder of a claim is considered dead

LEASE = ".lease"
_OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}

Wait = Callable[[], object]


def host() -> str:
    """An identifier of this machine: its name and, since names are not unique, its boot ID."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{platform.node()}-{boot.read_text()[:8] if boot.exists() else ''}"


@contextmanager
def lock(folder: Path, on_wait: Wait = lambda: None) -> Iterator[None]:
    """A context in which this process alone, of all processes of all hosts, holds a folder.

    If the holder dies, a process of its host replaces it at once, one of another host after about a minute. A holder
    that was suspended for so long that another host took over gets an error from `ensure_held`. Temporary files of a
    killed holder are removed before the block runs. A forked child does not inherit the lock.

    Args:
        folder: is created if needed.
        on_wait: called once if another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wait_once = functools.cache(on_wait)
    queue = _Queue(folder, wait_once)
    try:
        lease = _Lease(folder, queue.name, wait_once)
        try:
            _sweep(folder)
            yield
        finally:
            lease.release()
    finally:
        queue.release()


@contextmanager
def lock_if_free(folder: Path) -> Iterator[bool]:
    """As `lock`, without waiting: the context's value says whether this process holds the folder."""

    def leave() -> None:
        raise BlockingIOError

    with ExitStack() as entered:
        try:
            entered.enter_context(lock(folder, on_wait=leave))
        except BlockingIOError:
            yield False
            return
        yield True


def is_held(folder: Path) -> bool:
    """Whether another process holds a folder. What a killed process of this host left in it is removed."""
    if not (folder / LEASE).exists():
        return False
    with lock_if_free(folder) as is_free:
        return not is_free


def tidy(folder: Path) -> None:
    """Remove what a killed process of this host left in a folder, unless another process holds it.

    For processes that only read the folder and so do not lock it.
    """
    is_held(folder)


def ensure_held(path: Path) -> None:
    """Raise LeanetError if this process locked a folder around `path` and another host has taken over the lock."""
    path = path.absolute()
    for lease in [lease for lease in _leases if path.is_relative_to(lease.folder)]:
        lease.ensure()


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(".*.part"):
        leftover.unlink(missing_ok=True)
    for stage in folder.glob(f"{LEASE}-*"):
        _discard(stage)


def _discard(stage: Path) -> None:
    """Remove a directory that was prepared as a lease, of a killed process or of one that is about to rename it.

    Entries are removed by path: an open directory handle could already refer to the lease.
    """
    with suppress(OSError):
        for claim in list(stage.iterdir()):
            claim.unlink()
        stage.rmdir()


class _Queue:
    """The kernel lock for the processes of this host.

    Its file is in a local folder, so that an unreachable host blocks no one, and shared file systems without such locks
    work too. Containers or batch jobs that do not see each other's local files wait for each other's leases, like
    separate hosts.

    Attributes:
        name: equal for two processes only if they cannot hold the lock at the same time.
    """

    def __init__(self, folder: Path, on_wait: Wait) -> None:
        name = f"{host()} {folder.resolve()}".encode(errors="surrogateescape")
        self._path = private_folder("locks") / hashlib.sha256(name).hexdigest()[:16]
        while True:
            self._file: BinaryIO = self._path.open("ab")
            self.name = self._locked(on_wait)
            if os.fstat(self._file.fileno()).st_nlink:
                break
            self._file.close()  # the previous holder has removed the file
        _queues.append(self)

    def _locked(self, on_wait: Wait) -> str:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:  # the local file system has no locks: treat each process as a host
            return f"{host()}-{secrets.token_hex(8)}"
        found = os.fstat(self._file.fileno())
        return f"{host()}-{found.st_dev:x}-{found.st_ino:x}"

    def release(self) -> None:
        if self in _queues:
            _queues.remove(self)
            self._path.unlink(missing_ok=True)
            self._file.close()

    def forget(self) -> None:
        self._file.close()


class _Lease:
    """A folder's lease, held from construction to `release`."""

    def __init__(self, folder: Path, queue: str, on_wait: Wait) -> None:
        self.folder = folder.absolute()
        self._queue = f"{queue}-"
        self._name = f"{queue}-{os.getpid()}-{secrets.token_hex(8)}"
        self._beats = 0
        self._beating = threading.Lock()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name=f"lease of {folder}", daemon=True)
        self._wait(on_wait)
        self._thread.start()
        _leases.append(self)

    def ensure(self) -> None:
        if not self._beat():
            raise LeanetError(
                f"{self.folder}: another host has taken this over, since this process was suspended for too long; "
                "nothing more is written here; give the same command again to wait for the other process"
            )

    def release(self) -> None:
        if self not in _leases:
            return
        _leases.remove(self)
        self._released.set()
        self._thread.join()
        # Errors do no harm: a claim that cannot be removed no longer changes, and another host's lease is not empty.
        with suppress(OSError):
            self._claim(self._beats).unlink(missing_ok=True)
            self._place.rmdir()

    @property
    def _place(self) -> Path:
        return self.folder / LEASE

    def _claim(self, beats: int) -> Path:
        return self._place / f"{self._name}.{beats}"

    def _wait(self, on_wait: Wait) -> None:
        seen, looks = None, 0
        while True:
            claim = self._claim_seen()
            looks = looks + 1 if claim == seen else 0
            seen = claim
            # This process has the kernel lock, so another claim with the same lock is a dead process's.
            if claim and (claim.startswith(self._queue) or looks >= SILENT_LOOKS):
                (self._place / claim).unlink(missing_ok=True)
                claim = None
            if claim is None and self._take():
                return
            on_wait()
            time.sleep(LOOK_SECONDS)

    def _claim_seen(self) -> str | None:
        """The current claim, by listing: network file systems cache a file's times for up to a minute."""
        try:
            return max((claim.name for claim in self._place.iterdir()), default=None)
        except FileNotFoundError:
            return None

    def _take(self) -> bool:
        """Try to take the lease; False if another process was faster."""
        stage = self.folder / f"{LEASE}-{secrets.token_hex(8)}"
        stage.mkdir(parents=True)  # leanet.clean may have removed the folder
        try:
            (stage / self._claim(0).name).touch()
            with suppress(OSError):  # some network file systems do not rename over an empty directory
                self._place.rmdir()
            stage.rename(self._place)
        except OSError as error:
            # If `stage` is missing, another process removed it, which has or had the lease.
            if error.errno in _OCCUPIED or isinstance(error, FileNotFoundError):
                return False
            raise
        finally:
            _discard(stage)
        return self._beat()  # False if another process emptied it during the rename

    def _beat(self) -> bool:
        """Rename the claim to show that this process is alive; False if the lease is lost."""
        with self._beating:
            try:
                self._claim(self._beats).rename(self._claim(self._beats + 1))
            except FileNotFoundError:
                if not self._claim(self._beats + 1).exists():  # else only the server's answer was lost
                    return False
            self._beats += 1
            return True

    def _keep_alive(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with suppress(OSError):  # a server that is unreachable for a moment may be back at the next beat
                if not self._beat():
                    return


_queues: list[_Queue] = []
_leases: list[_Lease] = []


def _forget() -> None:
    """Close locks in a forked child, which would otherwise keep the kernel lock after its holder has ended."""
    for queue in _queues:
        queue.forget()
    _queues.clear()
    _leases.clear()


os.register_at_fork(after_in_child=_forget)
