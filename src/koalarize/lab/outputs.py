"""What the laboratory writes is known again: a command replaces its own results and nothing else.

Not here: what a command reads and must not write over (``cli.lab.options``), models and cards
(``lab.export``), which have rules of their own.
A report says its format first; figures, sheets and pages hold a mark where their kind keeps notes.
"""

from __future__ import annotations

import os
from pathlib import Path

from koalarize.errors import OutputError

__all__ = ["MARK", "TABLE", "check_replaced"]

#: What figures, sheets and pages say of what made them; ``showcase.html`` has it too.
MARK = "figure of koalarize lab"
#: How tables of scores begin.
TABLE = "picture,model,size,temperature"
#: What reports say, which hold nothing that a command could not make again; sessions are none.
_REPORTS = tuple(
    f'"format": "koalarize-{kind}-'.encode() for kind in ("evaluation", "probe", "turing-report")
)
_FORMAT_BYTES = 64  # of a report, in which its format stands
_LOOKED_AT = 1 << 16  # bytes at either end of a file: PDF keeps its notes at the last


def check_replaced(path: Path) -> None:
    """Check, before any work is done, that a file to be replaced is a result of the laboratory.

    Args:
        path: where the result goes; an empty file may stand there, as may what is no plain file.

    Raises:
        OutputError: if another file stands there, or it cannot be read.
    """
    if not path.is_file():
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(_LOOKED_AT)
            stream.seek(-min(_LOOKED_AT, stream.seek(0, os.SEEK_END)), os.SEEK_END)
            tail = stream.read()
    except OSError as error:
        raise OutputError(f"`{path}` exists and cannot be read: {error.strerror}") from error
    is_report = any(said in head[:_FORMAT_BYTES] for said in (*_REPORTS, TABLE.encode()))
    mark = MARK.encode()
    if head and not (is_report or mark in head or mark in tail):
        raise OutputError(
            f"`{path}` exists and is no report or figure of `koalarize lab`, which alone are "
            "replaced: move it away, or choose another --output"
        )
