"""A photo as a network sees it: asked again and again with other hints, and steered.

Not here: pictures and their sizes (``colorizer``), what steering does to ab (``steer``), what else
is likely (``likely``). The ``Colorizer`` makes views; the studio keeps one a photo, so that a
change of a hint costs one run of the network and no look at the photo.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from koalarize import chroma, color, likely, steer
from koalarize.engine import Engine, ModelInfo, Prediction
from koalarize.errors import OptionError
from koalarize.hints import hint_planes
from koalarize.steer import Steering

__all__ = ["View"]

Float32 = npt.NDArray[np.float32]

#: Standard deviation of L* below which a whole picture counts as flat, and its chroma fades.
_FLAT = 3.0
_PLAIN = Steering()


class View:
    """What one network says of one photo at one working size; safe from several threads."""

    def __init__(
        self, engine: Engine, lightness: Float32, *, width: int, height: int, size: int | None
    ) -> None:
        """Make a view; people call ``Colorizer.view``.

        Args:
            engine: runs the network.
            lightness: (h, w), L* of the photo on the working grid.
            width: of the photo, pixels.
            height: of the photo, pixels.
            size: the working size asked for; None is the model's own.
        """
        self.lightness = lightness
        self.width = width
        self.height = height
        self.size = size
        self._engine = engine
        self._info = engine.info
        self._padded_lightness = _padded(lightness, self._info)
        self._plain: Prediction | None = None
        self._anchors: list[list[likely.Anchor]] | None = None
        self._lock = threading.RLock()

    def guidance(self, steering: Steering) -> chroma.Guidance:
        """Return how chroma follows lightness, before vividness and the model's gain.

        Raises:
            OptionError: if the model cannot do what is asked, or a hint lies outside the photo.
        """
        info, hints = self._info, steering.hints
        prediction = self._predict(steering)
        ab = prediction.ab
        if steering.reference is not None:
            led = self._logits(prediction, steering)
            ab = color.decode_ab(led, temperature=info.temperature)
        height, width = self.lightness.shape
        padded = self._padded_lightness.shape
        if ab.shape[1:] != padded:
            ab = chroma.resize(ab, *padded)
        # A picture of one grey shows nothing that could have a colour; left to itself a network
        # answers it with whatever it met most.
        calm = 1.0 if hints else min(1.0, float(self.lightness.std()) / _FLAT)
        ab = ab[:, :height, :width] * np.float32(calm)
        gain = info.chroma_gain
        if hints:
            ab = steer.honoured(
                ab, self.lightness, hints, width=self.width, height=self.height, gain=gain
            )
        return chroma.guide(steer.warmed(ab, steering.warmth, gain), self.lightness)

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
        logits = self._logits(self._predict(steering), steering)
        rows, columns = self._padded_lightness.shape
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
                plain = self._predict(_PLAIN)
                logits = self._logits(plain, _PLAIN)
                height, width = self._cells(logits)
                lightness = chroma.resize(self._padded_lightness[None], *logits.shape[1:])[0]
                self._anchors = likely.alternative_anchors(
                    logits[:, :height, :width],
                    lightness[:height, :width],
                    likely.MOST_ALTERNATIVES,
                    temperature=self._info.temperature,
                )
            return self._anchors

    def _cells(self, logits: Float32) -> tuple[int, int]:
        """Return how many cells of the network's grid show the photo rather than padding."""
        height, width = (
            max(1, round(cells * side / padded))
            for cells, side, padded in zip(
                logits.shape[1:], self.lightness.shape, self._padded_lightness.shape, strict=True
            )
        )
        return height, width

    def _predict(self, steering: Steering) -> Prediction:
        """Ask the network, with the hints and the points of an alternative."""
        if not (steering.hints or steering.alternative):
            with self._lock:
                if self._plain is None:
                    self._plain = self._engine.run(self._padded_lightness, None)
                return self._plain
        if not self._info.accepts_hints:
            raise OptionError(
                f"the model `{self._info.name}` takes no hints: use another, as `koala`"
            )
        height, width = self.lightness.shape
        planes = hint_planes(
            steering.hints,
            width=self.width,
            height=self.height,
            grid_width=width,
            grid_height=height,
        )
        if steering.alternative:
            self._anchor(planes, steering)
        return self._engine.run(self._padded_lightness, _padded(planes, self._info))

    def _anchor(self, planes: Float32, steering: Steering) -> None:
        """Draw the points of an alternative onto hint planes, except near a person's own hints."""
        found = self.alternatives()
        if steering.alternative > len(found):
            known = f"1 to {len(found)}" if found else "none"
            raise OptionError(
                f"`alternative` is {steering.alternative} but this photo has {known}: "
                "0 is the network's own colouring"
            )
        cells = self._predict(_PLAIN).ab.shape[1]
        step = self._padded_lightness.shape[0] / cells  # working pixels a cell
        height, width = self.lightness.shape
        own = [(h.y * height / self.height, h.x * width / self.width) for h in steering.hints]
        for anchor in found[steering.alternative - 1]:
            row, column = (anchor.row + 0.5) * step, (anchor.column + 0.5) * step
            if any(np.hypot(row - y, column - x) < 0.15 * min(height, width) for y, x in own):
                continue
            top, left = max(0, round(row - 2)), max(0, round(column - 2))
            part = (slice(top, top + 4), slice(left, left + 4))
            planes[0][part], planes[1][part] = anchor.ab
            planes[2][part] = 1

    def _logits(self, prediction: Prediction, steering: Steering) -> Float32:
        """Return (Q, h, w) the distributions, led by the reference if there is one."""
        logits = prediction.logits
        if logits is None:
            raise OptionError(
                f"the model `{self._info.name}` predicts colours, not how likely each is, so it "
                "has no suggestions, alternatives or reference: use another, as `koala`"
            )
        if steering.reference is None:
            return logits
        lightness = chroma.resize(self._padded_lightness[None], *logits.shape[1:])[0]
        height, width = self._cells(logits)
        free = np.ones(logits.shape[1:], np.float32)
        free[:height, :width] -= steer.hinted_share(
            prediction.ab[:, :height, :width], steering.hints, width=self.width, height=self.height
        )
        return steering.reference.lead(logits, lightness, free)


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
