"""How a film is coded: pixel formats that an encoder takes, its settings, packets out of frames.

Not here: containers (``film.container``), the other streams (``film.write``), where packets wait
(``film.parts``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.error import FFmpegError
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from koalarize.errors import OptionError, OutputError
from koalarize.film.facts import ANIMATIONS, Facts
from koalarize.film.levels import matrix_like
from koalarize.film.options import CODECS, THREADS, FilmOptions
from koalarize.film.planes import Layout, chroma_planes, layout_of, luma, reformatted
from koalarize.film.read import FilmFrame

__all__ = ["Coding", "Encoder", "check_encoder", "coding_of", "set_up"]

Array = npt.NDArray[Any]

_CRF = {"x264": 18, "x265": 20}
_AVX512 = 256  # OpenCV's number of it, which it names in C++ only
_DEPTHS = {"x264": (8, 10), "x265": (8, 10, 12), "prores": (10,), "ffv1": (8, 10, 12, 16)}
_KINDS = {(2, 2): "420", (2, 1): "422", (1, 1): "444"}
_RGB_MATRIX = 1  # what red, green and blue become: BT.709
_UNSPECIFIED = 2


@dataclass(frozen=True)
class Coding:
    """How a film is coded.

    Attributes:
        options: what a person asked.
        facts: of the film.
        source: how its frames lie in memory.
        pixel_format: FFmpeg's name of what is encoded.
        target: how that lies in memory.
        losses: what of the film's pixels is not in the result, a phrase each.
    """

    options: FilmOptions
    facts: Facts
    source: Layout
    pixel_format: str
    target: Layout
    losses: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How long what is wanted of the film should be; 0 where nothing says."""
        facts, options = self.facts, self.options
        last = facts.begin + facts.seconds
        last = last if options.stop is None else min(last, options.stop)
        return max(0.0, last - max(facts.begin, options.start or facts.begin))

    @property
    def frames(self) -> int:
        """How many frames that should have, as far as anything says; 0 where nothing does."""
        facts = self.facts
        return round(facts.frames * self.seconds / facts.seconds) if facts.seconds else facts.frames

    @property
    def full_range(self) -> bool:
        """Whether black is 0 in the result's numbers; in ProRes it never is."""
        return self.source_full and self.options.codec != "prores"

    @property
    def source_full(self) -> bool:
        """Whether black is 0 in the film's numbers."""
        facts = self.facts
        if self.source.rgb:
            return False
        if facts.full_range is not None:
            return facts.full_range
        return facts.pixel_format.startswith(("yuvj", "gray", "ya", "mono"))

    @property
    def range_tag(self) -> int:
        """The range as FFmpeg numbers it: 1 for 16 to 235, 2 for full, 0 where nothing says."""
        if self.full_range:
            return 2
        return 1 if self.source_full or self.facts.full_range is False else 0

    @property
    def holds_chroma(self) -> bool:
        """Whether the film's own chroma means the same in the result."""
        return self.source.rgb or self.matrix in (self.facts.matrix, _UNSPECIFIED)

    @property
    def matrix(self) -> int:
        """The matrix of the result, as ISO/IEC 23091-2 numbers it; 2 where nothing says."""
        if self.source.rgb:
            return _RGB_MATRIX
        if self.facts.matrix in (0, _UNSPECIFIED):
            return _UNSPECIFIED
        return matrix_like(self.facts.matrix, self.facts.height)


def coding_of(facts: Facts, options: FilmOptions) -> Coding:
    """Choose how a film is coded: its own class of pixels where the codec has it.

    Raises:
        OptionError: if FFmpeg has no such encoder here.
    """
    check_encoder(options.codec)
    source = layout_of(facts.pixel_format)
    losses: list[str] = []
    depths = _DEPTHS[options.codec]
    depth = next((one for one in depths if one >= source.depth), depths[-1])
    if depth < source.depth:
        losses.append(f"{source.depth} bits become {depth}")
    if source.rgb:
        losses.append("its red, green and blue become luma and chroma, of the range 16 to 235")
    if (source.alpha and not facts.opaque) or facts.alpha:
        losses.append("its transparency is not kept")
    losses += [f"its {name} is not kept" for name in facts.dynamic]
    if facts.aperture:
        shown = "{} x {}".format(*facts.aperture)
        losses.append(
            f"its clean aperture (players show {shown} of {facts.width} x {facts.height} pixels) "
            "is not kept: they will show whole frames"
        )
    if facts.captioned and options.codec not in _CRF:
        losses.append(f"its closed captions cannot be held by {options.codec}")
    if facts.interlaced and options.codec == "x265":
        whole = "; MP4, MOV and Matroska say it of the whole film" if facts.field_order > 1 else ""
        losses.append(f"its frames no longer say that they are two fields{whole}")
    kind = (source.across, source.down)
    if facts.codec in ANIMATIONS and options.codec in _CRF:
        kind = (2, 2)  # what browsers and phones play
    elif source.rgb:
        kind = (1, 1)
    elif source.across == 0:
        kind = (2, 2)
    elif kind == (4, 1):
        kind = (2, 1)
    if options.codec == "prores" and kind == (2, 2):
        kind = (2, 1)
    if kind not in _KINDS or facts.width % kind[0] or facts.height % (kind[1] or 1):
        kind = (1, 1)
    if facts.interlaced and kind == (2, 2) and facts.height % 4:
        kind = (2, 1) if facts.width % 2 == 0 else (1, 1)
    name = f"yuv{_KINDS[kind]}p" + ("" if depth == 8 else f"{depth}le")
    return Coding(options, facts, source, name, layout_of(name), tuple(losses))


def check_encoder(codec: str) -> None:
    """Check that FFmpeg has an encoder here: one that was built without GPL parts lacks some.

    Raises:
        OptionError: naming those that it has.
    """
    if not _is_here(codec):
        here = [other for other in CODECS if _is_here(other)]
        raise OptionError(
            f"`codec` is `{codec}`, which this installation of FFmpeg cannot encode: use "
            f"`--codec {' or '.join(here)}`"
        )


def _is_here(codec: str) -> bool:
    try:
        av.Codec(CODECS[codec], "w")
    except ValueError:
        return False
    return True


def set_up(context: VideoCodecContext, coding: Coding) -> None:
    """Give an encoder the settings of a film."""
    facts = coding.facts
    context.width, context.height = facts.width, facts.height
    context.pix_fmt = coding.pixel_format
    context.time_base = facts.time_base
    context.framerate = facts.rate
    if facts.aspect:
        context.sample_aspect_ratio = facts.aspect
    context.color_primaries = facts.primaries
    context.color_trc = facts.transfer
    context.colorspace = coding.matrix
    context.color_range = coding.range_tag
    context.flags |= Flags.global_header | Flags.frame_duration
    if facts.interlaced:
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
    context.options = _settings(coding)
    if coding.options.codec in _CRF:
        context.thread_type, context.thread_count = "FRAME", THREADS


def _settings(coding: Coding) -> dict[str, str]:
    options = coding.options
    if options.codec in _CRF:
        crf = _CRF[options.codec] if options.crf is None else options.crf
        chosen = {"crf": str(crf), "preset": options.preset}
        if options.codec == "x265":
            chosen["a53cc"] = "1"  # closed captions, which x264 writes unasked
            chosen["x265-params"] = f"log-level=none:frame-threads={THREADS}"
        elif _has_avx512():
            chosen["x264-params"] = "asm=AVX2"
        return chosen
    if options.codec == "prores":
        deep = coding.target.across == 1
        return {"profile": "4444" if deep else "hq", "vendor": "apl0"}
    return {"level": "3", "g": "1", "slicecrc": "1", "slices": "4"}


def _has_avx512() -> bool:
    """Whether x264 would use AVX-512: so it codes the same frames in one way now, in another then.

    Seen with the build in PyAV 18.1 at widths that are no multiple of 4 or 8 (``docs/log.md``).
    """
    return cv2.checkHardwareSupport(_AVX512)


class Encoder:
    """Codes frames of one part of a film."""

    def __init__(self, coding: Coding) -> None:
        """Open an encoder.

        Raises:
            OutputError: if it does not take this film.
        """
        self._coding = coding
        context = av.CodecContext.create(CODECS[coding.options.codec], "w")
        self._context = cast(VideoCodecContext, context)
        set_up(self._context, coding)
        try:
            self._context.open()
        except (FFmpegError, ValueError) as error:
            facts = coding.facts
            raise OutputError(
                f"{coding.options.codec} takes no film of {facts.width}x{facts.height} pixels in "
                f"{coding.pixel_format}: use `--codec ffv1`, or another size"
            ) from error

    @property
    def header(self) -> bytes:
        """What stands before all packets, in the container."""
        return bytes(self._context.extradata or b"")

    def luma(self, frame: FilmFrame) -> tuple[av.VideoFrame, Array]:
        """Return a frame with luma of a plane of its own, and that luma as it will be coded."""
        coding, picture = self._coding, frame.picture
        layout = coding.source
        if not layout.plain:
            picture = _planar(picture, coding)
            layout = coding.target
        numbers = luma(picture, layout)
        more = coding.target.depth - layout.depth
        if coding.source_full and (more > 0 or not coding.full_range):
            unit = 2 ** (coding.target.depth - 8)
            top = 2**coding.target.depth - 1
            black, white = (0, top) if coding.full_range else (16 * unit, 235 * unit)
            share = np.float32((white - black) / (2**layout.depth - 1))
            kind = np.uint8 if coding.target.depth <= 8 else np.uint16
            numbers = (numbers * share + np.float32(black + 0.5)).astype(kind)
        elif more > 0:
            numbers = numbers.astype(np.uint16) << more
        elif more < 0:
            numbers = numbers >> -more
        return picture, numbers

    def encode(
        self,
        frame: FilmFrame,
        shown: tuple[av.VideoFrame, Array],
        chroma: tuple[Array, Array] | None,
    ) -> Iterator[av.Packet[Stream]]:
        """Code a frame with new chroma.

        Args:
            frame: the frame.
            shown: what ``luma`` returned for it.
            chroma: Cb and Cr, (h, w) each, the film's numbers; None keeps the frame's own.
        """
        picture, numbers = shown
        coding = self._coding
        squeezed = coding.source_full and not coding.full_range
        copied = chroma is None or coding.facts.interlaced or coding.facts.captioned
        if picture.format.name == coding.pixel_format:
            picture.make_writable()
            out = picture
        elif copied:  # which field comes first, and captions, cannot be set
            out = reformatted(picture, coding.pixel_format)
        else:
            out = av.VideoFrame(coding.facts.width, coding.facts.height, coding.pixel_format)
        if squeezed or out is not picture:
            luma(out, coding.target)[:] = numbers
        planes = chroma_planes(out, coding.target)
        if chroma is not None:
            planes[0][:], planes[1][:] = chroma
        elif squeezed:
            for plane in planes:
                plane[:] = _squeezed(plane, coding.target.depth)
        out.pts, out.time_base = frame.pts, coding.facts.time_base
        out.duration = frame.duration
        out.pict_type = 0  # the film's own would be taken for an order
        out.color_primaries = coding.facts.primaries
        out.color_trc = coding.facts.transfer
        out.colorspace = coding.matrix
        out.color_range = coding.range_tag
        yield from self._context.encode(out)

    def finish(self) -> Iterator[av.Packet[Stream]]:
        """Return the packets that were still held back."""
        yield from self._context.encode(None)


def _squeezed(plane: Array, depth: int) -> Array:
    """Return chroma of the full range in the usual one."""
    grey, share = np.float32(2 ** (depth - 1)), np.float32(224 / 255)
    return ((plane - grey) * share + (grey + np.float32(0.5))).astype(plane.dtype)


def _planar(picture: av.VideoFrame, coding: Coding) -> av.VideoFrame:
    """Return a frame that has luma in a plane of its own, where it has none."""
    if coding.source.rgb:
        made = picture.reformat(
            format=coding.pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG"
        )
    else:
        made = reformatted(picture, coding.pixel_format)
    made.pts = picture.pts
    return made
