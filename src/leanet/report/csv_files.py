"""CSV files, read in one way; and the losses by epoch that runs and colorizers keep."""

import csv
from pathlib import Path

from leanet.errors import LeanetError
from leanet.storage.run_files import CURVES


def csv_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by its header; none where there is no file."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))
    except FileNotFoundError:
        return []


def read_curves(folder: Path) -> list[dict[str, float]]:
    """curves.csv of a run or a colorizer: {"epoch": 1, "loss": …} for each epoch; none where no losses were kept.

    Raises:
        LeanetError: the file is damaged.
    """
    try:
        return [{name: float(value) for name, value in row.items()} for row in csv_rows(folder / CURVES)]
    except (ValueError, TypeError, csv.Error):
        raise LeanetError(f"{folder / CURVES}: damaged; remove it, and the losses of that run are left out") from None
