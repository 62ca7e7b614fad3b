"""Read CSV files, and the losses by epoch of runs and colorizers."""

import csv
from pathlib import Path

from leanet.errors import LeanetError
from leanet.storage.run_files import CURVES


def csv_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by the names of its header; empty if there is no file."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return list(csv.DictReader(lines))
    except FileNotFoundError:
        return []


def read_curves(folder: Path) -> list[dict[str, float]]:
    """Read curves.csv of a run or a colorizer.

    Args:
        folder: of the run or colorizer.

    Returns:
        {"epoch": 1, "loss": …} for each epoch; empty if there is no file.

    Raises:
        LeanetError: the file is damaged.
    """
    try:
        return [{name: float(value) for name, value in row.items()} for row in csv_rows(folder / CURVES)]
    except (ValueError, TypeError, csv.Error):
        raise LeanetError(f"{folder / CURVES}: damaged; remove it, and the losses of that run are left out") from None
