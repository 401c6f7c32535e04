"""Strips of a TIFF file with 16 bits a sample: read and unpacked band by band, also damaged ones.

Not here: tiles and other depths (``tiff_pixels``), strips that libtiff unpacks (``tiff_segments``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from koalarize.photo.gather import band_tops

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = ["DEFLATE", "UNPACKED", "Band", "Inflated", "bands_of", "check_streams", "predictor_of"]

UNPACKED = 1
DEFLATE = frozenset({8, 32946})

_PIECE = 1 << 16  # bytes
_CRUMB = 1 << 6  # bytes of a damaged piece
_MOST_BEHIND = 1 << 24  # bytes behind those that are wanted, before a checksum is given up


class Band(NamedTuple):
    """Rows of a picture.

    Attributes:
        top: the first row.
        samples: (rows, W, samples), uint16; zeros where nothing could be read.
        sound: whether all of them could be read.
    """

    top: int
    samples: npt.NDArray[np.uint16]
    sound: bool


class Inflated:
    """A deflated part of a file, read and unpacked as far as it is asked for.

    Attributes:
        sound: whether no damage has been met.
    """

    def __init__(self, file: BinaryIO, start: int, size: int, *, tolerant: bool) -> None:
        """Begin.

        Args:
            file: where it stands.
            start: its first byte.
            size: its bytes.
            tolerant: end at damaged data, where there would be an error.
        """
        self._file, self._at, self._end = file, start, start + size
        self._packer, self._waiting = zlib.decompressobj(), b""
        self._tolerant = tolerant
        self.sound = True

    def read(self, size: int) -> bytes:
        """Return some bytes, or fewer at the end.

        Raises:
            zlib.error: if it is damaged.
        """
        parts: list[bytes] = []
        while size and not self._packer.eof:
            if not self._waiting:
                self._file.seek(self._at)
                self._waiting = self._file.read(min(_PIECE, self._end - self._at))
                self._at += len(self._waiting)
                if not self._waiting:
                    break
            parts.append(self._unpack(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def finish(self, most: int = _MOST_BEHIND) -> None:
        """Read to the end, where the checksum of all that was unpacked stands (RFC 1950).

        Args:
            most: bytes that are unpacked on the way at most.

        Raises:
            zlib.error: if it is damaged; data without their end, which a writer may leave out,
                are not.
        """
        while most > 0 and (behind := self.read(min(most, _PIECE))):
            most -= len(behind)

    def _unpack(self, most: int) -> bytes:
        if not self._tolerant:
            unpacked = self._packer.decompress(self._waiting, most)
            self._waiting = self._packer.unconsumed_tail
            return unpacked
        before = self._packer.copy()
        try:
            unpacked = self._packer.decompress(self._waiting, most)
            self._waiting = self._packer.unconsumed_tail
        except zlib.error:
            unpacked = _as_far_as_it_goes(before, self._waiting, most)
            self._at, self._waiting = self._end, b""
            self.sound = False
        return unpacked


def _as_far_as_it_goes(packer: Any, data: bytes, most: int) -> bytes:
    """Unpack a damaged piece up to the very byte at which it cannot be unpacked."""
    parts: list[bytes] = []
    for step in (_CRUMB, 1):
        while data:
            before = packer.copy()
            try:
                parts.append(packer.decompress(data[:step]))
            except zlib.error:
                packer = before
                break
            data = data[step:]
    return b"".join(parts)[:most]


def check_streams(file: BinaryIO, places: Iterable[tuple[int, int]], size: int) -> None:
    """Check the deflated strips or tiles of a picture that others unpack.

    libtiff stops at the last byte that it needs, before the checksum.

    Args:
        file: where they stand.
        places: where each begins, and its bytes.
        size: bytes of the picture once it is unpacked.

    Raises:
        zlib.error: if one is damaged.
    """
    for start, packed in places:
        Inflated(file, start, packed, tolerant=False).finish(size + _MOST_BEHIND)


def predictor_of(packed: int, stated: int) -> int:
    """Return the predictor of a page, 1 for none.

    Args:
        packed: how it is packed.
        stated: what its field 317 says, which libtiff leaves aside where nothing is packed (the
            differences are made by the packer's codec: TIFF 6.0, section 14).
    """
    return 1 if packed == UNPACKED else stated


def bands_of(page: TiffPage, *, tolerant: bool) -> Iterator[Band] | None:
    """Return what decodes the strips of tifffile's page of 16 bits; None for pages of other kinds.

    Strips may be as large as the picture, and many programs write a single one.

    Args:
        page: the page.
        tolerant: give what can be read of damaged strips; iterating raises ``ValueError`` or
            ``zlib.error`` for them otherwise, and for strips of which the file lacks the data.
    """
    packed = int(page.compression)
    predictor = predictor_of(packed, int(page.predictor))
    kind = (page.dtype, int(page.planarconfig), int(page.fillorder), page.is_tiled)
    if kind != (np.dtype(np.uint16), 1, 1, False) or predictor not in (1, 2):
        return None
    if page.bitspersample != 16:
        return None
    if packed not in (UNPACKED, *DEFLATE) or int(page.imagedepth) != 1 or page.rowsperstrip < 1:
        return None
    return _strips(page, packed in DEFLATE, predictor == 2, tolerant)


def _strips(page: Any, deflated: bool, differences: bool, tolerant: bool) -> Iterator[Band]:
    file = page.parent.filehandle
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    line = 2 * width * samples
    step = band_tops(height, width).step
    bottom = 0
    for index, (start, size) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        top = index * page.rowsperstrip
        bottom = min(top + page.rowsperstrip, height)
        file.seek(start)
        data = Inflated(file, start, size, tolerant=tolerant) if deflated else file
        while top < bottom:
            rows = min(step, bottom - top)
            raw = data.read(rows * line) if start and size else bytes(rows * line)
            sound = len(raw) == rows * line
            if isinstance(data, Inflated):
                if top + rows == bottom:
                    data.finish()
                sound = sound and data.sound
            if not sound and (not tolerant or start + size > file.size):
                raise ValueError("image file is truncated")
            band = np.zeros(rows * line // 2, np.uint16)
            band[:] = np.frombuffer(raw.ljust(rows * line, b"\0"), page.parent.byteorder + "u2")
            band = band.reshape(rows, width, samples)
            if differences:
                np.add.accumulate(band, axis=1, dtype=np.uint16, out=band)
            yield Band(top, band, sound)
            top += rows
    if bottom < height:
        raise ValueError("image file is truncated")
