"""The order of steering: from a photo looked at and what is asked of it to its chroma.

Not here: what each step does (``steering.apply``, ``steering.palette``, ``steering.own_colors``),
what is done to the photo before and after (``colorizer.prepare``), chroma at full size
(``colorizer.merge``).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.colorizer.answers import Answer
from koalarize.colorizer.chroma import Chroma
from koalarize.colorizer.look import Look
from koalarize.colorizer.merge import guide, upsampled
from koalarize.colorizer.pages import asked_beside, asked_of_each, joined
from koalarize.errors import OptionError
from koalarize.steering import apply
from koalarize.steering.alternatives import Suggestion, probabilities, suggest
from koalarize.steering.hints import hint_planes
from koalarize.steering.own_colors import Tint
from koalarize.steering.recolor import recolored
from koalarize.steering.spread import answered_share, spread
from koalarize.steering.steering import Steering

__all__ = ["plan", "planned", "suggestions"]

Float32 = npt.NDArray[np.float32]

_PATCH = 4  # working pixels: side of what is shown to the network of a known colour
_APART = 0.15  # of the shorter side: an alternative's points keep so far from a person's own hints


def plan(look: Look, steering: Steering) -> Chroma:
    """Return how a photo is coloured when steered so.

    Raises:
        OptionError: if the model cannot do what is asked, or a hint lies outside the photo.
    """
    kept, info = _kept(look, steering), look.answers.info
    page = look.page
    beside = steering if page is None else asked_beside(steering, page)
    ab, way = _steered(look, beside, kept), info.way
    guidance = guide(ab, look.lightness) if way is None else upsampled(ab, way.upsampling)
    guidance = guidance.scaled(steering.vividness * info.chroma_gain)
    if page is not None:
        _check_alternative(look, steering)
        each = zip(page.looks, asked_of_each(steering, page), strict=True)
        prints = [plan(own, asked).guidance for own, asked in each]
        guidance = joined(look, guidance, page, prints)
    return Chroma(guidance, None if kept is None else kept.kept())


def planned(look: Look, steering: Steering) -> Float32:
    """Return (2, h, w) ab on the working grid of a photo steered so, as films are coloured.

    Raises:
        OptionError: as ``plan`` says.
    """
    factor = np.float32(steering.vividness * look.answers.info.chroma_gain)
    return _steered(look, steering, None) * factor


def _steered(look: Look, steering: Steering, kept: Tint | None) -> Float32:
    """Return ab on the working grid before the gain on the chroma."""
    info, hints = look.answers.info, steering.hints
    gain = info.chroma_gain
    ab = recolored(_unhinted(look, steering, kept), steering.recolors, gain)
    if hints:
        places = look.grid.places(hints)
        hinted = _ab(look, _ask(look, steering, kept), steering)
        hinted = recolored(hinted, steering.recolors, gain)
        ab = spread(
            ab,
            hinted,
            look.lightness,
            places,
            reach=steering.reach,
            gain=gain,
            doubt=info.doubt_gain,
        )
    return apply.balanced(ab, steering.warmth, steering.tint, gain)


def _unhinted(look: Look, steering: Steering, kept: Tint | None) -> Float32:
    """Return ab on the working grid as it is out of reach of every hint."""
    unhinted = dataclasses.replace(steering, hints=())
    if look.page is not None and not look.calm.any():
        return np.zeros((2, *look.lightness.shape), np.float32)
    ab = _ab(look, _ask(look, unhinted, None), unhinted)
    if kept is not None and look.answers.info.accepts_hints and (patches := kept.patches()):
        change = _ab(look, _ask(look, unhinted, kept), unhinted) - ab
        change *= answered_share(look.lightness, [(row, column) for row, column, *_ in patches])
        ab = np.add(ab, change, dtype=np.float32)
    # Who asks for colours gets them, even on blank paper; so do those who ask for a model's own.
    if steering.alternative or look.answers.info.way is not None:
        return ab
    return ab * look.calm


def suggestions(
    look: Look, steering: Steering, point: tuple[float, float], count: int
) -> list[Suggestion]:
    """Return the colours that the network holds likely at a spot, given what is asked so far.

    Args:
        look: the photo looked at.
        steering: what is asked so far.
        point: x and y of the spot, pixels of the photo.
        count: at most this many.

    Raises:
        OptionError: if the spot is outside the photo, or the model knows no distributions.
    """
    page, (x, y) = look.page, point
    row, column = look.grid.cell(x, y)
    if page is not None:
        number = page.number(x, y)
        if number is not None:
            asked = asked_of_each(steering, page)[number]
            return suggestions(page.looks[number], asked, page.place(number, x, y), count)
        steering = asked_beside(steering, page)
    lightness = float(look.lightness[row, column])
    answer = _ask(look, steering, _kept(look, steering))
    logits = _led(look, answer, steering)
    rows, columns = answer.lightness.shape
    row = row * logits.shape[1] // rows
    column = column * logits.shape[2] // columns
    return suggest(_around(logits, row, column), look.answers.info.bins, lightness, count)


def _kept(look: Look, steering: Steering) -> Tint | None:
    """Return the colours to keep; what a person gives a colour is not of them."""
    tint = look.tint if steering.keep_color else None
    if tint is None:
        return None
    given = [place for place in look.grid.places(steering.hints) if tint.share[place.cell] > 0]
    return tint.spared(apply.hinted_share(tint.ab, given)) if given else tint


def _ask(look: Look, steering: Steering, kept: Tint | None) -> Answer:
    """Ask the network, with the hints, the points of an alternative and what is kept."""
    info = look.answers.info
    asked = bool(steering.hints or steering.alternative)
    if asked and not info.accepts_hints:
        raise OptionError(f"the model `{info.name}` takes no hints: use another, as `koala`")
    if not info.accepts_hints or not (asked or kept):
        return look.answers.plain(best=steering.best)
    planes = np.zeros((3, *look.lightness.shape), np.float32)
    for row, column, a, b in () if kept is None else kept.patches():
        _draw(planes, row, column, (a, b))
    given = hint_planes(steering.hints, photo=look.grid.photo, grid=look.grid.shape)
    planes = np.where(given[2] > 0, given, planes)
    if steering.alternative:
        _draw_alternative(planes, look, steering)
    return look.answers.hinted(planes, best=steering.best)


def _ab(look: Look, answer: Answer, steering: Steering) -> Float32:
    """Return ab (2, h, w) of an answer on the working grid, led by any reference."""
    info, ab = look.answers.info, answer.prediction.ab
    if steering.reference is not None:
        led = _led(look, answer, steering)
        ab = info.bins.decode(led, temperature=info.temperature)
    if ab.shape[1:] != answer.lightness.shape:
        ab = color.resize(ab, *answer.lightness.shape)
    height, width = look.grid.shape
    return ab[:, :height, :width]


def _led(look: Look, answer: Answer, steering: Steering) -> Float32:
    """Return (Q, h, w) the distributions, led by the reference if there is one."""
    prediction = answer.prediction
    logits = prediction.distributions(look.answers.info.name)
    if steering.reference is None:
        return logits
    cells = (logits.shape[1], logits.shape[2])
    lightness = color.resize(answer.lightness[None], *cells)[0]
    height, width = look.grid.shown(cells, answer.lightness.shape)
    free = np.ones(cells, np.float32)
    given = look.grid.places(steering.hints, (height, width))
    ab = prediction.ab if prediction.ab.shape[1:] == cells else color.resize(prediction.ab, *cells)
    free[:height, :width] -= apply.hinted_share(ab[:, :height, :width], given)
    return steering.reference.lead(logits, look.answers.info.bins, lightness, free)


def _draw_alternative(planes: Float32, look: Look, steering: Steering) -> None:
    """Draw the points of an alternative onto hint planes, except near a person's own hints."""
    found = look.alternatives()
    _check_alternative(look, steering)
    cells = look.answers.plain().prediction.distributions(look.answers.info.name).shape[1]
    step = look.grid.padded[0] / cells  # working pixels a cell
    (height, width), (rows, columns) = look.grid.photo, look.grid.shape
    own = [(hint.y * rows / height, hint.x * columns / width) for hint in steering.hints]
    for anchor in found[steering.alternative - 1]:
        row, column = (anchor.row + 0.5) * step, (anchor.column + 0.5) * step
        if any(np.hypot(row - y, column - x) < _APART * min(rows, columns) for y, x in own):
            continue
        _draw(planes, row, column, anchor.ab)


def _check_alternative(look: Look, steering: Steering) -> None:
    if steering.alternative > (count := look.count_alternatives() if steering.alternative else 0):
        known = f"1 to {count}" if count else "none"
        raise OptionError(
            f"`alternative` is {steering.alternative} but this photo has {known}: "
            "0 is the network's own colouring"
        )


def _draw(planes: Float32, row: float, column: float, ab: tuple[float, float]) -> None:
    """Draw a patch of a known colour onto hint planes, around a place of the working grid."""
    top, left = max(0, round(row - _PATCH / 2)), max(0, round(column - _PATCH / 2))
    part = (slice(top, top + _PATCH), slice(left, left + _PATCH))
    planes[0][part], planes[1][part] = ab
    planes[2][part] = 1


def _around(logits: Float32, row: int, column: int) -> Float32:
    """Return (Q,) the mean distribution of the cells around one, the middle one counting most."""
    top, left = max(0, row - 1), max(0, column - 1)
    near = probabilities(logits[:, top : row + 2, left : column + 2])
    down = np.where(np.arange(top, top + near.shape[1]) == row, 2, 1)
    across = np.where(np.arange(left, left + near.shape[2]) == column, 2, 1)
    weights = np.outer(down, across).astype(np.float32)
    return (near * weights).sum((1, 2)) / weights.sum()
