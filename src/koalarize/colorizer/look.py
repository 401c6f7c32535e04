"""A photo as a network sees it: asked again and again with other hints, and steered.

Not here: pictures and their sizes (``colorizer``), what steering does to ab (``steering``), what
else is likely (``steering.alternatives``). The ``Colorizer`` makes views; the studio keeps one a
photo, so that a change of a hint costs one run of the network and no look at the photo.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.colorizer import merge as chroma
from koalarize.engines.engine import Engine, ModelInfo, Prediction
from koalarize.errors import OptionError
from koalarize.steering import alternatives as likely
from koalarize.steering import apply
from koalarize.steering.blank import calmness
from koalarize.steering.hints import hint_planes
from koalarize.steering.own_colors import Tint, find_tint
from koalarize.steering.steering import MOST_ALTERNATIVES, Steering

__all__ = ["View"]

Float32 = npt.NDArray[np.float32]

_PLAIN = Steering()
_PATCH = 4  # working pixels: side of what is shown to the network of a known colour


@dataclass(frozen=True)
class _Answer:
    """What a network says, and L* of just what its grid covers: the photo, padded or not."""

    prediction: Prediction
    lightness: Float32


class View:
    """What one network says of one photo at one working size; safe from several threads."""

    def __init__(
        self,
        engine: Engine,
        lightness: Float32,
        *,
        width: int,
        height: int,
        size: int | None,
        own_ab: Float32 | None = None,
    ) -> None:
        """Make a view; people call ``Colorizer.view``.

        Args:
            engine: runs the network.
            lightness: (h, w), L* of the photo on the working grid.
            width: of the photo, pixels.
            height: of the photo, pixels.
            size: the working size asked for; None is the model's own.
            own_ab: (2, h, w), the photo's own colours on that grid, where it is not grey.
        """
        self.lightness = lightness
        self.width = width
        self.height = height
        self.size = size
        self._engine = engine
        self._info = engine.info
        self._padded_lightness = _padded(lightness, self._info)
        self._own_ab = own_ab
        self._tint: Tint | None = None
        self._calm: float | None = None
        self._plain: dict[bool, _Answer] = {}
        self._anchors: list[list[likely.Anchor]] | None = None
        self._lock = threading.RLock()

    def guidance(self, steering: Steering) -> chroma.Guidance:
        """Return how chroma follows lightness, before vividness and the model's gain.

        Raises:
            OptionError: if the model cannot do what is asked, or a hint lies outside the photo.
        """
        info, hints = self._info, steering.hints
        answer = self._ask(steering)
        ab = answer.prediction.ab
        if steering.reference is not None:
            ab = color.decode_ab(self._logits(answer, steering), temperature=info.temperature)
        if ab.shape[1:] != answer.lightness.shape:
            ab = color.resize(ab, *answer.lightness.shape)
        height, width = self.lightness.shape
        # Who asks for colours gets them, even on blank paper.
        asked = bool(hints or steering.alternative)
        ab = ab[:, :height, :width] * np.float32(1.0 if asked else self.calm)
        gain = info.chroma_gain
        if hints:
            ab = apply.honoured(
                ab, self.lightness, hints, width=self.width, height=self.height, gain=gain
            )
        guidance = chroma.guide(apply.warmed(ab, steering.warmth, gain), self.lightness)
        tint = self._tint_for(steering)
        return guidance if tint is None else chroma.Guidance(guidance.planes, tint.kept())

    @property
    def calm(self) -> float:
        """By what the chroma of the whole photo is multiplied: 1 but where it shows no things."""
        if self._calm is None:
            self._calm = calmness(self.lightness)
        return self._calm

    @property
    def tint(self) -> Tint | None:
        """The colours that the photo has of its own; None if it is grey or evenly toned."""
        with self._lock:
            if self._own_ab is not None and self._tint is None:
                self._tint = find_tint(self.lightness, self._own_ab)
                self._own_ab = None
            return self._tint

    @property
    def has_colors(self) -> bool:
        """Whether the photo has colours of its own that nobody would overlook."""
        return self.tint is not None and self.tint.clear

    def suggestions(
        self, steering: Steering, x: float, y: float, count: int
    ) -> list[likely.Suggestion]:
        """Return the colours that the network holds likely at a spot, given what is asked so far.

        Args:
            steering: what is asked so far.
            x: of the spot, pixels of the photo.
            y: of the spot.
            count: at most so many.

        Raises:
            OptionError: if the spot is outside the photo, or the model knows no distributions.
        """
        height, width = self.lightness.shape
        row, column = int(y * height / self.height), int(x * width / self.width)
        lightness = self.lightness_at(x, y)
        answer = self._ask(steering)
        logits = self._logits(answer, steering)
        rows, columns = answer.lightness.shape
        row = row * logits.shape[1] // rows
        column = column * logits.shape[2] // columns
        return likely.suggest(_around(logits, row, column), lightness, count)

    def lightness_at(self, x: float, y: float) -> float:
        """Return L* on the working grid at a point of the photo.

        Raises:
            OptionError: if the point is outside the photo.
        """
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise OptionError(
                f"the point {x:g},{y:g} lies outside the photo, "
                f"which is {self.width} x {self.height} pixels"
            )
        height, width = self.lightness.shape
        return float(self.lightness[int(y * height / self.height), int(x * width / self.width)])

    def alternatives(self) -> list[list[likely.Anchor]]:
        """Return the points that bring about each other plausible colouring, found only once.

        They follow from the photo, the model and the size alone, so that a number means the same
        colouring whatever the hints.

        Raises:
            OptionError: if the model knows no distributions.
        """
        with self._lock:
            if self._anchors is None:
                plain = self._ask(_PLAIN)
                logits = self._logits(plain, _PLAIN)
                height, width = self._cells(plain)
                lightness = color.resize(plain.lightness[None], *logits.shape[1:])[0]
                self._anchors = likely.alternative_anchors(
                    logits[:, :height, :width],
                    lightness[:height, :width],
                    MOST_ALTERNATIVES,
                    temperature=self._info.temperature,
                )
            return self._anchors

    def _cells(self, answer: _Answer) -> tuple[int, int]:
        """Return how many cells of the network's grid show the photo rather than padding."""
        height, width = (
            max(1, round(cells * side / covered))
            for cells, side, covered in zip(
                answer.prediction.ab.shape[1:],
                self.lightness.shape,
                answer.lightness.shape,
                strict=True,
            )
        )
        return height, width

    def _ask(self, steering: Steering) -> _Answer:
        """Ask the network, with the hints, the points of an alternative and what is kept."""
        asked = bool(steering.hints or steering.alternative)
        if asked and not self._info.accepts_hints:
            raise OptionError(
                f"the model `{self._info.name}` takes no hints: use another, as `koala`"
            )
        tint = self._tint_for(steering) if self._info.accepts_hints else None
        if not asked and tint is None:
            with self._lock:
                if steering.best not in self._plain:
                    self._plain[steering.best] = self._run(None, steering.best)
                return self._plain[steering.best]
        height, width = self.lightness.shape
        planes = np.zeros((3, height, width), np.float32)
        for row, column, a, b in () if tint is None else tint.patches():
            _draw(planes, row, column, (a, b))
        given = hint_planes(
            steering.hints,
            width=self.width,
            height=self.height,
            grid_width=width,
            grid_height=height,
        )
        planes = np.where(given[2] > 0, given, planes)
        if steering.alternative:
            self._anchor(planes, steering)
        return self._run(planes, steering.best)

    def _run(self, planes: Float32 | None, best: bool) -> _Answer:
        """Run the network once, or for the best answer also on the mirrored photo."""
        info = self._info
        hints = None if planes is None else _padded(planes, info)
        prediction = self._engine.run(self._padded_lightness, hints)
        if not best:
            return _Answer(prediction, self._padded_lightness)
        mirrored = None if planes is None else _padded(planes[..., ::-1], info)
        other = self._engine.run(_padded(self.lightness[:, ::-1], info), mirrored)
        if prediction.logits is None or other.logits is None:
            ab = (self._cut(prediction.ab) + self._cut(other.ab)[..., ::-1]) * np.float32(0.5)
            return _Answer(Prediction(ab), self.lightness)
        shares = self._cut(likely.probabilities(prediction.logits))
        shares = shares + self._cut(likely.probabilities(other.logits))[..., ::-1]
        logits = np.log(np.maximum(shares * np.float32(0.5), np.float32(1e-12)))
        ab = color.decode_ab(logits, temperature=info.temperature)
        return _Answer(Prediction(ab, logits), self.lightness)

    def _cut(self, cells: Float32) -> Float32:
        """Bring what covers the padded photo (C, r, c) to a grid that covers just the photo.

        The new grid has whole cells and the same middle as the photo, so that it can be mirrored;
        its values are linear between those of the cells, and the same where nothing is cut in two.
        """
        for axis in (1, 2):
            count, padded = cells.shape[axis], self._padded_lightness.shape[axis - 1]
            side = self.lightness.shape[axis - 1]
            covered, new = side * count / padded, -(-side * count // padded)
            places = np.clip((np.arange(new) + 0.5) * covered / new - 0.5, 0, count - 1)
            lower = places.astype(np.int64)
            upper = np.minimum(lower + 1, count - 1)
            weights = (places - lower).astype(np.float32).reshape((-1, 1) if axis == 1 else (1, -1))
            below, above = cells.take(lower, axis), cells.take(upper, axis)
            cells = below + weights * (above - below)
        return cells

    def _tint_for(self, steering: Steering) -> Tint | None:
        """Return the colours to keep; what a person gives a colour is not of them."""
        if not steering.keep_color or self.tint is None:
            return None
        height, width = self.lightness.shape
        hints = [
            hint
            for hint in steering.hints
            if hint.x < self.width
            and hint.y < self.height
            and self.tint.share[
                int(hint.y * height / self.height), int(hint.x * width / self.width)
            ]
            > 0
        ]
        if not hints:
            return self.tint
        given = apply.hinted_share(self.tint.ab, hints, width=self.width, height=self.height)
        return self.tint.spared(given)

    def _anchor(self, planes: Float32, steering: Steering) -> None:
        """Draw the points of an alternative onto hint planes, except near a person's own hints."""
        found = self.alternatives()
        if steering.alternative > len(found):
            known = f"1 to {len(found)}" if found else "none"
            raise OptionError(
                f"`alternative` is {steering.alternative} but this photo has {known}: "
                "0 is the network's own colouring"
            )
        cells = self._ask(_PLAIN).prediction.ab.shape[1]
        step = self._padded_lightness.shape[0] / cells  # working pixels a cell
        height, width = self.lightness.shape
        own = [(h.y * height / self.height, h.x * width / self.width) for h in steering.hints]
        for anchor in found[steering.alternative - 1]:
            row, column = (anchor.row + 0.5) * step, (anchor.column + 0.5) * step
            if any(np.hypot(row - y, column - x) < 0.15 * min(height, width) for y, x in own):
                continue
            _draw(planes, row, column, anchor.ab)

    def _logits(self, answer: _Answer, steering: Steering) -> Float32:
        """Return (Q, h, w) the distributions, led by the reference if there is one."""
        prediction, logits = answer.prediction, answer.prediction.logits
        if logits is None:
            raise OptionError(
                f"the model `{self._info.name}` predicts colours, not how likely each is, so it "
                "has no suggestions, alternatives or reference: use another, as `koala`"
            )
        if steering.reference is None:
            return logits
        lightness = color.resize(answer.lightness[None], *logits.shape[1:])[0]
        height, width = self._cells(answer)
        free = np.ones(logits.shape[1:], np.float32)
        free[:height, :width] -= apply.hinted_share(
            prediction.ab[:, :height, :width], steering.hints, width=self.width, height=self.height
        )
        return steering.reference.lead(logits, lightness, free)


def _draw(planes: Float32, row: float, column: float, ab: tuple[float, float]) -> None:
    """Draw a patch of a known colour onto hint planes, around a place of the working grid."""
    top, left = max(0, round(row - _PATCH / 2)), max(0, round(column - _PATCH / 2))
    part = (slice(top, top + _PATCH), slice(left, left + _PATCH))
    planes[0][part], planes[1][part] = ab
    planes[2][part] = 1


def _around(logits: Float32, row: int, column: int) -> Float32:
    """Return (Q,) the mean distribution of the cells around one, the middle one counting most."""
    top, left = max(0, row - 1), max(0, column - 1)
    near = likely.probabilities(logits[:, top : row + 2, left : column + 2])
    down = np.where(np.arange(top, top + near.shape[1]) == row, 2, 1)
    across = np.where(np.arange(left, left + near.shape[2]) == column, 2, 1)
    weights = np.outer(down, across).astype(np.float32)
    return (near * weights).sum((1, 2)) / weights.sum()


def _padded(planes: Float32, info: ModelInfo) -> Float32:
    """Pad the last two axes to what the network takes, by reflection at the lower right.

    A reflection shorter than what is missing is repeated; an axis of one pixel repeats that pixel.
    """
    *_, height, width = planes.shape
    rows, columns = info.padded(height, width)
    before = [(0, 0)] * (planes.ndim - 2)
    return np.pad(planes, [*before, (0, rows - height), (0, columns - width)], mode="reflect")
