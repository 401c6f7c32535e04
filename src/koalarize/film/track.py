"""Where a hint's place is in every frame of its shot.

Not here: what a hint does (``steering.spread``), motion itself (``film.flow``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from koalarize.film.flow import Flow, Seen
from koalarize.film.shot_list import TimedHint
from koalarize.steering.hints import Hint
from koalarize.steering.spread import reach_at

__all__ = ["track"]

_LOST = 18.0  # L* of the matched frames by which the place may differ from where the hint was set
_AROUND = 2  # cells around it whose mean is compared


def track(
    seen: Sequence[Seen],
    times: Sequence[float],
    hints: Sequence[TimedHint],
    film: tuple[int, int],
    reach: float,
) -> list[tuple[Hint, ...]]:
    """Return the hints of each frame of a shot, each where its place is there.

    A hint is set at one frame and followed along the motion to both sides, up to where it leaves
    the frame or is covered. It reaches as far in all of them as in the frame where it is set.

    Args:
        seen: the frames of the shot; each is taken a few times, in order.
        times: seconds of each.
        hints: of the shot.
        film: height and width, pixels.
        reach: of hints without one of their own, a share of the shorter side.
    """
    if not len(seen):
        return []
    found: list[list[Hint]] = [[] for _ in times]
    rows, columns = seen[0].lightness.shape
    flow = Flow(rows, columns)
    down, across = rows / film[0], columns / film[1]
    places: list[tuple[int, float, float, TimedHint]] = []
    begun: list[float] = []  # how bright each place is where its hint is set
    for one in hints:
        first = int(np.argmin([abs(time - one.seconds) for time in times]))
        x, y = one.hint.x * across, one.hint.y * down
        cell = min(int(y), rows - 1), min(int(x), columns - 1)
        there = one.hint.reach or reach_at(seen[first].lightness, cell, reach)
        one = dataclasses.replace(one, hint=dataclasses.replace(one.hint, reach=there))
        places.append((first, x, y, one))
        begun.append(_mean(seen[first], (x, y)))
        found[first].append(one.hint)
    for step in (1, -1):
        order = range(len(seen)) if step == 1 else range(len(seen) - 1, -1, -1)
        alive: dict[int, tuple[float, float]] = {}
        last: Seen | None = None
        for here in order:
            if alive:
                look = seen[here]
                dx, dy = flow.between(last or seen[here - step], look)
                last = look
                alive = {
                    number: moved
                    for number, (x, y) in alive.items()
                    if (moved := _moved(x, y, dx, dy)) is not None
                    and abs(_mean(look, moved) - begun[number]) < _LOST
                }
                for number, (x, y) in alive.items():
                    hint = places[number][3].hint
                    found[here].append(dataclasses.replace(hint, x=x / across, y=y / down))
            else:
                last = None
            alive |= {n: (x, y) for n, (first, x, y, _) in enumerate(places) if first == here}
    return [tuple(hints) for hints in found]


def _moved(x: float, y: float, dx: np.ndarray, dy: np.ndarray) -> tuple[float, float] | None:
    rows, columns = dx.shape
    row, column = int(min(max(y, 0), rows - 1)), int(min(max(x, 0), columns - 1))
    x, y = x + float(dx[row, column]), y + float(dy[row, column])
    return (x, y) if 0 <= x < columns and 0 <= y < rows else None


def _mean(seen: Seen, place: tuple[float, float]) -> float:
    x, y = int(place[0]), int(place[1])
    rows = slice(max(0, y - _AROUND), y + _AROUND + 1)
    columns = slice(max(0, x - _AROUND), x + _AROUND + 1)
    return float(seen.matched[rows, columns].mean())
