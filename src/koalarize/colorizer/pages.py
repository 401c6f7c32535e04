"""What is asked of a page with prints, print by print, and their colours put together again.

Not here: where prints lie (``colorizer.prints``), how each is coloured (``colorizer.plan``). Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.colorizer.look import Look, Page
from koalarize.colorizer.merge import Guidance
from koalarize.steering.steering import Steering

__all__ = ["asked_beside", "asked_of_each", "joined"]

Float32 = npt.NDArray[np.float32]

_MOST_SIDE = 1024  # of the shorter side of the grid that all prints share, pixels


def asked_beside(steering: Steering, page: Page) -> Steering:
    """Return what is asked of a page beside its prints: what is hinted there."""
    hints = tuple(hint for hint in steering.hints if page.number(hint.x, hint.y) is None)
    return dataclasses.replace(steering, hints=hints, alternative=0, crop=None)


def asked_of_each(steering: Steering, page: Page) -> list[Steering]:
    """Return what is asked of each print of a page, places as they lie in the print.

    A print that has fewer other colourings than are asked for keeps the network's own.
    """
    found: list[Steering] = []
    for number, look in enumerate(page.looks):
        own = [hint for hint in steering.hints if page.number(hint.x, hint.y) == number]
        places = (page.place(number, hint.x, hint.y) for hint in own)
        hints = (
            dataclasses.replace(hint, x=x, y=y) for hint, (x, y) in zip(own, places, strict=True)
        )
        other = steering.alternative
        other = other if other and other <= look.count_alternatives() else 0
        asked = dataclasses.replace(steering, hints=tuple(hints), alternative=other, crop=None)
        found.append(asked)
    return found


def joined(look: Look, beside: Guidance, page: Page, prints: Sequence[Guidance]) -> Guidance:
    """Put the guidance of all prints of a page together.

    Args:
        look: at the page.
        beside: of the page beside its prints.
        page: its prints.
        prints: of each.

    Returns:
        That of the whole page, on a grid in which each print has its working size, if that is not
        too large.
    """
    height, width = look.grid.photo
    rows = max(
        own.grid.shape[0] * height / (bottom - top)
        for own, (_, top, _, bottom) in zip(page.looks, page.inner, strict=True)
    )
    scale = min(rows / height, _MOST_SIDE / min(height, width), 1.0)
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    planes = color.resize(beside.planes, *shape)
    places = zip(page.prints.scaled(*shape), page.prints.scaled(*shape, inner=True), strict=True)
    for number, ((left, top, right, bottom), (first, above, last, below)) in enumerate(places):
        own = color.resize(prints[number].planes, below - above, last - first)
        rim = ((0, 0), (above - top, bottom - below), (first - left, right - last))
        part = planes[:, top:bottom, left:right]
        share = color.resize(page.prints.share(number)[None], *part.shape[1:])
        part += share * (np.pad(own, rim, mode="edge") - part)
    return Guidance(planes)
