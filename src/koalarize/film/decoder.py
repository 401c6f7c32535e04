"""Packets of a film's pictures into frames, and whether a decoder hides that one is damaged.

Not here: frames that show their damage (``film.holes``), bytes that are lost (``film.lost``),
times (``film.read``).
FFmpeg's decoder of Motion JPEG says nothing of a damaged picture unless it is to refuse it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from koalarize.film.facts import open_film
from koalarize.film.lost import Losses

__all__ = ["Decoder"]

#: Codecs whose decoder hides damage, and whose every packet is a picture of its own.
_SILENT = frozenset({"mjpeg"})


class Decoder:
    """Decodes the pictures of a film, damaged ones as far as they go."""

    def __init__(self, path: Path, stream: VideoStream, others: contextlib.ExitStack) -> None:
        """Set up the decoder of a stream, before the first packet is decoded.

        Args:
            path: of the film.
            stream: its pictures.
            others: closes the film where it has to be opened once more.
        """
        self._path, self._others = path, others
        self._number = stream.index
        self._strict = stream.codec_context.name in _SILENT
        self._sound = self._refused = 0
        self._again: InputContainer | None = None
        self._losses = Losses(stream.codec_context.name, stream.codec_context.extradata)
        stream.thread_type = "AUTO"  # type: ignore[assignment]
        if self._strict:
            stream.codec_context.options = {"err_detect": "explode"}

    def frames(self, packet: av.Packet[VideoStream]) -> tuple[list[av.VideoFrame], bool]:
        """Decode a packet.

        Returns:
            Its frames, and whether it is damaged though they do not say so.

        Raises:
            FFmpegError: if there is nothing to show.
        """
        try:
            found = packet.decode()
        except FFmpegError:
            if not self._strict:
                raise
            self._refused += 1
            # Cameras have ways of their own: where most pictures are refused, none is damaged.
            return self._leniently(packet), self._sound >= self._refused
        self._sound += len(found)
        return found, self._losses.are_in(bytes(packet))

    def _leniently(self, packet: av.Packet[VideoStream]) -> list[av.VideoFrame]:
        """Decode a packet as far as it goes, by a second decoder."""
        if self._again is None:
            self._again = self._others.enter_context(open_film(self._path))
        stream: Stream = self._again.streams[self._number]
        assert isinstance(stream, VideoStream)
        return stream.codec_context.decode(packet)
