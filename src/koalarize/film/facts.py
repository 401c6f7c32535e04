"""What is known of a film before it is read through: which stream is the film, and its facts.

Not here: its frames (``film.read``), the planes of a frame (``film.planes``).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar, cast

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.stream import VideoStream

from koalarize.errors import FilmError
from koalarize.film.aperture import clean_aperture
from koalarize.film.ending import is_cut_short, lacks_table
from koalarize.film.planes import chroma_planes, layout_of, reformatted

__all__ = ["ANIMATIONS", "NOT_FILMS", "Facts", "is_colored", "open_film", "read_facts"]

_Number = TypeVar("_Number", bound=np.generic)

#: FFmpeg's names of how animated pictures are coded.
ANIMATIONS = ("gif", "apng")
#: What marks a stream of pictures that is no film.
NOT_FILMS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
#: FFmpeg's names of containers that hold all they need; a list of others is none.
_ALONE = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,dv,rm,nut,yuv4mpegpipe,h264,hevc"
)
#: Side data of frames that no encoder here writes -> what people call it.
_SCREENS = {
    "DOVI_METADATA": "Dolby Vision",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "MASTERING_DISPLAY_METADATA": "HDR10 mastering display",
    "CONTENT_LIGHT_LEVEL": "HDR10 light level",
}
_LOOKED_AT = 5  # frames at the start, to learn whether a film is interlaced
_PLACES = (0.15, 0.4, 0.65, 0.9)  # of a film, at which a frame is looked at for the same
_MOST_PACKETS = 60  # read for that at each
_COLORED = 4.0  # 8-bit steps: standard deviation of chroma; film grain in it stays below 2
_TINTED = 6.0  # 8-bit steps by which the mean of chroma is off grey in a film of one tint


@dataclass(frozen=True)
class Facts:
    """What is known of a film before it is read through.

    Attributes:
        path: the file.
        stream: number of the stream that is the film.
        codec: FFmpeg's name of how it is coded.
        width: pixels.
        height: pixels.
        pixel_format: FFmpeg's name.
        time_base: seconds a tick of its times.
        rate: frames a second, or a guess.
        frames: how many it should have; 0 where nothing says.
        seconds: how long it should be; 0 where nothing says.
        start: ticks: the time of its first frame.
        aspect: width of a pixel to its height; None where nothing says.
        rotation: degrees by which players turn it to the left.
        interlaced: whether its frames are two fields each.
        primaries: of its colours, as ISO/IEC 23091-2 numbers them; 2 where nothing says.
        transfer: the same for its curve.
        matrix: the same for its matrix.
        full_range: whether black is 0; None where nothing says.
        colored: whether its first frame clearly has colours of its own.
        dynamic: what its frames say to screens that is not carried, by name.
        mirrored: whether players mirror it, left to right, after they turned it.
        lists_frames: whether its container has a table of all frames, as MP4 has: what is missing
            there was never filmed.
        alpha: whether transparency lies beside its pictures, where no decoder here looks.
        cut_short: whether its file ends before it does.
        captioned: whether closed captions (CEA-608, CEA-708) lie in its frames.
        opaque: whether it is an animation of which nothing is transparent, as its first frame says.
        aperture: width and height in pixels that players show of each frame; None if all of it.
        field_order: which field comes first, as FFmpeg numbers it: 1 for whole frames, 0 where
            nothing says.
    """

    path: Path
    stream: int
    codec: str
    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    rate: Fraction
    frames: int
    seconds: float
    start: int
    aspect: Fraction | None
    rotation: int
    interlaced: bool
    primaries: int
    transfer: int
    matrix: int
    full_range: bool | None
    colored: bool = False
    dynamic: tuple[str, ...] = ()
    mirrored: bool = False
    lists_frames: bool = False
    alpha: bool = False
    cut_short: bool = False
    captioned: bool = False
    opaque: bool = False
    aperture: tuple[int, int] | None = None
    field_order: int = 0

    @property
    def turns(self) -> int:
        """Quarter turns to the left by which players turn it, 0 to 3."""
        return round(self.rotation / 90) % 4

    def upright(self, planes: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        """Return planes (..., h, w) of a coded frame as players show them."""
        turned = np.rot90(planes, self.turns, axes=(-2, -1))
        return np.ascontiguousarray(turned[..., ::-1] if self.mirrored else turned)

    def coded(self, planes: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        """Return planes (..., h, w) as players show them as a frame is coded."""
        turned = planes[..., ::-1] if self.mirrored else planes
        return np.ascontiguousarray(np.rot90(turned, -self.turns, axes=(-2, -1)))

    @property
    def begin(self) -> float:
        """Seconds at which its first frame is shown."""
        return float(self.start * self.time_base)

    @property
    def end(self) -> float:
        """Seconds at which it should end, as far as its header says."""
        return self.begin + max(self.seconds, float(self.frames / self.rate))


def open_film(path: Path, *, alone: bool = False) -> InputContainer:
    """Open a film.

    Args:
        path: of the film.
        alone: refuse what would have FFmpeg open other files, such as playlists.

    Raises:
        FilmError: if it cannot be opened.
    """
    if not path.exists():
        raise FilmError(f"`{path}` does not exist: check the name")
    if path.is_dir():
        raise FilmError(f"`{path}` is a folder but must be a film: name a file")
    if not path.is_file():
        raise FilmError(
            f"`{path}` is a pipe or a device but must be a file, in which places can be sought: "
            "write the film into a file first"
        )
    if path.stat().st_size == 0:
        raise FilmError(f"`{path}` is empty: copy the film again")
    if path.name.startswith("._"):
        raise FilmError(
            f"`{path}` is what macOS keeps beside a file, no film: use `{path.name[2:]}`"
        )
    try:
        options = {"format_whitelist": _ALONE} if alone else {}
        name = str(path.absolute())  # FFmpeg would take `12:30.mp4` for an address
        return av.open(name, options=options, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        if lacks_table(path):
            raise FilmError(
                f"`{path}` breaks off before the table of its frames (`moov`), which MP4 and MOV "
                "have at their end: copy it again, or have a program for unfinished recordings "
                "write the table"
            ) from error
        reason = getattr(error, "strerror", None) or str(error)
        raise FilmError(
            f"`{path}` cannot be read as a film ({reason}): check that it plays elsewhere"
        ) from error


def read_facts(path: Path, *, alone: bool = False) -> Facts:
    """Read what is known of a film before it is read through.

    Args:
        path: of the film.
        alone: as ``open_film`` takes it.

    Raises:
        FilmError: if it is no film, or none that can be decoded.
    """
    with open_film(path, alone=alone) as container:
        stream = _main_stream(container, path)
        first: av.VideoFrame | None = None
        begins: av.Packet[VideoStream] | None = None
        interlaced = captioned = False
        looked_at = 0
        for packet in container.demux(stream):
            if packet.has_sidedata("encryption_info"):  # some decode all the same: to noise
                raise FilmError(f"`{path}` is encrypted: decrypt it first")
            try:
                pictures = packet.decode()
            except FFmpegError:
                continue
            begins = begins or packet
            for picture in pictures:
                first = first or picture
                interlaced |= picture.interlaced_frame
                captioned |= "A53_CC" in _kinds(picture)
                looked_at += 1
            if looked_at >= _LOOKED_AT:
                break
        if first is None and stream.codec_context.name == "webp":
            raise FilmError(
                f"`{path}` is an animation of WebP, which cannot become a film: give the result "
                "the ending .webp, .gif, .png or .avif"
            )
        if first is None:
            raise FilmError(
                f"`{path}` has no frame that can be decoded ({stream.codec_context.name}): "
                "it is damaged, encrypted, or was cut off; check that it plays elsewhere"
            )
        facts = _facts(path, container, stream, first, interlaced)
        if not interlaced:
            facts = dataclasses.replace(facts, interlaced=_has_fields(container, stream))
        aperture = None if begins is None else clean_aperture(container, stream, begins)
        return dataclasses.replace(facts, captioned=captioned, aperture=aperture)


def _has_fields(container: InputContainer, stream: VideoStream) -> bool:
    """Tell whether later frames are two fields each: many a recording begins with others.

    The container stands elsewhere after it.
    """
    begin, length = container.start_time or 0, container.duration or 0
    for share in _PLACES if length else ():
        try:
            container.seek(begin + int(share * length))
            found = 0
            for packet in itertools.islice(container.demux(stream), _MOST_PACKETS):
                for picture in packet.decode():
                    if picture.interlaced_frame:
                        return True
                    found += 1
                if found:
                    break
        except FFmpegError:
            continue
    return False


def _main_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream that is the film: not a cover, not a thumbnail; the largest."""
    films = [stream for stream in container.streams.video if not stream.disposition & NOT_FILMS]
    if not films:
        covers = " but a cover picture" if container.streams.video else ""
        raise FilmError(f"`{path}` has no moving pictures{covers}: name a film")
    best = max(films, key=lambda one: (bool(one.disposition & Disposition.default), one.frames))
    try:
        known = bool(best.codec_context.name)
    except Exception:  # noqa: BLE001  # a stream that FFmpeg has no decoder for has no context
        known = False
    if not known:
        raise FilmError(
            f"`{path}` is coded in a way that FFmpeg cannot decode here, or is encrypted: "
            "convert it to another format first"
        )
    return best


def _facts(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    first: av.VideoFrame,
    interlaced: bool,
) -> Facts:
    context = stream.codec_context
    base = stream.time_base or Fraction(1, 1000)
    rate = stream.guessed_rate or stream.average_rate or Fraction(25)
    seconds = float(stream.duration * base) if stream.duration else 0.0
    if not seconds and container.duration:
        seconds = container.duration / av.time_base
        begin = float((first.pts or 0) * base)
        if "matroska" in container.format.name and begin < seconds:
            seconds -= begin  # it says when the film ends, not how long it is
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    ranges = {1: False, 2: True}
    rotation, mirrored = _orientation(first)
    return Facts(
        path=path,
        stream=stream.index,
        codec=context.name,
        width=first.width,
        height=first.height,
        pixel_format=first.format.name,
        time_base=Fraction(base.numerator, base.denominator),
        rate=Fraction(rate.numerator, rate.denominator),
        frames=stream.frames or round(seconds * float(rate)),
        seconds=seconds,
        start=first.pts or 0,
        aspect=Fraction(aspect.numerator, aspect.denominator) if aspect else None,
        rotation=rotation,
        interlaced=interlaced,
        field_order=context.field_order,
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
        matrix=int(first.colorspace),
        full_range=ranges.get(int(first.color_range)),
        colored=is_colored(first),
        dynamic=_dynamic(first),
        mirrored=mirrored,
        alpha=("alpha_mode", "1") in ((key.lower(), text) for key, text in stream.metadata.items()),
        lists_frames="mp4" in container.format.name.split(","),
        cut_short=is_cut_short(path, container, stream),
        opaque=context.name in ANIMATIONS and bool((_alpha(first) == 255).all()),
    )


def _alpha(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """Return (h, w) how opaque a frame is."""
    return reformatted(picture, "rgba").to_ndarray()[..., 3].astype(np.uint8, copy=False)


def _orientation(picture: av.VideoFrame) -> tuple[int, bool]:
    """Return degrees to the left, and whether a mirroring follows, as FFmpeg writes both."""
    blocks = cast("Iterable[SideData]", picture.side_data)  # a Mapping that iterates its values
    found = [bytes(one) for one in blocks if one.type.name == "DISPLAYMATRIX"]
    if found:
        a, b, _, c, d = struct.unpack("=5i", found[0][:20])
        if a * d < b * c:
            return round(-math.degrees(math.atan2(b, -a))), True
    return picture.rotation, False


def _dynamic(picture: av.VideoFrame) -> tuple[str, ...]:
    """Return what a frame says to screens, by the names that people know."""
    return tuple(sorted({_SCREENS[name] for name in _kinds(picture) if name in _SCREENS}))


def _kinds(picture: av.VideoFrame) -> set[str]:
    """Return what kinds of data lie beside the pixels of a frame, by FFmpeg's names."""
    blocks = cast("Iterable[SideData]", picture.side_data)  # a Mapping that iterates its values
    return {one.type.name for one in blocks}


def is_colored(picture: av.VideoFrame) -> bool:
    """Tell whether a frame has colours that nobody would overlook: several, or one tint."""
    layout = layout_of(picture.format.name)
    if not layout.across:
        return False
    if not layout.plain or len(picture.planes) < 3:
        picture = reformatted(picture, "yuv444p")
        layout = layout_of("yuv444p")
    unit, grey = 2 ** (layout.depth - 8), 2 ** (layout.depth - 1)
    planes = chroma_planes(picture, layout)
    return any(
        plane.std() > _COLORED * unit or abs(plane.mean() - grey) > _TINTED * unit
        for plane in planes
    )
