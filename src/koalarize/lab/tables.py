"""Tables, words and names in Markdown, as every report of the laboratory prints them.

Not here: what stands in them (``lab.evaluation``, ``lab.study``).
Files, models and people may be called anything; their names must not become Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["markdown_code", "markdown_table", "markdown_text"]

#: What Markdown takes for its own: signs anywhere, `_` at the edge of a word, `&` of an entity,
#: and what would be the middle of a link.
_OWN = re.compile(r"[|*<`~]|\\(?=[^\w\s]|$)|(?<!\w)_|_(?!\w)|&(?=[#\w]+;)|\](?=[(\[])")


def markdown_text(text: str) -> str:
    """Return a text of one line that Markdown shows as it is; most names stay as they are."""
    return _OWN.sub(lambda found: f"\\{found[0]}", _one_line(text))


def markdown_code(text: str) -> str:
    """Return a text of one line between backticks, of which it may hold some itself."""
    line = _one_line(text)
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{edge}{line}{edge}{fence}"


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int | None = None
) -> str:
    """Return a table without a line break at its end; cells are shown as they are.

    Args:
        header: titles of the columns.
        rows: cells; as many a row as there are titles.
        words: how many columns, from the left, hold words; the others hold numbers and stand
            to the right. By default all hold words.
    """
    left = len(header) if words is None else words
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    body = [[markdown_text(cell) for cell in row] for row in (header, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (body[0], rule, *body[1:]))


def _one_line(text: str) -> str:
    """Return a text with a blank for each line break and each other sign that cannot be seen."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
