"""Locks on folders: held by one process of all hosts that share a file system, and never for long by a dead one.

Processes of one host queue at a kernel lock (flock) outside of the folder, which ends with its holder. Whether other
hosts would see such a lock depends on the file system, so the one that has it also needs the folder's lease, made of
nothing but directory operations, which are atomic everywhere:

    .lease/HOST-PID-TOKEN.BEAT      held by that process
    .lease/ empty, or absent        free

- To take it, a directory with one's claim in it is renamed to `.lease`, which the kernel (or the file server) allows
  only where `.lease` is absent or empty. So of many only one gets it, and a lease is never seen half made.
- Its holder counts BEAT up, by renaming its claim, every few seconds.
- Others remove a claim that stands still, and try to take the lease as if it had been given back. A claim's name never
  comes again, so whoever is late, by whatever time, removes nothing: neither a holder that has moved on nor the next.
- A holder that finds its claim gone has lost the lease. It looks before each file that it puts in place.

No clocks are compared: what counts is how often one has looked and seen no change. To be stopped oneself, or to wait
for a frozen file server, is to look once.
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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from leanet.errors import LeanetError
from leanet.storage.private_folder import private_folder

BEAT_SECONDS = 10.0
LOOK_SECONDS = 1.0
SILENT_LOOKS = 60  # a claim that has not changed for so many is a dead one's

_LEASE = ".lease"
_OCCUPIED = {errno.ENOTEMPTY, errno.EEXIST}

Wait = Callable[[], object]


def host() -> str:
    """What tells this machine from others: its name, and for machines of one name when it was started."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{platform.node()}-{boot.read_text()[:8] if boot.exists() else ''}"


@contextmanager
def lock(folder: Path, on_wait: Wait = lambda: None) -> Iterator[None]:
    """Hold `folder` alone among all processes of all hosts; call `on_wait` once if another has it.

    A holder that dies is replaced at once by a process of its host, and within a minute or so by those of others.
    One that stood still for as long, so that another host took it for dead, is told by `ensure_held`.
    What a killed holder was still writing is swept away before the block runs. A lock is its process's alone: a forked
    child does not have it.
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


def tidy(folder: Path) -> None:
    """Clear away what a process of this host left in `folder` when it died, if there is any and nobody else is at it.

    For those who find what they want, and so need no lock.
    """

    def leave() -> None:
        raise BlockingIOError

    if (folder / _LEASE).exists():
        with suppress(BlockingIOError), lock(folder, on_wait=leave):
            pass


def ensure_held(path: Path) -> None:
    """Raise LeanetError if this process locked a folder around `path` and has lost it to another host."""
    path = path.absolute()
    for lease in [lease for lease in _leases if path.is_relative_to(lease.folder)]:
        lease.ensure()


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(".*.part"):
        leftover.unlink(missing_ok=True)
    for stage in folder.glob(f"{_LEASE}-*"):
        _discard(stage)


def _discard(stage: Path) -> None:
    """Remove a directory that was to become a lease, of a killed process or of one that is about to rename it.

    Path by path: through the open directory, the lease that it has become meanwhile could be hit.
    """
    with suppress(OSError):
        for claim in list(stage.iterdir()):
            claim.unlink()
        stage.rmdir()


class _Queue:
    """The kernel's lock for the processes of this host.

    Its file is the host's own, so that a host that cannot be reached blocks no one, and file systems without such locks
    do no harm. Containers or batch jobs may not see each other's files; they then wait for each other's leases, as if
    they were hosts.

    name: the same for two processes only if they cannot have the lock at the same time.
    """

    def __init__(self, folder: Path, on_wait: Wait) -> None:
        name = f"{host()} {folder.resolve()}".encode(errors="surrogateescape")
        self._path = private_folder("locks") / hashlib.sha256(name).hexdigest()[:16]
        while True:
            self._file: BinaryIO = self._path.open("ab")
            self.name = self._locked(on_wait)
            if os.fstat(self._file.fileno()).st_nlink:
                break
            self._file.close()  # the holder we waited for has removed it
        _queues.append(self)

    def _locked(self, on_wait: Wait) -> str:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:  # no such locks, not even here: each process is as good as a host
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
    """A folder's lease, held from its making to `release`."""

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
                f"{self.folder}: another host has taken this over, since this process stood still for too long; "
                "nothing more is written here, and the same command waits for the other"
            )

    def release(self) -> None:
        if self not in _leases:
            return
        _leases.remove(self)
        self._released.set()
        self._thread.join()
        # What cannot be removed has fallen silent; what another host holds by now is not empty.
        with suppress(OSError):
            self._claim(self._beats).unlink(missing_ok=True)
            self._place.rmdir()

    @property
    def _place(self) -> Path:
        return self.folder / _LEASE

    def _claim(self, beats: int) -> Path:
        return self._place / f"{self._name}.{beats}"

    def _wait(self, on_wait: Wait) -> None:
        seen, looks = None, 0
        while True:
            claim = self._claim_seen()
            looks = looks + 1 if claim == seen else 0
            seen = claim
            # We have the queue, so a claim of the same queue was its dead holder's.
            if claim and (claim.startswith(self._queue) or looks >= SILENT_LOOKS):
                (self._place / claim).unlink(missing_ok=True)
                claim = None
            if claim is None and self._take():
                return
            on_wait()
            time.sleep(LOOK_SECONDS)

    def _claim_seen(self) -> str | None:
        """By listing, and not by a file's times, which network file systems remember for up to a minute."""
        try:
            return max((claim.name for claim in self._place.iterdir()), default=None)
        except FileNotFoundError:
            return None

    def _take(self) -> bool:
        """Take the lease if it is free; another may be quicker."""
        stage = self.folder / f"{_LEASE}-{secrets.token_hex(8)}"
        stage.mkdir()
        try:
            (stage / self._claim(0).name).touch()
            with suppress(OSError):  # not all network file systems rename over a directory, even an empty one
                self._place.rmdir()
            stage.rename(self._place)
        except OSError as error:
            # Missing: swept by another, which therefore has the lease, or had it a moment ago.
            if error.errno in _OCCUPIED or isinstance(error, FileNotFoundError):
                return False
            raise
        finally:
            _discard(stage)
        return self._beat()  # False if it was being swept while it was renamed, and came to be empty

    def _beat(self) -> bool:
        """Show that we live, and see whether we still have the lease."""
        with self._beating:
            try:
                self._claim(self._beats).rename(self._claim(self._beats + 1))
            except FileNotFoundError:
                if not self._claim(self._beats + 1).exists():  # where only the server's answer was lost
                    return False
            self._beats += 1
            return True

    def _keep_alive(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with suppress(OSError):  # a server that is away for a moment: the next beat may reach it
                if not self._beat():
                    return


_queues: list[_Queue] = []
_leases: list[_Lease] = []


def _forget() -> None:
    """In a forked child: else the kernel's lock would outlive its holder with it."""
    for queue in _queues:
        queue.forget()
    _queues.clear()
    _leases.clear()


os.register_at_fork(after_in_child=_forget)
