"""The comments of a YAML file, which say what its values mean."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Comments:
    """The comments of a file.

    Args:
        header: those at the top of the file.
        of: by dotted key. A value without a comment has that of its group.
    """

    header: str
    of: Mapping[str, str]


def comments_of(file: Path) -> Comments:
    """Read the comments of a YAML file.

    The comment of a value is behind it and may go on in the next lines, or it is in the lines above it.
    """
    text = file.read_text(encoding="utf-8")
    root = yaml.compose(text, _LOADER)
    found = dict(_comments(root, text.splitlines(), "", "")) if isinstance(root, yaml.MappingNode) else {}
    return Comments(header_of(text), {key: words for key, words in found.items() if words})


def header_of(text: str) -> str:
    """The comment at the top of a YAML file, without Hydra's @package."""
    return _joined(line for line in _block(text.splitlines()) if "@package" not in line)


def _block(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line


def _comments(node: yaml.MappingNode, lines: list[str], prefix: str, inherited: str) -> Iterator[tuple[str, str]]:
    for key, value in node.value:
        name, start = f"{prefix}{key.value}", key.start_mark
        is_group = isinstance(value, yaml.MappingNode) and not value.flow_style
        end = key.end_mark if is_group or value.start_mark.line != start.line else value.end_mark
        words = _behind(lines, end.line, end.column, start.column) or _above(lines, start.line, start.column)
        yield name, words or inherited
        if is_group:
            yield from _comments(value, lines, f"{name}.", words or inherited)


def _behind(lines: list[str], line: int, column: int, indent: int) -> str:
    """The comment behind column `column` of a line, with the lines of comments below it that are indented more."""
    if line >= len(lines) or not (found := re.fullmatch(r":?\s*(#.*)", lines[line][column:])):
        return ""
    more = []
    for next_line in lines[line + 1 :]:
        text = next_line.lstrip()
        if not text.startswith("#") or len(next_line) - len(text) <= indent:
            break
        more.append(text)
    return _joined([found[1], *more])


def _above(lines: list[str], line: int, indent: int) -> str:
    """The lines of comments above a line, unless they are the header of the file."""
    first = line
    while first > 0 and lines[first - 1].startswith(f"{' ' * indent}#"):
        first -= 1
    return _joined(lines[first:line]) if first > 0 else ""


def _joined(lines: Iterable[str]) -> str:
    return " ".join(line.strip().lstrip("#").strip() for line in lines)
