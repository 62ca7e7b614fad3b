from pathlib import Path, PurePosixPath

import pytest

from leanet.data.words import words_of
from leanet.errors import LeanetError

NAMES = ["Negative/p1/a.jpg", "Negative/p2/b.jpg", "Positive/p1/c.jpg", "Positive/d.jpg"]
INSIDE = {name: PurePosixPath(name).relative_to(PurePosixPath(name).parts[0]) for name in NAMES}


def test_folders_below_the_class_are_words() -> None:
    words = words_of("dataset.groups", "folder", "group", INSIDE)
    assert words == {NAMES[0]: "p1", NAMES[1]: "p2", NAMES[2]: "p1"}  # the last is in no folder


def test_the_first_group_of_an_expression_that_matches_is_the_word() -> None:
    assert list(words_of("dataset.groups", r"(p\d)/|([^/]+)$", "group", INSIDE).values()) == ["p1", "p2", "p1", "d.jpg"]


def test_a_table_gives_words(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("file;group\n" + "".join(f"{name};{number // 2}\n" for number, name in enumerate(NAMES)))
    assert list(words_of("dataset.groups", str(table), "group", INSIDE).values()) == ["0", "0", "1", "1"]
    table.write_text(table.read_text() + f"{NAMES[0]};9\n")
    with pytest.raises(LeanetError, match=r"line 6: 'Negative/p1/a\.jpg' has the group '9', and '0' in a row before$"):
        words_of("dataset.groups", str(table), "group", INSIDE)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (r"(p\d)", r"^dataset\.groups=\(p\\d\): no group for 1 of 4 images: 'Positive/d\.jpg'$"),
        (r"p\d", r"give `folder`, a CSV file, or a regular expression with a group in parentheses"),
        (r"(p", r"not a regular expression"),
        ("none.csv", r"^none\.csv: cannot be read \(No such file or directory\)$"),
    ],
)
def test_what_gives_no_words_is_refused(how: str, message: str) -> None:
    with pytest.raises(LeanetError, match=message):
        words_of("dataset.groups", how, "group", INSIDE)
