"""The course of a run as a table: ``history.csv``, one row a segment, to draw loss curves from.

Not here: TensorBoard, where the loss of every twentieth step stands; the drawing of plots.
A resumed run drops the rows after the state it resumes from, so that no step occurs twice.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from koalarize.errors import DataError, OutputError
from koalarize.photo.files import write_bytes

__all__ = ["COLUMNS", "History", "read_rows"]

#: The columns every history has; after them come ``validation/NAME``, empty where none was made.
COLUMNS = ("step", "samples", "epoch", "loss", "seconds")


class History:
    """The rows of a run's history, and their file, which appears whole at every change.

    Args:
        path: the CSV file.
        step: where the run stands; later rows are dropped, they are of steps taken once more.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.rows = [row for row in _earlier(path) if float(row["step"]) <= step]

    @property
    def seconds(self) -> float:
        """Seconds of training that the rows account for."""
        return float(self.rows[-1]["seconds"]) if self.rows else 0.0

    def add(self, values: dict[str, float]) -> None:
        """Append a row and write the file.

        Raises:
            OutputError: if it cannot be written; the earlier file stays.
        """
        self.rows.append({name: f"{value:.8g}" for name, value in values.items()})
        names = dict.fromkeys([*COLUMNS, *(name for row in self.rows for name in row)])
        text = io.StringIO()
        writer = csv.DictWriter(text, list(names), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_bytes(text.getvalue().encode(), self.path, overwrite=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a history file, each without the columns it leaves empty.

    Raises:
        DataError: if the file cannot be read as a table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {name: value for name, value in row.items() if name and value}
                for row in csv.DictReader(file)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"`{path}` cannot be read as a history: {error}") from error


def _earlier(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        rows = read_rows(path)
        for row in rows:
            for name in COLUMNS:
                float(row[name])
    except (DataError, ValueError, LookupError) as error:
        raise OutputError(
            f"`{path}` cannot be gone on with, it is not the history of a run ({error}): "
            "move it away"
        ) from error
    return rows
