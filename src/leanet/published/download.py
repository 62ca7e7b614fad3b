"""Download files: interrupted downloads are resumed, and files are kept only if size and SHA-256 are right.

pooch and torch.hub do not resume a download of several gigabytes, nor do several processes share one.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leanet.errors import LeanetError
from leanet.progress import progress
from leanet.storage.files import read_json, write_json
from leanet.storage.locks import ensure_held, lock

if TYPE_CHECKING:
    from requests import Response

_TRIES = 5  # without progress
_PROGRESS = 1 << 20  # bytes that count as progress
_BLOCK = 1 << 18
_TIMEOUT = (15, 60)  # seconds to connect, and between two reads
_FOR_NOW = {408, 425, 429}  # HTTP codes after which, as after 500 and above, another attempt may succeed


class _BrokenError(Exception):
    """The attempt ended early; another one may succeed."""


class _RestartError(_BrokenError):
    """The partial file cannot be continued."""


@dataclass(frozen=True)
class Download:
    """A file to download.

    Args:
        url: its address.
        bytes: its size, which is checked; None if unknown.
        sha256: its hash, which is checked; None if unknown.
        most: the largest number of bytes to download.
        advice: what to do if it cannot be downloaded, for messages.
    """

    url: str
    bytes: int | None = None
    sha256: str | None = None
    most: float = float("inf")
    advice: str = "get it from its publisher"

    def fetch(self, target: Path, on_wait: Callable[[], object] = lambda: None, pause: float = 1.0) -> None:
        """Download the file to `target`, unless it is there already.

        A partial file is kept as `target`.part, and continued if the server still has the same file.

        Args:
            target: of the complete and checked file.
            on_wait: called if another process downloads into the same folder.
            pause: seconds to wait after an attempt without progress; doubled after each further one.

        Raises:
            LeanetError: the server does not have the file, interrupts it repeatedly, or has another one.
        """
        with lock(target.parent, on_wait):
            if target.exists() and self._is_right(target):
                return
            part = _Part(target.with_name(f"{target.name}.part"))
            self._fill(part, pause)
            if not self._is_right(part.path):
                part.remove()
                raise LeanetError(
                    f"{self.url}: size or SHA-256 are not those expected, so the file was removed; "
                    f"give the command again, or {self.advice}"
                )
            ensure_held(target)
            part.path.replace(target)
            part.remove()

    def _fill(self, part: "_Part", pause: float) -> None:
        tries = 0
        while not self._is_complete(part):
            before = part.size
            try:
                if self._attempt(part):
                    return
                problem = "broke off"
            except _BrokenError as error:
                problem = str(error)
                if isinstance(error, _RestartError):
                    part.remove()
            tries = 0 if part.size >= before + _PROGRESS else tries + 1
            if tries == _TRIES:
                raise LeanetError(
                    f"{self.url}: given up after {_TRIES} attempts ({problem}); "
                    f"the same command resumes from {part.size / 1e6:.1f} MB"
                )
            if tries and not self._is_complete(part):
                time.sleep(min(60.0, pause * 2 ** (tries - 1)))

    def _is_complete(self, part: "_Part") -> bool:
        if self.bytes is not None:
            return part.size >= self.bytes
        return self.sha256 is not None and part.size > 0 and _sha256(part.path) == self.sha256

    def _attempt(self, part: "_Part") -> bool:
        """Continue or restart the download; returns whether the server sent the whole file, as far as it is known."""
        import requests
        import urllib3

        try:
            with requests.get(self.url, headers=part.headers(), stream=True, timeout=_TIMEOUT) as response:
                promised = self._begin(part, response)
                self._receive(part, response)
            return self.bytes is None and (promised is None or part.size >= promised)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _BrokenError(_reason(error)) from error
        except requests.RequestException as error:
            raise LeanetError(f"{self.url}: cannot be fetched ({_reason(error)})") from error

    def _begin(self, part: "_Part", response: "Response") -> int | None:
        """Check the response, and empty the part if it is the whole file; returns the size that the server promises."""
        status, headers = response.status_code, response.headers
        if status == 206:
            first, _, total = headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            if first.partition("-")[0] != str(part.size) or part.other(headers):
                raise _RestartError("the server continues another file")
            return int(total) if total.isdigit() else None
        if status == 416:
            raise _RestartError("the server's file is shorter than the part that is there")
        if status != 200:
            if status >= 500 or status in _FOR_NOW:
                raise _BrokenError(f"the server answers {status}")
            raise LeanetError(
                f"{self.url}: the server answers {status} {response.reason}; the file may have moved: {self.advice}"
            )
        part.start(headers)
        length = headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None

    def _receive(self, part: "_Part", response: "Response") -> None:
        most = min(self.most, self.bytes or self.most)
        name = part.path.name.removesuffix(".part")
        with (
            part.path.open("ab") as file,
            progress(label=name, total=self.bytes, unit="B", initial=part.size, unit_scale=True) as bar,
        ):
            # Not decoded, since some servers declare an archive's own compression as a transfer encoding.
            for block in response.raw.stream(_BLOCK, decode_content=False):
                ensure_held(part.path)
                file.write(block)
                bar.update(len(block))
                if file.tell() > most:
                    file.flush()
                    if self.bytes is None:
                        part.remove()
                        raise LeanetError(f"{self.url}: sends more than max_gb allows; if you trust it, allow more")
                    return  # longer than expected, which the check will report

    def _is_right(self, path: Path) -> bool:
        if self.bytes is not None and path.stat().st_size != self.bytes:
            return False
        return self.sha256 is None or _sha256(path) == self.sha256


@dataclass(frozen=True)
class _Part:
    """A partial file, and beside it the server's mark (ETag or Last-Modified) of the complete file."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def _mark(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def headers(self) -> dict[str, str]:
        """Request headers: for the rest of the file if the server still has the same one, else for all of it."""
        headers = {"Accept-Encoding": "identity"}
        mark = read_json(self._mark) if self.size else None
        if mark:
            headers |= {"Range": f"bytes={self.size}-", "If-Range": mark["value"]}
        return headers

    def other(self, headers: Any) -> bool:
        """Whether the response is of another file than the part."""
        mark = read_json(self._mark) or {}
        return bool(mark) and headers.get(mark["header"], mark["value"]) != mark["value"]

    def start(self, headers: Any) -> None:
        """Remove the part, and record the server's mark of the new file."""
        self.remove()
        for header in ("ETag", "Last-Modified"):
            value = headers.get(header)
            if value and not value.startswith("W/"):  # a weak ETag does not guarantee the same bytes
                write_json(self._mark, {"header": header, "value": value})
                break

    def remove(self) -> None:
        """Remove part and mark, the part first, so that no part remains without its mark."""
        ensure_held(self.path)
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    """The message of the innermost of nested errors."""
    while isinstance(inner := getattr(error, "reason", None) or next(iter(error.args), None), Exception):
        error = inner
    return " ".join(str(error).split())[:200] or type(error).__name__
