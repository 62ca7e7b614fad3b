"""Archives as they come, and as somebody with bad intentions would build them."""

import gzip
import hashlib
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from leanet.errors import LeanetError
from leanet.published.archive_files import Budget
from leanet.published.archives import Reader

FILES = {"top/good/a.png": b"A" * 5000, "top/bad/b.png": b"B" * 3000, "top/bad/notes.txt": b"no image"}
TARS = {"tar": "w:", "tar.gz": "w:gz", "tar.xz": "w:xz", "tar.bz2": "w:bz2"}


class GoodAndBad:
    """Images in `good` are negatives, those in `bad` positives."""

    def label(self, path: str) -> int | None:
        parts = path.split("/")
        return {"good": 0, "bad": 1}.get(parts[-2]) if path.endswith(".png") else None

    def excluded(self, path: str) -> bool:
        return "left-out" in path


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w:", *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def unpacked(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def read(source: Path, max_gb: float = 1, max_members: int = 1000) -> dict[str, tuple[int, bytes]]:
    """Class and bytes of what is found, by its name in the source; checks what the reader says of each."""
    spool = source.parent / "spool"
    spool.mkdir(exist_ok=True)
    found = Reader(GoodAndBad(), spool, Budget(max_gb, max_members)).read(source)
    for image in found:
        data = image.path.read_bytes()
        assert (image.sha256, image.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    return {image.source: (image.label, image.path.read_bytes()) for image in found}


def wanted(before: str = "") -> dict[str, tuple[int, bytes]]:
    return {f"{before}{name}": (int("bad" in name), data) for name, data in FILES.items() if name.endswith("png")}


def check_refused(source: Path, *parts: str, **limits: float) -> None:
    """Reading must fail in one line that has the parts, and leave nothing outside the spool."""
    before = set(source.parent.rglob("*"))
    with pytest.raises(LeanetError) as caught:
        read(source, **limits)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)
    made = set(source.parent.rglob("*")) - before
    assert all(path.is_relative_to(source.parent / "spool") for path in made)
    assert not any(path.is_symlink() for path in made)


@pytest.mark.parametrize("kind", [*TARS, "zip"])
def test_kinds_are_told_by_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "archive.dat"
    tarred(path, FILES, TARS[kind]) if kind in TARS else zipped(path, FILES)
    assert read(path) == wanted()
    unpacked_names = {file.name for file in (tmp_path / "spool").iterdir()}
    assert unpacked_names == {hashlib.sha256(data).hexdigest() for _, data in wanted().values()}


def test_a_folder_is_read_in_place(tmp_path: Path) -> None:
    source = unpacked(tmp_path / "source", FILES)
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    assert read(source) == wanted()
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*")} == before
    assert not list((tmp_path / "spool").iterdir())


def test_what_systems_leave_behind_is_left_out(tmp_path: Path) -> None:
    left = {"__MACOSX/top/good/._a.png": b"x", "top/good/.hidden.png": b"x", ".Trash/good/c.png": b"x"}
    assert read(zipped(tmp_path / "a.zip", FILES | left)) == wanted()
    assert read(unpacked(tmp_path / "source", FILES | left)) == wanted()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_within_an_archive_is_read(tmp_path: Path, kind: str) -> None:
    inner = tmp_path / f"inner.{kind}"
    inner = zipped(inner, FILES) if kind == "zip" else tarred(inner, FILES, TARS[kind])
    files = {f"all/inner.{kind}": inner.read_bytes(), "all/left-out.zip": b"PK\x03\x04 damaged"}
    expected = wanted(f"all/inner.{kind}/")
    assert read(zipped(tmp_path / "outer.zip", files)) == expected
    assert read(tarred(tmp_path / "outer.tar.xz", files, "w:xz")) == expected
    assert read(unpacked(tmp_path / "folder", files)) == expected


def test_archives_for_the_classes_are_read_as_folders_of_that_name(tmp_path: Path) -> None:
    good, bad = zipped(tmp_path / "g", {"a.png": b"A"}), zipped(tmp_path / "b", {"b.png": b"B"})
    outer = zipped(tmp_path / "outer.zip", {"good.zip": good.read_bytes(), "bad.zip": bad.read_bytes()})
    assert read(outer) == {"good.zip/a.png": (0, b"A"), "bad.zip/b.png": (1, b"B")}


def test_archives_within_are_left_alone_where_both_classes_are_there(tmp_path: Path) -> None:
    assert read(zipped(tmp_path / "a.zip", FILES | {"good/more.zip": b"PK\x03\x04 damaged"})) == wanted()


@pytest.mark.parametrize("name", ["../good/x.png", "top/../../good/x.png", "/good/x.png", "C:/good/x.png", "..\\x.png"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for path in (zipped(home / "a.zip", FILES | {name: b"evil"}), tarred(home / "a.tar", FILES | {name: b"evil"})):
        check_refused(path, path.name, "refused", "leads out of its folder")
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


@pytest.mark.parametrize(
    ("member", "what"),
    [
        (special("good/x.png", tarfile.SYMTYPE, "/etc/passwd"), "a link"),
        (special("good/x.png", tarfile.LNKTYPE, "../../etc/passwd"), "a link"),
        (special("good/x.png", tarfile.CHRTYPE), "a device"),
        (special("good/x.png", tarfile.FIFOTYPE), "a device"),
    ],
    ids=["symlink", "hardlink", "device", "pipe"],
)
def test_links_and_devices_are_refused(tmp_path: Path, member: tarfile.TarInfo, what: str) -> None:
    check_refused(tarred(tmp_path / "a.tar.gz", FILES, "w:gz", member), "good/x.png", what)


def test_links_that_are_not_wanted_are_passed_over(tmp_path: Path) -> None:
    links = special("latest", tarfile.SYMTYPE, "/etc"), special("readme", tarfile.LNKTYPE, "top/bad/notes.txt")
    assert read(tarred(tmp_path / "a.tar", FILES, "w:", *links)) == wanted()


def test_files_written_through_a_link_stay_inside(tmp_path: Path) -> None:
    """The old trick: a link to a folder outside, then a file below the link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    path = tmp_path / "home/a.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as archive:
        archive.addfile(special("good", tarfile.SYMTYPE, str(outside)))
        archive.addfile(info := tarfile.TarInfo("good/x.png"), io.BytesIO())
        assert info.size == 0
        for name, data in FILES.items():
            (info := tarfile.TarInfo(name)).size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert read(path) == wanted()
    assert not list(outside.iterdir())


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", FILES)
    info = zipfile.ZipInfo("good/x.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    check_refused(path, "good/x.png", "a link or a device")


def test_a_pipe_in_a_folder_is_refused_and_not_opened(tmp_path: Path) -> None:
    source = unpacked(tmp_path / "source", FILES)
    os.mkfifo(source / "top/good/x.png")
    check_refused(source, "top/good/x.png", "not a regular file")


def test_a_link_to_a_folder_above_is_not_walked_for_ever(tmp_path: Path) -> None:
    source = unpacked(tmp_path / "source", FILES)
    (source / "top/loop").symlink_to(source)
    assert read(source) == wanted()


ZEROS = bytes(5_000_000)


@pytest.mark.parametrize("kind", [*TARS, "zip"])
def test_bombs_end_at_the_limit(tmp_path: Path, kind: str) -> None:
    """Every byte counts that is really unpacked, in tars also those passed over."""
    name = "top/good/zeros.png" if kind == "zip" else "top/zeros.dat"
    path = tmp_path / "a.dat"
    tarred(path, {name: ZEROS} | FILES, TARS[kind]) if kind in TARS else zipped(path, {name: ZEROS} | FILES)
    check_refused(path, "max_gb=0.002", "unpacks to more", max_gb=0.002)
    assert sum(file.stat().st_size for file in (tmp_path / "spool").iterdir()) < 4_000_000
    assert set(wanted()) <= set(read(path, max_gb=0.006))


def test_a_bomb_within_an_archive_ends_at_the_limit(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner", {"good/zeros.png": ZEROS})
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": inner.read_bytes()})
    check_refused(outer, "max_gb=0.002", max_gb=0.002)


def test_a_size_declared_too_small_does_not_help_a_bomb(tmp_path: Path) -> None:
    path = lying(zipped(tmp_path / "a.zip", FILES | {"good/zeros.png": ZEROS}), b"good/zeros.png", 10)
    check_refused(path, "damaged", max_gb=0.002)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_too_many_members_end_at_the_limit(tmp_path: Path, kind: str) -> None:
    files = {f"top/good/{number}.png": b"x" for number in range(30)} | {f"n{number}": b"" for number in range(30)}
    path = zipped(tmp_path / "a", files) if kind == "zip" else tarred(tmp_path / "a", files)
    check_refused(path, "max_members=59", max_members=59)
    assert len(read(path, max_members=60)) == 30


def test_a_header_of_absurd_size_does_not_fill_the_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
    check_refused(path, "absurd size")


def lying(path: Path, name: bytes, size: int) -> Path:
    """The zip with another unpacked size for a member, in both of its headers."""
    data = bytearray(path.read_bytes())
    local, central = data.index(name) - 30, data.rindex(name) - 46
    assert data[local : local + 4] == b"PK\x03\x04" and data[central : central + 4] == b"PK\x01\x02"
    data[local + 22 : local + 26] = data[central + 24 : central + 28] = struct.pack("<I", size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [10, 4999, 5001, 1 << 31])
def test_lying_sizes_are_damage(tmp_path: Path, size: int) -> None:
    check_refused(lying(zipped(tmp_path / "a.zip", FILES), b"top/good/a.png", size), "a.zip", "damaged")


def test_encrypted_zips_are_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    check_refused(path, "top/good/a.png: encrypted", "unpack it yourself and give the folder")


def test_rare_compressions_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("good/a.png", b"A" * 100)
    check_refused(tmp_path / "a.zip", "packed in a rare way", "unpack it yourself")


# Not compressible, so that every place in the archive is one of some file.
NOISE = {name: os.urandom(20_000) for name in ("top/good/a.png", "top/bad/b.png", "top/good/c.png")}


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("kind", [*TARS, "zip"])
def test_archives_that_are_cut_off_are_told(tmp_path: Path, kind: str, part: float) -> None:
    path = tmp_path / "archive.dat"
    tarred(path, NOISE, TARS[kind]) if kind in TARS else zipped(path, NOISE)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    check_refused(path, "archive.dat", "damaged or cut off", "download it again")


def test_a_tar_cut_off_between_two_files_is_told(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", NOISE)
    with tarfile.open(path) as archive:
        end = archive.getmembers()[-1].offset
    path.write_bytes(path.read_bytes()[:end])
    check_refused(path, "damaged or cut off")


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "tar.bz2", "zip"])
def test_changed_bytes_are_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.dat"
    tarred(path, NOISE, TARS[kind]) if kind in TARS else zipped(path, NOISE)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    check_refused(path, "damaged")


def test_a_damaged_header_does_not_end_a_tar(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", NOISE)
    with tarfile.open(path) as archive:
        offset = archive.getmembers()[1].offset
    data = bytearray(path.read_bytes())
    data[offset + 150] ^= 0x07  # in the checksum
    path.write_bytes(data)
    check_refused(path, "damaged")


@pytest.mark.parametrize(
    ("start", "parts"),
    [
        (b"Rar!\x1a\x07\x01\x00" + bytes(600), ["does not read .rar; unpack it yourself and give the folder"]),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), ["does not read .7z; unpack it yourself and give the folder"]),
        (b"\n<!DOCTYPE html><html>log in" + b" " * 600, ["a web page", "give a .zip, .tar"]),
        (b"", ["no archive that leanet reads"]),
        (b"image" * 200, ["no archive that leanet reads"]),
    ],
    ids=["rar", "7z", "web page", "empty", "other"],
)
def test_other_files_are_told(tmp_path: Path, start: bytes, parts: list[str]) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(start)
    check_refused(path, "a.zip", *parts)


@pytest.mark.parametrize("build", [zipped, unpacked], ids=["zip", "folder"])
def test_archives_within_that_cannot_be_read_are_noted(
    tmp_path: Path, build: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    source = build(tmp_path / "a", {"all/images.rar": b"Rar!", "readme.txt": b""})
    (tmp_path / "spool").mkdir()
    reader = Reader(GoodAndBad(), tmp_path / "spool", Budget(1, 100))
    assert reader.read(source) == []
    assert reader.not_read == {"all/images.rar"}


def test_empty_images_are_left_out_and_noted(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    reader = Reader(GoodAndBad(), tmp_path / "spool", Budget(1, 100))
    found = reader.read(zipped(tmp_path / "a.zip", FILES | {"good/nothing.png": b""}))
    assert reader.empty == ["good/nothing.png"]
    assert {image.source for image in found} == set(wanted())


def test_names_that_are_no_text_or_have_line_breaks_are_shown_in_one_line(tmp_path: Path) -> None:
    odd = {"good/a\nb.png": b"A", os.fsdecode(b"bad/\xff.png"): b"B"}
    expected = {"good/a?b.png": (0, b"A"), "bad/?.png": (1, b"B")}
    assert read(tarred(tmp_path / "a.tar", odd)) == expected
    assert read(unpacked(tmp_path / "folder", odd)) == expected
    check_refused(tarred(tmp_path / "b.tar", {}, "w:", special("good/x\ny.png", tarfile.FIFOTYPE)), "good/x?y.png")
