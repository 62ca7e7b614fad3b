"""Read CSV files as spreadsheets save them: any usual separator and encoding, with the number of each row."""

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leanet.errors import LeanetError

_SEPARATORS = ",;\t"
_NO_CSV = {b"PK\x03\x04": "an Excel or OpenDocument file", b"\xd0\xcf\x11\xe0": "an old Excel file"}


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        where: file and line, for messages.
        cells: the text of each known column, without spaces around it; "" if the row is too short.
    """

    where: str
    cells: dict[str, str]


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Read the rows of a CSV file. Empty rows and columns with other names are left out.

    The separator is a comma, a semicolon or a tab. The encoding is UTF-8, UTF-16 with a byte order mark, or else
    Windows-1252, which older spreadsheets write. The names of the columns may be in capitals.

    Args:
        path: of the file.
        required: columns that the file must have.
        optional: columns that it may have.

    Raises:
        LeanetError: the file cannot be read, is not a CSV file, or a column is missing or there twice.
    """
    try:
        text = io.StringIO(_decoded(path, path.read_bytes()), newline="")
        head = text.readline()
        text.seek(0)
        reader = csv.reader(text, delimiter=max(_SEPARATORS, key=head.count))
        names = [name.strip().lower() for name in next(reader, [])]
        columns = _columns(path, names, required, optional)
        return [
            Row(f"{path}, line {reader.line_num}", {name: _cell(row, place) for name, place in columns.items()})
            for row in reader
            if any(cell.strip() for cell in row)
        ]
    except OSError as error:
        raise LeanetError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LeanetError(f"{path}: not a CSV file ({error}); save the table as CSV in UTF-8") from error


def _decoded(path: Path, content: bytes) -> str:
    for begins, kind in _NO_CSV.items():
        if content.startswith(begins):
            raise LeanetError(f"{path}: {kind}; save the table as CSV in UTF-8")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")


def _columns(path: Path, names: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> dict[str, int]:
    """The place of each known column."""
    missing = [name for name in required if name not in names]
    if missing:
        there = ", ".join(filter(None, names)) or "none"
        raise LeanetError(f"{path}: no column {', '.join(missing)}; its columns are {there}")
    known = [name for name in (*required, *optional) if name in names]
    for name in known:
        if names.count(name) > 1:
            raise LeanetError(f"{path}: two columns named {name}")
    return {name: names.index(name) for name in known}


def _cell(row: Sequence[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""
