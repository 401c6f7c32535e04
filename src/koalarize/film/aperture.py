"""The clean aperture of a film: the part of each frame that players show, where its file says so.

Not here: bars in the pictures themselves (``film.bars``). PyAV hands on no clean aperture, so the
stream is written into an empty file of the film's own kind, and what stands there is read.
"""

from __future__ import annotations

import io
import re
import struct

import av
from av import Packet
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

__all__ = ["clean_aperture"]

_CLAP = struct.Struct(">8i")  # ISO/IEC 14496-12: width, height and two offsets, each a fraction
_CROPS = re.compile(rb"\x54([\xaa\xbb\xcc\xdd])([\x81-\x84])")  # PixelCrop: an element and its size
_ROWS = b"\xaa\xbb"  # those of the bottom and the top


def clean_aperture(
    container: InputContainer, stream: VideoStream, packet: Packet[VideoStream]
) -> tuple[int, int] | None:
    """Return the width and height in pixels that players show of each frame; None if all of it.

    Args:
        container: the film, open.
        stream: its pictures.
        packet: of the stream, decoded already; its times and its stream are others afterwards.
    """
    names = container.format.name.split(",")
    form = next((one for one in ("mov", "matroska") if one in names), None)
    if form is None:  # no other container has one
        return None
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=form) as out:
            packet.stream = out.add_stream_from_template(stream)
            packet.pts = packet.dts = 0
            out.mux(packet)
    except (FFmpegError, ValueError, TypeError, NotImplementedError, AttributeError):
        return None
    full = stream.codec_context.width, stream.codec_context.height
    written = memory.getvalue()
    shown = _of_mov(written) if form == "mov" else _of_matroska(written, *full)
    return None if shown in (None, full) else shown


def _of_mov(written: bytes) -> tuple[int, int] | None:
    at = written.rfind(b"clap", written.rfind(b"moov"))  # behind the pictures
    if at < 0 or at + 4 + _CLAP.size > len(written):
        return None
    width, across, height, down, *_ = _CLAP.unpack_from(written, at + 4)
    return (round(width / across), round(height / down)) if across and down else None


def _of_matroska(written: bytes, width: int, height: int) -> tuple[int, int]:
    head = written[: written.find(b"\x1f\x43\xb6\x75")]  # pictures begin with the first cluster
    for found in _CROPS.finditer(head):
        end = found.end()
        pixels = int.from_bytes(head[end : end + found[2][0] - 0x80])
        if found[1] in _ROWS:
            height -= pixels
        else:
            width -= pixels
    return width, height
