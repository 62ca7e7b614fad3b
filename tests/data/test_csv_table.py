from pathlib import Path

import pytest

from leanet.data.csv_table import read_table
from leanet.errors import LeanetError

TEXT = "File,Label,Note\nü/a.jpg,1,x\n\nb.jpg , 0\n"
READ = [{"file": "ü/a.jpg", "label": "1"}, {"file": "b.jpg", "label": "0"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_save_is_read(tmp_path: Path, encoding: str, separator: str) -> None:
    (tmp_path / "t.csv").write_bytes(TEXT.replace(",", separator).replace("\n", "\r\n").encode(encoding))
    rows = read_table(tmp_path / "t.csv", ("file", "label"), ("group",))
    assert [row.cells for row in rows] == READ
    assert [row.where.rsplit(", ")[-1] for row in rows] == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,name\na,b\n", r"no column label; its columns are file, name$"),
        (b"file,label,file\n", r"two columns named file$"),
        (b"PK\x03\x04...", r"an Excel or OpenDocument file; save the table as CSV in UTF-8$"),
        (b'file,label\n"a,1\n\x81', r"not a CSV file .*; save the table as CSV in UTF-8$"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(LeanetError, match=message) as caught:
        read_table(tmp_path / "t.csv", ("file", "label"))
    assert "\n" not in str(caught.value)
