"""Files of several pages: written whole or not at all, as single ones are.

Not here: one page (``photo``), animated pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from koalarize.errors import OutputError
from koalarize.photo.encode16 import TIFF_HEAD
from koalarize.photo.files import FORMATS, check_output, write_bytes
from koalarize.photo.photo import Photo

__all__ = ["holds_pages", "write_pages"]

Array = npt.NDArray[Any]


def holds_pages(path: Path) -> bool:
    """Tell whether the format that a file's extension names holds several pages."""
    return FORMATS.get(path.suffix.lower()) == "TIFF"


def write_pages(
    pages: Iterable[tuple[Photo, Array]], path: Path, *, overwrite: bool = False
) -> Path:
    """Write photos with their colored pixels as the pages of one TIFF file.

    Args:
        pages: one at a time is held, beside what has been packed.
        path: the file.
        overwrite: replace it if it exists.

    Raises:
        OutputError: as ``Photo.write`` says, and if the file would need more than 4 GiB.
    """
    parts = [TIFF_HEAD]
    at = len(TIFF_HEAD)
    source: Path | None = None
    for number, (photo, srgb) in enumerate(pages, 1):
        source = photo.source
        try:
            parts.append(photo.tiff_page(srgb, at, last=number == photo.pages))
        except ValueError as error:
            raise OutputError(
                f"`{path}` cannot be written with all its pages ({error}): choose another format, "
                "which takes the first page."
            ) from error
        at += len(parts[-1])
    check_output(path, source=source, overwrite=overwrite)
    return write_bytes(b"".join(parts), path, overwrite=overwrite)
