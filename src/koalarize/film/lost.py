"""What packets lack of their bytes without their decoder saying so: zeros, wrong checksums.

Not here: decoding (``film.decoder``), places that a container passes over (``film.holes``).
Bad disks and broken downloads leave zeros, which FFmpeg's decoders of H.264 and H.265 take for code
as often as not; that of FFV1 compares the checksums of a frame, and says nothing of what it found.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

__all__ = ["Losses"]

#: Codecs in whose code three zeros never stand one behind the other.
_UNITS = frozenset({"h264", "hevc"})
_ZEROS = bytes(64)
_LISTED = 1  # first byte of the header of a film whose units have their length before them
_SIZES = {"h264": 4, "hevc": 21}  # where that header says how many bytes a length has
_START = 1  # ends the mark of a unit where no lengths are
_FOOT = 8  # bytes behind a slice of FFV1: its size (3), whether it is damaged, its checksum (4)
_BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_NOTHING_LEFT = 0xFFFFFFFF  # what zlib says of bytes that end with their checksum


class Losses:
    """Tells which packets of one film are not what was coded; take each, in order."""

    def __init__(self, codec: str, header: bytes | None) -> None:
        """Begin.

        Args:
            codec: FFmpeg's name of the film's codec.
            header: of the film's pictures, as its container keeps it.
        """
        self._codec = codec
        self._has_sums = False
        self._bytes_of_length = 0
        at = _SIZES.get(codec, 0)
        if header is not None and len(header) > at > 0 and header[0] == _LISTED:
            self._bytes_of_length = (header[at] & 3) + 1

    def are_in(self, data: bytes) -> bool:
        """Tell whether bytes of a packet are lost, as far as anything says."""
        if self._codec in _UNITS:
            return _ZEROS in data and any(_ZEROS in one for one in self._units(data))
        if self._codec == "ffv1":  # one that has no checksums has no packet that agrees with its
            agrees = _agrees(data)
            self._has_sums = self._has_sums or agrees
            return self._has_sums and not agrees
        return False

    def _units(self, data: bytes) -> Iterator[bytes]:
        """Yield the units of a packet without the zeros that may stand behind each."""
        if not self._bytes_of_length:
            yield from (one.rstrip(b"\0") for one in data.split(bytes((0, 0, _START))))
            return
        at = 0
        while at < len(data):
            begin = at + self._bytes_of_length
            at = begin + int.from_bytes(data[at:begin])
            yield data[begin:at].rstrip(b"\0")


def _agrees(data: bytes) -> bool:
    """Tell whether all slices of a frame of FFV1 end with the checksum of their bytes."""
    end = len(data)
    while end >= _FOOT:
        begin = end - _FOOT - int.from_bytes(data[end - _FOOT : end - _FOOT + 3])
        if begin < 0:
            return False
        backwards = data[begin:end].translate(_BACKWARDS)  # FFV1 sums from the highest bit on
        if zlib.crc32(backwards, _NOTHING_LEFT) != _NOTHING_LEFT:
            return False
        end = begin
    return end == 0 and bool(data)
