"""The frame that was coloured last, as a small picture in terminals that show pictures.

Not here: bars (``cli.terminal``). Kitty's graphics protocol and iTerm2's inline images; no Sixel. A
terminal is told by what it says of itself in the environment: it is never asked, since an answer
would be typed into the next command.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.console import Console

    from koalarize.film.coder import Progress

__all__ = ["Protocol", "picture_escape", "picture_protocol", "pictures_above"]

#: How a terminal takes pictures.
Protocol = Literal["kitty", "iterm2"]

_ROWS = 8  # of a picture, in lines of text
_SIDE = 160  # pixels of its height
_EVERY = 3.0  # seconds from one picture to the next
_LEAST_SIZE = (80, 16)  # columns and lines of a terminal; in fewer the bar may have two lines
_MOST_COLUMNS = 40
_CELL = 2.0  # height of a cell to its width, where nobody says
_CHUNK = 4096  # characters that kitty takes at once
_ID = 1931  # of the picture: the next one replaces it
_KITTY = ("xterm-kitty", "xterm-ghostty")
_BY_PROGRAM: dict[str, Protocol] = {
    "kitty": "kitty",
    "ghostty": "kitty",
    "iterm.app": "iterm2",
    "wezterm": "iterm2",
}


def picture_protocol(environment: Mapping[str, str]) -> Protocol | None:
    """Return how a terminal takes pictures; None if it does not, or nobody can be sure.

    Args:
        environment: of this process.
    """
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR") or term in ("", "dumb", "linux"):
        return None
    if environment.get("TMUX") or environment.get("STY") or term.startswith(("screen", "tmux")):
        return None  # they stand between, and pass no pictures on
    if term in _KITTY:
        return "kitty"
    program = environment.get("TERM_PROGRAM", "")
    if program:  # a terminal inside another one's inherits what that said of itself
        return _BY_PROGRAM.get(program.casefold())
    return "kitty" if environment.get("KITTY_WINDOW_ID") else None


def picture_escape(protocol: Protocol, png: bytes, columns: int, rows: int) -> str:
    """Return what makes a terminal show a picture where the cursor is, without moving it.

    Args:
        protocol: how it takes pictures.
        png: the picture.
        columns: cells across.
        rows: cells down.
    """
    data = base64.standard_b64encode(png).decode()
    if protocol == "iterm2":
        size = f"width={columns};height={rows};preserveAspectRatio=1"
        return f"\x1b]1337;File=inline=1;size={len(png)};{size};doNotMoveCursor=1:{data}\x07"
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    told = f"a=T,f=100,i={_ID},p=1,c={columns},r={rows},C=1,q=2,"  # q=2: answer nothing
    return "".join(
        f"\x1b_G{told if place == 0 else 'q=2,'}m={int(place < len(chunks) - 1)};{chunk}\x1b\\"
        for place, chunk in enumerate(chunks)
    )


@contextmanager
def pictures_above(*, wanted: bool = True) -> Generator[Callable[[Progress, Console | None], None]]:
    """Make room for a picture above a bar of one line; yield what shows how far a film is.

    Nothing is written unless both streams are a terminal's that shows pictures. At the end the room
    is given back.

    Args:
        wanted: False shows none.
    """
    protocol = picture_protocol(os.environ) if wanted and _is_roomy() else None
    if protocol is None:
        yield lambda at, console: None
        return
    stream = sys.stderr
    stream.write("\n" * _ROWS)
    stream.flush()
    last = [-_EVERY]

    def show(at: Progress, console: Console | None) -> None:
        now = time.monotonic()
        if console is None or at.lightness is None or at.ab is None or now - last[0] < _EVERY:
            return
        last[0] = now
        png, columns = _thumbnail(at.lightness, at.ab)
        picture = picture_escape(protocol, png, columns, _ROWS)
        # From the bar's line up to the room, and back to where the bar left the cursor.
        _write(console, f"\x1b7\x1b[{_ROWS}A\r{picture}\x1b8")

    try:
        yield show
    finally:
        drop = f"\x1b_Ga=d,d=I,i={_ID},q=2;\x1b\\" if protocol == "kitty" else ""
        stream.write(f"{drop}\r\x1b[{_ROWS}A\x1b[J")
        stream.flush()


def _is_roomy() -> bool:
    """Tell whether a person looks at a terminal that has room."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return size.columns >= _LEAST_SIZE[0] and size.lines >= _LEAST_SIZE[1]


def _write(console: Console, text: str) -> None:
    """Write to a terminal between two of a bar's own writings."""
    from rich.control import Control
    from rich.segment import Segment

    control = Control()
    control.segment = Segment(text, None, [])
    console.control(control)


def _thumbnail(
    lightness: npt.NDArray[np.float32], ab: npt.NDArray[np.float32]
) -> tuple[bytes, int]:
    """Return a frame as a small PNG picture, and how many columns it needs."""
    import numpy as np
    from PIL import Image

    from koalarize.color import lab_to_srgb

    srgb: Any = lab_to_srgb(np.dstack([lightness, ab[0], ab[1]]), dtype=np.uint8)
    image = Image.fromarray(srgb)
    height = min(_SIDE, image.height)
    width = max(1, round(image.width * height / image.height))
    columns = min(_MOST_COLUMNS, max(1, round(_ROWS * _CELL * width / height)))
    buffer = io.BytesIO()
    image.resize((width, height), Image.Resampling.BOX).save(buffer, "PNG")
    return buffer.getvalue(), columns
