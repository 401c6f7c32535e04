"""The flat bars of a film, which the network does not see: letterbox, pillarbox, both.

Not here: what a bar is (``colorizer.bars``), chroma beside them (``film.paint``). They are those of
frames spread over the whole film, so that each part of it, and a run that goes on, has the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.stream import VideoStream

from koalarize import color
from koalarize.colorizer.bars import BarFinder, Bars
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film.facts import Facts, open_film
from koalarize.film.shot_list import TimedHint
from koalarize.film.shown import coded_grey
from koalarize.film.steady import lit
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering

__all__ = ["bars_of_film", "colored_still", "hints_within", "part_shown", "within"]

UInt8 = npt.NDArray[np.uint8]

_FRAMES = 24  # are looked at
_LATER = 1.1  # where nothing says how long it lasts: the time of one to that of the one before
_NEAR = 30.0  # seconds: a key frame that lies farther back is none of that place
_READ_ON = 5.0  # seconds up to which the next one is reached by reading, and not by a key frame


def bars_of_film(facts: Facts) -> Bars | None:
    """Return the bars that a film has from its beginning to its end; None if it has none."""
    try:
        found = facts.path.stat()
    except OSError:
        return None
    return _found(facts, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _found(facts: Facts, *file: int) -> Bars | None:
    """Return the bars of a film whose file has a time and a size."""
    del file
    finder = BarFinder()
    for frame in _spread(facts):
        if (frame.width, frame.height) == (facts.width, facts.height):
            finder.add(color.grey_to_lightness(coded_grey(facts, frame)))
    return finder.bars()


def within(facts: Facts, bars: Bars | None) -> Facts:
    """Return what is known of a film, of the size of its picture without bars."""
    if bars is None:
        return facts
    rows, columns = bars.parts(facts.height, facts.width)
    return dataclasses.replace(
        facts, height=rows.stop - rows.start, width=columns.stop - columns.start
    )


def hints_within(
    hints: Sequence[TimedHint], facts: Facts, bars: Bars | None
) -> tuple[TimedHint, ...]:
    """Return hints of a film at their places in its picture without bars; not those in the bars."""
    if bars is None:
        return tuple(hints)
    inner, found = within(facts, bars), list[TimedHint]()
    for one in hints:
        x, y = one.hint.x - bars.left, one.hint.y - bars.top
        if 0 <= x <= inner.width and 0 <= y <= inner.height:
            found.append(dataclasses.replace(one, hint=dataclasses.replace(one.hint, x=x, y=y)))
    return tuple(found)


def part_shown(facts: Facts, bars: Bars | None, height: int, width: int) -> tuple[slice, slice]:
    """Return which rows and columns of a frame as players show it are not bars.

    Args:
        facts: of the film.
        bars: of its frames as they are coded.
        height: of the frame, upright, at any size.
        width: of it.
    """
    if bars is None:
        return slice(0, height), slice(0, width)
    top, bottom = bars.top / facts.height, bars.bottom / facts.height
    left, right = bars.left / facts.width, bars.right / facts.width
    for _ in range(facts.turns):  # to the left: the right edge comes to the top
        top, left, bottom, right = right, top, left, bottom
    if facts.mirrored:
        left, right = right, left
    return (
        slice(round(top * height), height - round(bottom * height)),
        slice(round(left * width), width - round(right * width)),
    )


def colored_still(colorizer: Colorizer, facts: Facts, grey: UInt8, steering: Steering) -> UInt8:
    """Return (h, w, 3) a frame of a film coloured alone; its bars stay grey.

    As in the film, it has the less colour the darker, or the whiter, it is as a whole.

    Args:
        colorizer: colours pictures.
        facts: of the film.
        grey: (h, w), as ``shown_grey`` gives it.
        steering: what is asked of the colours.

    Raises:
        OptionError: if the model cannot do what is asked.
    """
    place = part_shown(facts, bars_of_film(facts), *grey.shape)
    picture = Photo(grey[place])
    share = lit(colorizer.look(picture, size=steering.size, prints=False).lightness)
    steering = dataclasses.replace(steering, vividness=steering.vividness * share)
    colored = colorizer.photo(picture, steering).photo.pixels
    if colored.shape[:2] == grey.shape:
        return colored
    whole = np.repeat(grey[..., None], 3, axis=-1)
    whole[place] = colored if colored.ndim == 3 else colored[..., None]
    return whole


def _spread(facts: Facts) -> Iterator[av.VideoFrame]:
    """Yield frames spread over a film: key frames where those are near enough.

    Where nothing says how long it lasts, it is read through, and frames come less and less often.
    What cannot be read decides nothing.
    """
    begin = float(facts.start * facts.time_base)
    step = facts.seconds / _FRAMES
    jumps, at, wanted = step > _READ_ON, 0, 0.0
    with contextlib.suppress(FFmpegError), open_film(facts.path) as container:
        stream = container.streams[facts.stream]
        assert isinstance(stream, VideoStream)
        stream.thread_type = "AUTO"  # type: ignore[assignment]
        while at < _FRAMES or not step:
            if jumps:
                ticks = round(Fraction(begin + (at + 0.5) * step) / facts.time_base)
                container.seek(ticks, stream=stream)
            for number, frame in enumerate(container.decode(stream)):
                seconds = float(number / facts.rate)
                if step and frame.pts is not None:
                    seconds = float(frame.pts * facts.time_base) - begin
                jumps = jumps and seconds > wanted - _NEAR
                if not jumps and seconds < wanted - 1e-6:
                    continue
                yield frame
                at += 1
                wanted = at * step if step else seconds * _LATER + 1 / _FRAMES
                if jumps or at == (_FRAMES if step else 0):
                    break
            else:
                return
