"""Large files that are no picture, refused by their beginning: all else reads them whole.

Not here: what a picture is (``photo``), reading one (``run``, ``cluster.sources``).
"""

from __future__ import annotations

from typing import BinaryIO

from koalarize.errors import PhotoError
from koalarize.photo.read import open_image

__all__ = ["LARGE", "check_kind"]

#: Bytes from which on a file's beginning is looked at before the whole is read.
LARGE = 32 << 20
#: What ``open_image`` says if no reader knows the beginning.
_NO_PICTURE = "is not a picture in a known format"


def check_kind(stream: BinaryIO, name: str) -> None:
    """Check that a large file begins as a picture.

    Args:
        stream: the file, which can be read from the start.
        name: what a person calls it.

    Raises:
        PhotoError: if no reader knows its beginning.
        OSError: if it cannot be read.
    """
    try:
        open_image(stream, f"`{name}`").close()
    except PhotoError as error:
        # What a reader knows but does not open, some of our own readers do.
        if _NO_PICTURE in str(error):
            raise
