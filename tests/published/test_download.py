"""Downloads from a real server on this machine that breaks off, lies, and changes its mind."""

import hashlib
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from leanet.errors import LeanetError
from leanet.published.download import Download

RANDOM = random.Random(7)  # no chance that a file cut or changed is the file itself
FILE = RANDOM.randbytes(299_999) + b"."
OTHER = RANDOM.randbytes(250_000)
SHA = hashlib.sha256(FILE).hexdigest()

Answer = Callable[["Request", int], None]


class Request(BaseHTTPRequestHandler):
    """One request, answered by the server's `answer` with the number of the request, from 0."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self.close_connection = True
        with self.server.counting:
            number = len(self.server.asked)
            self.server.asked.append(dict(self.headers))
        self.server.answer(self, number)

    def log_message(self, *_: object) -> None:
        pass

    @property
    def start(self) -> int:
        """Where the asked range begins; 0 for the whole file."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def send(self, data: bytes = FILE, etag: str = '"1"', upto: int | None = None, **headers: object) -> None:
        """As a good server does: the rest of `data` where the mark is still its own; broken off at `upto`."""
        start = self.start if self.headers.get("If-Range") == etag else 0
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers = {"ETag": etag, "Content_Length": len(data) - start} | headers
        self.head(206 if start else 200, **{name: value for name, value in headers.items() if value is not None})
        self.wfile.write(data[start:upto])


@pytest.fixture
def server() -> Iterator[Any]:
    """Set `answer`; `asked` has the headers of each request so far, `url` the file's address."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.handle_error = lambda *_: None  # clients that have had enough
    server.asked, server.counting = [], threading.Lock()
    server.url = f"http://127.0.0.1:{server.server_port}/file.zip"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server: Any, tmp_path: Path, answer: Answer, **options: Any) -> Path:
    server.answer = answer
    target = tmp_path / "downloads/file.zip"
    Download(server.url, **({"bytes": len(FILE), "sha256": SHA} | options)).fetch(target, pause=0.001)
    return target


def check_kept(target: Path, data: bytes = FILE) -> None:
    assert target.read_bytes() == data
    assert {path.name for path in target.parent.iterdir()} == {target.name}


def check_failed(server: Any, tmp_path: Path, answer: Answer, *parts: str, kept: int = 0, **options: Any) -> None:
    """Fetching must fail in one line that has the parts; `kept` bytes of the part stay."""
    with pytest.raises(LeanetError) as caught:
        fetch(server, tmp_path, answer, **options)
    assert "\n" not in str(caught.value)
    for part in (server.url, *parts):
        assert part in str(caught.value)
    assert not (tmp_path / "downloads/file.zip").exists()
    part_file = tmp_path / "downloads/file.zip.part"
    assert (part_file.stat().st_size if part_file.exists() else 0) == kept


@pytest.mark.parametrize("late", [False, True])
def test_who_lost_the_folder_to_another_host_leaves_its_part_alone(late: bool, server: Any, tmp_path: Path) -> None:
    part = tmp_path / "downloads/file.zip.part"

    def answer(request: Request, _: int) -> None:
        if late:
            request.head(200, Content_Length=len(FILE))
            request.wfile.write(FILE[:280_000])
            while not part.exists() or not part.stat().st_size:
                time.sleep(0.001)
        shutil.rmtree(tmp_path / "downloads/.lease")
        part.write_bytes(b"theirs")
        request.wfile.write(FILE[280_000:]) if late else request.send()

    with pytest.raises(LeanetError, match="another host has taken this over"):
        fetch(server, tmp_path, answer)
    assert part.read_bytes() == b"theirs"


def test_a_file_is_fetched_once(server: Any, tmp_path: Path) -> None:
    for _ in range(2):
        check_kept(fetch(server, tmp_path, lambda request, _: request.send()))
    assert len(server.asked) == 1
    assert "Range" not in server.asked[0]


@pytest.mark.parametrize("known", [{}, {"bytes": None}, {"sha256": None}, {"bytes": None, "sha256": None}], ids=str)
def test_a_file_that_breaks_off_is_resumed(server: Any, tmp_path: Path, known: dict[str, None]) -> None:
    cuts = [50_000, 180_000, None]
    check_kept(fetch(server, tmp_path, lambda request, number: request.send(upto=cuts[number]), **known))
    assert [headers.get("Range") for headers in server.asked] == [None, "bytes=50000-", "bytes=180000-"]
    assert [headers.get("If-Range") for headers in server.asked] == [None, '"1"', '"1"']


def test_last_modified_serves_where_there_is_no_etag(server: Any, tmp_path: Path) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"

    def answer(request: Request, number: int) -> None:
        if number:
            assert request.headers["If-Range"] == date
            request.head(206, Content_Range=f"bytes 1000-{len(FILE) - 1}/{len(FILE)}", Last_Modified=date)
            request.wfile.write(FILE[1000:])
        else:
            request.send(etag=None, Last_Modified=date, upto=1000)  # type: ignore[arg-type]

    check_kept(fetch(server, tmp_path, answer))
    assert server.asked[1]["Range"] == "bytes=1000-"


def test_the_range_tells_where_nothing_else_does(server: Any, tmp_path: Path) -> None:
    """An answer without a length simply ends where it breaks off."""

    def answer(request: Request, number: int) -> None:
        request.send(Content_Length=None if number else len(FILE), upto=[1000, 2000, None][number])

    check_kept(fetch(server, tmp_path, answer, bytes=None, sha256=None))
    assert len(server.asked) == 3


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_without_a_strong_mark_all_is_fetched_again(server: Any, tmp_path: Path, etag: str | None) -> None:
    check_kept(fetch(server, tmp_path, lambda request, n: request.send(etag=etag, upto=None if n else 5000)))  # type: ignore[arg-type]
    assert "Range" not in server.asked[1]


def test_a_second_command_resumes(server: Any, tmp_path: Path) -> None:
    check_failed(server, tmp_path, lambda request, _: request.send(upto=70_000), "given up after 5", kept=70_000)
    server.asked.clear()
    check_kept(fetch(server, tmp_path, lambda request, _: request.send()))
    assert server.asked[0]["Range"] == "bytes=70000-"


def test_a_server_that_ignores_ranges_sends_all(server: Any, tmp_path: Path) -> None:
    def answer(request: Request, number: int) -> None:
        request.head(200, ETag='"1"', Content_Length=len(FILE))
        request.wfile.write(FILE[: None if number else 100_000])

    check_kept(fetch(server, tmp_path, answer))
    assert server.asked[1]["Range"] == "bytes=100000-"


def test_a_file_that_changes_between_attempts_is_fetched_anew(server: Any, tmp_path: Path) -> None:
    def answer(request: Request, number: int) -> None:
        request.send(FILE, '"2"') if number else request.send(OTHER, '"1"', upto=100_000)

    check_kept(fetch(server, tmp_path, answer))


def test_a_file_that_changes_and_is_continued_all_the_same_is_fetched_anew(server: Any, tmp_path: Path) -> None:
    """A server that knows ranges but not If-Range: only the mark tells."""

    def answer(request: Request, number: int) -> None:
        if request.start:
            request.head(206, ETag='"2"', Content_Range=f"bytes {request.start}-{len(FILE) - 1}/{len(FILE)}")
            request.wfile.write(FILE[request.start :])
        else:
            request.send(FILE, '"2"') if number else request.send(OTHER, '"1"', upto=100_000)

    check_kept(fetch(server, tmp_path, answer, sha256=None))
    assert [headers.get("Range") for headers in server.asked] == [None, "bytes=100000-", None]


def test_a_range_other_than_the_one_asked_for_is_not_taken(server: Any, tmp_path: Path) -> None:
    def answer(request: Request, number: int) -> None:
        if request.start:
            request.head(206, ETag='"1"', Content_Range=f"bytes 99999-{len(FILE) - 1}/{len(FILE)}")
            request.wfile.write(FILE[99_999:])
        else:
            request.send(upto=None if number else 100_000)

    check_kept(fetch(server, tmp_path, answer, bytes=None, sha256=None))


def test_a_part_longer_than_the_file_is_fetched_anew(server: Any, tmp_path: Path) -> None:
    def answer(request: Request, number: int) -> None:
        if request.start:
            request.head(416, Content_Range=f"bytes */{len(FILE)}", Content_Length=0)
        else:
            request.send(upto=None if number else 100_000)

    check_kept(fetch(server, tmp_path, answer))


@pytest.mark.parametrize("length", [10, 299_999, 300_001, 10**12, "lots", None])
def test_the_content_length_is_not_believed(server: Any, tmp_path: Path, length: object) -> None:
    """Too short: the client stops there and asks for the rest. Too long: the connection seems to break off."""
    target = fetch(server, tmp_path, lambda request, number: request.send(Content_Length=None if number else length))
    check_kept(target)


def test_a_lying_length_is_seen_through_by_the_checksum(server: Any, tmp_path: Path) -> None:
    check_kept(fetch(server, tmp_path, lambda request, _: request.send(Content_Length=10**9), bytes=None))
    assert len(server.asked) == 1


def test_a_transfer_encoding_is_not_undone(server: Any, tmp_path: Path) -> None:
    """Servers are known to call a .gz file's own compression one of the transfer."""
    check_kept(fetch(server, tmp_path, lambda request, _: request.send(Content_Encoding="gzip")))


@pytest.mark.parametrize(
    ("data", "known"),
    [(FILE[:-1] + b"x", {}), (FILE[:-1] + b"x", {"bytes": None}), (FILE + b"x" * 10**6, {}), (OTHER, {"bytes": None})],
    ids=["other bytes", "other bytes, size unknown", "too long", "another file"],
)
def test_a_wrong_file_is_removed(server: Any, tmp_path: Path, data: bytes, known: dict[str, None]) -> None:
    answer: Answer = lambda request, _: request.send(data, '"7"')  # noqa: E731
    check_failed(server, tmp_path, answer, "SHA-256", "removed", "do this", advice="do this", **known)
    assert len(server.asked) == 1
    check_kept(fetch(server, tmp_path, lambda request, _: request.send()))


def test_a_damaged_file_that_is_there_is_fetched_again(server: Any, tmp_path: Path) -> None:
    target = tmp_path / "downloads/file.zip"
    target.parent.mkdir()
    target.write_bytes(FILE[:-1] + b"x")
    check_kept(fetch(server, tmp_path, lambda request, _: request.send()))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204])
def test_a_refusal_is_told_at_once(server: Any, tmp_path: Path, status: int) -> None:
    answer: Answer = lambda request, _: request.head(status, Content_Length=0)  # noqa: E731
    check_failed(server, tmp_path, answer, f"answers {status}", "do this", advice="do this")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_passing_trouble_is_tried_again(server: Any, tmp_path: Path, status: int) -> None:
    def answer(request: Request, number: int) -> None:
        request.head(status, Content_Length=0) if number < 3 else request.send()

    check_kept(fetch(server, tmp_path, answer))
    assert len(server.asked) == 4


def test_a_lasting_trouble_is_given_up(server: Any, tmp_path: Path) -> None:
    check_failed(server, tmp_path, lambda request, _: request.head(500, Content_Length=0), "5 attempts", "answers 500")
    assert len(server.asked) == 5


def test_progress_gives_new_attempts(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanet.published.download._PROGRESS", 10_000)
    check_kept(fetch(server, tmp_path, lambda request, number: request.send(upto=15_000 * (number + 1))))
    assert len(server.asked) == 20


def test_a_file_without_end_is_given_up(server: Any, tmp_path: Path) -> None:
    answer: Answer = lambda request, _: request.send(bytes(10**7), Content_Length=None)  # noqa: E731
    check_failed(server, tmp_path, answer, "more than max_gb", bytes=None, sha256=None, most=10**6)


def test_redirects_are_followed(server: Any, tmp_path: Path) -> None:
    def answer(request: Request, number: int) -> None:
        request.send() if number else request.head(302, Location="/other", Content_Length=0)

    check_kept(fetch(server, tmp_path, answer))


def test_a_redirect_without_end_is_told(server: Any, tmp_path: Path) -> None:
    check_failed(server, tmp_path, lambda request, _: request.head(302, Location="/", Content_Length=0), "redirects")


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=r"http://127.0.0.1:1/f: given up after 5 attempts \(.*refused"):
        Download("http://127.0.0.1:1/f").fetch(tmp_path / "f", pause=0.001)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/f", "file:///etc/passwd", "nothing", "http://"])
def test_addresses_that_cannot_be_are_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(LeanetError, match="cannot be fetched"):
        Download(url).fetch(tmp_path / "f", pause=0.001)
