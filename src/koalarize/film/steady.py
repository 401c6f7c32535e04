"""Colours held steady within a shot: the network looks at key frames, the others are led by motion.

Not here: cuts (``film.shots``), motion (``film.flow``), what the network says (``film.ask``).

A frame becomes a key frame where the way back to the last one is no longer trusted, or after
``_MOST_APART`` frames. There the network's answer joins a running mean that has been carried along
the motion; between two key frames chroma comes from both, each as far as it is trusted. A new shot
begins afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.film.flow import Flow, Seen, Way
from koalarize.film.lead import Led

__all__ = ["Settled", "State", "Steady", "dimmed", "lit"]

Float32 = npt.NDArray[np.float32]
#: Asks the network: number of the frame and its L* (h, w) -> ab (2, h, w), Lab units.
Ask = Callable[[int, Float32], Float32]
#: Says what a person's frames say of a frame, by its number; None if its shot has none.
Lead = Callable[[int], Led | None]

_MOST_APART = 8  # frames from one key frame to the next
_LEAST_TRUST = 0.75  # mean over a frame; below it the frame becomes a key frame itself
# Chosen on a dissolve of 24 frames between two photos under a camera, koala, 2026-12-01: half a
# second behind it colours are 2.0 Lab units from those of the second shot alone, 3.9 before; films
# of flicker, grain and motion change from frame to frame as before, within 0.2 %.
_GONE, _HERE = 0.5, 0.85  # mean trust at which nothing carried counts any more, and all of it
_SUDDEN = 0.2  # of mean trust, lost in one frame: a flash, behind which the same things come back
_LONGEST_MEAN = 60.0  # key frames that a mean holds at most
# Chosen on five photos under a camera that come out of black in 24 frames, koala, 2026-12-01:
# behind that colours are 0.8 Lab units from those without a fade, 2.2 where all frames count alike;
# with a shot that fades out before them 1.3, and 1.7 if that is carried on through black.
_SHOWN = 8.0  # L*: standard deviation of a frame whose answer counts whole: it is not of noise
_BLACK = (0.3, 1.5)  # L*: the same, at which nothing is carried on, and all of it
_FLOOR = np.float32(1e-3)
# Chosen on five photos under a camera that fade in and out in 24 frames, koala, 2026-12-02, against
# the colours of the same shots without a fade, darkened as light is: the eight darkest frames of a
# fade are off by 1.4 Lab units for 4.1. Of 1,550 photos 13 are darker than that as a whole.
_BRIGHT = 98  # per cent of a frame that are darker than what lights it
_LIT = 50.0  # L* of that from which a frame has its colours whole
# A flash, and a fade to white. Of 1,600 photos one is brighter than the first as a whole. In a pan
# one frame of which is washed out to L* 89 and more, koala, 2026-12-02, that frame had a mean
# chroma of 7.6 to 9.0, those around it 10.4.
_WASHED = (60.0, 90.0)  # L* of all but 2 % of a frame: up to which it has its colours, and none
# A flash, or missing frames. In pans over four photos, koala, 2026-12-02, colours twelve frames
# behind one white frame were off by 2.1 Lab units where it was a key frame, passed over by 0.05;
# behind three by 2.4 and 0.6.
_BLANK = 3  # frames that show nothing, in a row, over which colours are carried


@dataclass(frozen=True)
class Settled:
    """A frame whose colours are known.

    Attributes:
        number: of the frame.
        seen: the frame on the small grid.
        ab: (2, h, w), Lab units.
    """

    number: int
    seen: Seen
    ab: Float32


@dataclass(frozen=True)
class State:
    """What is carried over a key frame, to go on behind it.

    Attributes:
        number: of the key frame.
        ab: (2, h, w), its colours.
        count: (h, w), over how many answers each place is a mean.
    """

    number: int
    ab: Float32
    count: Float32


class Steady:
    """Takes the frames of a film in order and settles their colours a few frames later."""

    def __init__(self, ask: Ask, steadiness: float, lead: Lead = lambda number: None) -> None:
        """Begin.

        Args:
            ask: asks the network.
            steadiness: 0 colours each frame alone, 1 holds colours longest.
            lead: says what a person's frames say.
        """
        self._ask = ask
        self._lead = lead
        self._most = min(_LONGEST_MEAN, 1 / max(1 - steadiness, 1e-6))
        self._apart = _MOST_APART if steadiness > 0 else 1
        self._alone = steadiness <= 0
        self._flow: Flow | None = None
        self._key: State | None = None
        self._frames: list[Seen] = []  # the key frame and those behind it
        self._ways: list[Way] = []  # from each to the key frame
        self._blank: list[bool] = []  # whether each is passed over: nothing can be followed to it

    @property
    def state(self) -> State | None:
        """What is carried, where the last frame taken is a key frame; else None."""
        return self._key if len(self._frames) == 1 else None

    def restore(self, state: State, seen: Seen) -> None:
        """Go on behind a key frame."""
        self._flow = Flow(*seen.lightness.shape)
        self._begin(state, seen)

    def push(self, number: int, seen: Seen, *, cut: bool, key: bool = False) -> list[Settled]:
        """Take the next frame.

        Args:
            number: of the frame.
            seen: the frame.
            cut: whether it begins a shot.
            key: whether it must be a key frame.

        Returns:
            The frames whose colours are known by it, in order.
        """
        settled = self.finish() if cut else []
        if self._flow is None:
            self._flow = Flow(*seen.lightness.shape)
        if self._key is None:
            ab = self._ask(number, seen.lightness)
            led = self._lead(number)
            if led is not None:
                ab = led.over(ab)
            count = np.full(ab.shape[1:], _worth(seen), np.float32)
            self._begin(State(number, ab, count), seen)
            return settled
        near = self._before(len(self._frames))
        way = self._flow.on(seen, self._frames[near], self._frames[0], self._ways[near])
        lost = float(way.trust.mean()) < _LEAST_TRUST
        blank = lost and not key and not self._alone and _nothing(seen)
        blank = blank and len(self._frames) - 1 - near < _BLANK
        self._frames.append(seen)
        self._ways.append(self._ways[near] if blank else way)
        self._blank.append(blank)
        if blank:
            return settled
        far = len(self._frames) - 1
        if key or far >= self._apart or lost:
            settled += self._close()
        return settled

    def finish(self) -> list[Settled]:
        """End the shot; return the frames that were still open."""
        if self._key is None:
            return []
        settled = self._close() if len(self._frames) > 1 else []
        key = self._key
        settled.append(Settled(key.number, self._frames[0], key.ab))
        self._key = None
        self._frames, self._ways, self._blank = [], [], []
        return settled

    def _begin(self, key: State, seen: Seen) -> None:
        assert self._flow is not None
        self._key, self._frames, self._ways = key, [seen], [self._flow.start()]
        self._blank = [False]

    def _before(self, place: int) -> int:
        """Return the place of the last frame before one that is not passed over."""
        return max(one for one in range(place) if not self._blank[one])

    def _close(self) -> list[Settled]:
        """Make the last frame a key frame; settle those before it."""
        assert self._key is not None
        assert self._flow is not None
        key, frames, ways = self._key, self._frames, self._ways
        last = len(frames) - 1
        later = self._mean(key.number + last, frames[last], ways[last])
        settled = [Settled(key.number, frames[0], key.ab)]
        between: list[Settled] = []
        back, near = self._flow.start(), last
        worth = [_worth(frames[0]), _worth(frames[last])]
        for place in range(last - 1, 0, -1):
            if not self._blank[place]:
                back, near = self._flow.on(frames[place], frames[near], frames[last], back), place
            share = np.float32(place / last)
            ahead = (ways[place].trust + _FLOOR) * ((1 - share) * worth[0])
            behind = (back.trust + _FLOOR) * (share * worth[1])
            weight = ahead / (ahead + behind)
            one, other = ways[place].take(key.ab), back.take(later.ab)
            ab = (other + weight * (one - other)).astype(np.float32, copy=False)
            between.append(Settled(key.number + place, frames[place], ab))
        self._begin(later, frames[last])
        return settled + between[::-1]

    def _mean(self, number: int, seen: Seen, way: Way) -> State:
        """Return what is carried over a new key frame: the mean, and the network's answer."""
        assert self._key is not None
        answer = self._ask(number, self._calmed(seen))
        led = self._lead(number)
        if led is not None:
            answer = led.over(answer)
        if self._alone:
            return State(number, answer, np.ones_like(seen.lightness))
        count = way.take(self._key.count[None])[0] * (way.trust * np.float32(self._left()))
        if led is not None:  # what a person says is steady by itself
            count = count * (1 - led.share)
        count = np.minimum(count, np.float32(self._most - 1))
        carried = way.take(self._key.ab)
        worth = _worth(seen)
        ab = ((worth * answer + count * carried) / (worth + count)).astype(np.float32)
        return State(number, ab, worth + count)

    def _left(self) -> float:
        """Return how far what is carried still counts: not behind a dissolve or a fade."""
        before, now = (float(way.trust.mean()) for way in self._ways[-2:])
        if before - now > _SUDDEN and not self._blank[-2]:
            return 1.0
        shown = min(1.0, float(color.smoothstep(_deviation(self._frames[-1]), *_BLACK)))
        return shown * float(color.smoothstep(np.asarray(now, np.float32), _GONE, _HERE))

    def _calmed(self, seen: Seen) -> Float32:
        """Return L* of the last frame with its grain averaged over its neighbours."""
        assert self._flow is not None
        if self._alone or len(self._frames) < 2:
            return seen.lightness
        total, weight = seen.lightness.copy(), np.ones_like(seen.lightness)
        way = self._flow.start()
        shown = [self._frames[one] for one in range(len(self._frames) - 1) if not self._blank[one]]
        for number, other in enumerate(shown[:-3:-1]):
            if number == 0:
                way = self._flow.on(seen, other, other, way)
            else:
                near = shown[-1]
                joint = self._flow.on(near, other, other, self._flow.start())
                way = self._flow.on(seen, near, other, joint)
            lit = way.take(other.lightness[None])[0]
            lit += seen.lightness.mean() - other.lightness.mean()
            total += way.trust * lit
            weight += way.trust
        return total / weight


def dimmed(ab: Float32, lightness: Float32, held: Float32 | None = None) -> Float32:
    """Return the colours of a frame, less where all of it is dark or white, as light takes them.

    Args:
        ab: (2, h, w), Lab units.
        lightness: (h, w) L*.
        held: (h, w) in [0, 1]: how far a person says the colours of each place; those stay.
    """
    share = np.float32(lit(lightness))
    if share >= 1:
        return ab
    return ab * (share if held is None else share + (1 - share) * held)


def lit(lightness: Float32) -> float:
    """Return the share of its colours that a frame has, 0 to 1: less where all is dark or white.

    Args:
        lightness: (h, w) L*, on a small grid.
    """
    least, most = (float(one) for one in np.percentile(lightness, (100 - _BRIGHT, _BRIGHT)))
    washed = (_WASHED[1] - least) / (_WASHED[1] - _WASHED[0])
    return min(1.0, most / _LIT, max(0.0, washed))


def _nothing(seen: Seen) -> bool:
    """Return whether a frame shows nothing: it is of one grey, or washed out as a whole."""
    if float(_deviation(seen)) < _BLACK[1]:
        return True
    return float(np.percentile(seen.lightness, 100 - _BRIGHT)) > sum(_WASHED) / 2


def _worth(seen: Seen) -> np.float32:
    """Return what an answer counts, up to 1: of a frame that is nearly black it is of its noise."""
    share = float(_deviation(seen)) / _SHOWN
    return np.float32(min(1.0, max(float(_FLOOR), share * share)))


def _deviation(seen: Seen) -> Float32:
    return np.asarray(seen.lightness.std(), np.float32)
