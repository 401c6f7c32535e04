"""The course of a run as a table: ``history.csv``, one row a segment, to draw loss curves from.

Not here: TensorBoard, where every step's loss stands; the drawing of plots.
A run that goes on drops the rows after the state it goes on from, so no step stands there twice.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from koalarize.errors import OutputError
from koalarize.photo.files import write_bytes

__all__ = ["COLUMNS", "History"]

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
        self.rows = [row for row in _read(path) if float(row["step"]) <= step]

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


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                {name: value for name, value in row.items() if value}
                for row in csv.DictReader(file)
            ]
        for row in rows:
            for name in COLUMNS:
                float(row[name])
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise OutputError(
            f"`{path}` cannot be gone on with, it is not the history of a run ({error}): "
            "move it away"
        ) from error
    return rows
