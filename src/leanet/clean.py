"""python -m leanet.clean: show what takes disk space under paths.runs, and remove what can be made again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tabulate import tabulate

from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.rules import BOOLEAN, Rule
from leanet.config.settings import RunPaths
from leanet.errors import LeanetError
from leanet.runs.disk_space import KINDS, Part, parts_of, remove, size_of

REMOVE = Rule(
    lambda v: (isinstance(v, str) and v in KINDS) or (isinstance(v, list) and bool(v) and all(k in KINDS for k in v)),
    f"some of {', '.join(KINDS)}, as in remove=[images,features]",
    KINDS,
)
_KEPT = "results, models, colorizers, predictions, reports: never removed"
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class CleanSettings:
    """All settings of conf/clean.yaml."""

    remove: Annotated[str | list[str] | None, REMOVE]
    dry_run: Annotated[bool, BOOLEAN]
    paths: RunPaths


def clean(config: dict[str, Any]) -> None:
    """Print the table of what takes space; or remove the kinds of `remove`, with `dry_run` only say what would be.

    Args:
        config: resolved configuration of conf/clean.yaml.

    Raises:
        LeanetError: there is no such folder, or `dry_run=false` without `remove`.
    """
    settings: CleanSettings = read_settings(CleanSettings, config)
    home = Path(settings.paths.runs)
    if not home.is_dir():
        raise LeanetError(f"paths.runs={home}: no such folder")
    kinds = [settings.remove] if isinstance(settings.remove, str) else settings.remove
    if kinds is None and not settings.dry_run:
        raise LeanetError(f"dry_run=false: give what to remove, {REMOVE.words}")
    parts = parts_of(home)
    if kinds is None:
        return print(_table(parts, home))
    chosen = [part for part in parts if part.kind in kinds]
    if not settings.dry_run:
        print(f"removed: {_amount(*remove(chosen, home))}")
        return
    for kind in dict.fromkeys(kinds):
        these = [part for part in chosen if part.kind == kind]
        print(f"would be removed: {_amount(*_sum(these))} of {kind}: {KINDS[kind]}")
        for folder in (part.folder for part in these if part.whole):
            print(f"    {folder}")
    print(f"altogether {_amount(*_sum(chosen))}; dry_run=false removes them")


def _table(parts: Sequence[Part], home: Path) -> str:
    counts = {kind: _sum(part for part in parts if part.kind == kind) for kind in KINDS}
    every = size_of(home)
    kept = (every[0] - sum(count for count, _ in counts.values()), every[1] - sum(size for _, size in counts.values()))
    rows = [[kind, str(count), _size(size), KINDS[kind]] for kind, (count, size) in counts.items()]
    rows += [["kept", str(kept[0]), _size(kept[1]), _KEPT], ["total", str(every[0]), _size(every[1]), ""]]
    headers = ("kind", "files", "size", "what it is; what removing it costs")
    align = ("left", "right", "right", "left")
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)


def _sum(parts: Iterable[Part]) -> tuple[int, int]:
    """Files and bytes."""
    amounts = [(len(part.files), part.size) for part in parts]
    return sum(count for count, _ in amounts), sum(size for _, size in amounts)


def _amount(count: int, size: int) -> str:
    return f"{count} {'file' if count == 1 else 'files'}, {_size(size)}"


def _size(size: float) -> str:
    """In decimal units: 1 kB is 1000 bytes."""
    power = min(max(0, len(str(round(size))) - 1) // 3, len(_UNITS) - 1)
    shown = size / 1000**power
    return f"{shown:.1f} {_UNITS[power]}" if power and shown < 100 else f"{shown:.0f} {_UNITS[power]}"


def main() -> None:
    run_command(clean, "clean", CleanSettings)


if __name__ == "__main__":
    main()
