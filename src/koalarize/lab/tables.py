"""Tables in Markdown, as every report of the laboratory prints them.

Not here: what stands in them (``lab.evaluation``, ``lab.study``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["markdown_table"]


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int | None = None
) -> str:
    """Return a table without a line break at its end; bars in cells are escaped.

    Args:
        header: titles of the columns.
        rows: cells; as many a row as there are titles.
        words: how many columns, from the left, hold words; the others hold numbers and stand
            to the right. By default all hold words.
    """
    left = len(header) if words is None else words
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    body = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (body[0], rule, *body[1:]))
