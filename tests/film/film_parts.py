"""What the tests of films share: small films, drawn and coded here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

av = pytest.importorskip("av", reason="needs the extra `video`")
pytest.importorskip("cv2", reason="needs the extra `video`")

UInt8 = npt.NDArray[np.uint8]


def scene(seed: int, height: int = 200, width: int = 240) -> UInt8:
    """Draw a picture with soft shapes and fine texture, to move a camera over."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    out = np.full((height, width), float(rng.integers(60, 140)))
    for _ in range(24):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(6, 36)
        out = np.where((columns - x) ** 2 + (rows - y) ** 2 < r * r, rng.uniform(20, 235), out)
    out += rng.normal(0, 6, out.shape)
    return np.clip(out, 0, 255).astype(np.uint8)


def moved(frames: int, size: tuple[int, int] = (48, 64), seed: int = 1) -> list[UInt8]:
    """Move a camera over a drawn picture, a pixel a frame."""
    height, width = size
    picture = scene(seed, max(200, 20 + height), max(240, 10 + frames + width))
    return [picture[20 : 20 + height, 10 + n : 10 + n + width] for n in range(frames)]


def write(
    path: Path,
    luma: list[UInt8],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int | Fraction = 25,
    times: list[int] | None = None,
    base: Fraction | None = None,
    options: dict[str, str] | None = None,
    form: str | None = None,
    audio: int = 0,
    touch: Callable | None = None,
    mark: Callable | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Code a film of luma planes.

    Args:
        path: of the film.
        luma: (H, W) a frame.
        codec: FFmpeg's name.
        pixels: the pixel format.
        rate: frames a second.
        times: pts of each frame in ticks of ``base``; even ones by default.
        base: seconds a tick; one frame by default.
        options: of the encoder.
        form: the container, where the ending does not say.
        audio: how many sound streams.
        touch: called with the stream and the container before anything is coded.
        mark: called with each frame before it is coded.
        container: options of the container.
    """
    base = base or Fraction(1) / Fraction(rate)
    with av.open(str(path), "w", format=form, container_options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = luma[0].shape
        stream.pix_fmt = pixels
        stream.codec_context.time_base = base
        stream.time_base = base
        sounds = [out.add_stream("aac", rate=8000, layout="mono") for _ in range(audio)]
        if touch is not None:
            touch(stream, out)
        for number, plane in enumerate(luma):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), "gray")
            frame = frame.reformat(format=pixels, src_color_range=2, dst_color_range=1)
            frame.pts = number if times is None else times[number]
            frame.time_base = base
            if mark is not None:
                mark(frame)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        length = len(luma) / float(Fraction(rate))
        for pitch, sound in enumerate(sounds):
            for packet in _tone(sound, length, 200 + 100 * pitch):
                out.mux(packet)
    return path


def _tone(stream, seconds: float, pitch: float) -> Iterator:
    count = int(seconds * 8000)
    wave = (8000 * np.sin(np.arange(count) * 2 * np.pi * pitch / 8000)).astype(np.int16)
    for start in range(0, count, 1024):
        part = wave[None, start : start + 1024]
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, start, Fraction(1, 8000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def times_of(path: Path) -> list[Fraction]:
    """Return the times of a film's frames, in seconds."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        return [frame.pts * stream.time_base for frame in film.decode(stream)]


def packets_of(path: Path, kind: str = "audio") -> list[list[tuple]]:
    """Return time, duration and bytes of the packets of each stream of a kind."""
    with av.open(str(path)) as film:
        found: dict[int, list[tuple]] = {s.index: [] for s in film.streams if s.type == kind}
        wanted = [film.streams[number] for number in found]
        for packet in film.demux(wanted) if wanted else ():
            if packet.size:
                time = (packet.pts or 0) * packet.time_base
                found[packet.stream_index].append(
                    (time, (packet.duration or 0) * packet.time_base, bytes(packet))
                )
        return list(found.values())


def assert_same_film(path: Path, other: Path) -> None:
    """Check that two films are the same bytes; else say which frame is the first to differ."""
    if path.read_bytes() == other.read_bytes():
        return
    sizes = [_packet_sizes(one) for one in (path, other)]
    packet = next(
        (n for n, pair in enumerate(zip(*sizes, strict=False)) if len(set(pair)) > 1), None
    )
    said = f"packets {len(sizes[0])} and {len(sizes[1])}, the first of another size: {packet}; "
    with av.open(str(path)) as one, av.open(str(other)) as two:
        frames = zip(one.decode(video=0), two.decode(video=0), strict=False)
        for number, pair in enumerate(frames):
            for plane in range(len(pair[0].planes)):
                apart = np.subtract(
                    *(np.frombuffer(frame.planes[plane], np.uint8).astype(int) for frame in pair)
                )
                if apart.any():
                    most = np.abs(apart).max()
                    pytest.fail(f"{said}frame {number}, plane {plane}: {most} apart at most")
    pytest.fail(f"{said}every frame is the same")


def _packet_sizes(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [packet.size for packet in container.demux(video=0)]
