"""The bytes of an upload as a photo: what is refused, and what a client can do about it.

Not here: how uploads come (``uploads``) and are kept (``photo_store``).
"""

from __future__ import annotations

import io

from koalarize.errors import PhotoError
from koalarize.photo.mend import PARTLY
from koalarize.photo.photo import Photo
from koalarize.photo.read import open_image
from koalarize.web.studio.problems import Problem
from koalarize.web.studio.settings import Settings

__all__ = ["read_photo"]

#: What a client can do about a damaged picture, of which what there is can be read.
_TOLERANT = ", or ask for what there is of it (`tolerant=true`)"


def read_photo(data: bytes, settings: Settings, *, tolerant: bool | None = None) -> Photo:
    """Decode an upload.

    Args:
        data: its bytes.
        settings: the limits.
        tolerant: read a picture that is damaged or cut short as far as it goes; None where a client
            cannot ask for that.

    Raises:
        PhotoError: if it is no picture.
        Problem: 413 if it has too many pixels, which is asked before it is decoded; 415 if it is
            damaged, and could be read in part.
    """
    if not data:
        raise PhotoError("the upload is empty: send the bytes of a picture")
    try:
        with open_image(io.BytesIO(data), "the upload") as image:
            pixels = image.width * image.height
    except PhotoError:
        pixels = 0  # the reader below says better what is wrong
    if pixels > settings.max_pixels:
        raise Problem(
            413, f"the picture has {pixels:,} pixels but at most {settings.max_pixels:,} are taken"
        )
    try:
        return Photo.read(data, max_pixels=settings.max_pixels, tolerant=bool(tolerant))
    except PhotoError as error:
        if PARTLY not in str(error):
            raise
        if tolerant is None:
            raise PhotoError(str(error).replace(PARTLY, "")) from error
        raise Problem(415, str(error).replace(PARTLY, _TOLERANT), "damaged") from error
