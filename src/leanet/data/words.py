"""Words about images, such as the plant or the kind of defect: from folders, from paths, or from a CSV file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from leanet.data.csv_table import read_table
from leanet.errors import LeanetError

FOLDER = "folder"
_TABLES = (".csv", ".tsv", ".txt")
_NAMED = 3  # images that an error message names


def words_of(option: str, how: str, column: str, inside: Mapping[str, PurePosixPath]) -> dict[str, str]:
    """Find the word of each image.

    Args:
        option: name of the setting, for messages.
        how: `folder`, the folder of the image below that of its class; a CSV file with the columns `file`, relative to
            the dataset's folder, and `column`; or else a regular expression on the image's path, whose first group that
            matches is the word.
        column: of the CSV file.
        inside: by the name of each image, its path below the folder of its class.

    Returns:
        the words by name; images directly in the folder of their class have none with `folder`.

    Raises:
        LeanetError: no such file, a mistake in the expression, or images without a word.
    """
    if how == FOLDER:
        folders = {name: str(path.parent) for name, path in inside.items()}
        if set(folders.values()) == {"."}:
            raise LeanetError(f"{option}=folder: there are no folders below those of the classes")
        return {name: folder for name, folder in folders.items() if folder != "."}
    if how.lower().endswith(_TABLES):
        words = _from_table(Path(how).expanduser(), column)
    else:
        words = _from_paths(option, how, list(inside))
    missing = sorted(name for name in inside if not words.get(name))
    if missing:
        named = ", ".join(map(repr, missing[:_NAMED])) + (", …" if len(missing) > _NAMED else "")
        raise LeanetError(f"{option}={how}: no {column} for {len(missing)} of {len(inside)} images: {named}")
    return {name: words[name] for name in inside}


def _from_table(file: Path, column: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for row in read_table(file, ("file", column)):
        name, word = row.cells["file"].replace("\\", "/").removeprefix("./"), row.cells[column]
        if words.setdefault(name, word) != word:
            raise LeanetError(f"{row.where}: {name!r} has the {column} {word!r}, and {words[name]!r} in a row before")
    return words


def _from_paths(option: str, how: str, names: Sequence[str]) -> dict[str, str]:
    try:
        pattern = re.compile(how)
    except re.error as error:
        raise LeanetError(f"{option}={how}: not a regular expression ({error})") from None
    if not pattern.groups:
        raise LeanetError(
            f"{option}={how}: give `folder`, a CSV file, or a regular expression with a group in parentheses, such as "
            r"plant(\d+)"
        )
    found = {name: pattern.search(name) for name in names}
    return {name: next(filter(None, match.groups()), "") for name, match in found.items() if match}
