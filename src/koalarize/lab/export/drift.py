"""How far the colours of a lighter model are from those of the model it was made of.

Not here: making models lighter (``quantize``), scores against originals (``lab.evaluation``).
Both models colour the same pictures, by the Colorizer, in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.color import deltaE_ciede2000

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import Engine, ModelInfo, Prediction
from koalarize.engines.overview import overview_of
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering

__all__ = ["Drift", "Feed", "Picture", "Recorder", "colored", "drift_between"]

_HINTED_EVERY = 4
_MOST_HINTS = 8

Picture = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Feed = dict[str, Float32]


@dataclass(frozen=True)
class Drift:
    """How far the colours of a lighter model are from the fp32 model's, CIE ΔE2000.

    Attributes:
        mean: mean over the pictures of the mean over each one's pixels.
        p95: 95th percentile over the pixels of all pictures.
        worst: mean over the pixels of the picture that changed most.
        pictures: how many were compared; one in four of them with hints, if the model takes hints.
    """

    mean: float
    p95: float
    worst: float
    pictures: int


def drift_between(expected: Sequence[Picture], found: Sequence[Picture]) -> Drift:
    """Compare coloured pictures, (H, W, 3) uint8 sRGB each, with those of the fp32 model.

    Raises:
        ValueError: if there are none, or not as many of one as of the other.
    """
    if not expected:
        raise ValueError("there are no pictures to compare")
    differences = [
        np.asarray(deltaE_ciede2000(color.srgb_to_lab(one), color.srgb_to_lab(other)), np.float32)
        for one, other in zip(expected, found, strict=True)
    ]
    means = [float(np.mean(difference, dtype=np.float64)) for difference in differences]
    pixels = np.concatenate([difference.ravel() for difference in differences])
    return Drift(
        mean=round(float(np.mean(means)), 4),
        p95=round(float(np.percentile(pixels, 95)), 4),
        worst=round(float(np.max(means)), 4),
        pictures=len(means),
    )


def colored(
    engine: Engine, pictures: Sequence[Picture], progress: Callable[[], None] | None = None
) -> list[Picture]:
    """Colour pictures by their lightness; every fourth with hints of its own colours.

    Args:
        engine: runs the model.
        pictures: (H, W, 3) uint8 sRGB each. The same ones get the same hints from every call.
        progress: called after each.
    """
    colorizer = Colorizer(engine)
    rng = np.random.default_rng(0)
    results: list[Picture] = []
    for number, picture in enumerate(pictures):
        hinted = engine.info.accepts_hints and number % _HINTED_EVERY == _HINTED_EVERY - 1
        hints = _hints(picture, rng) if hinted else []
        results.append(
            colorizer.photo(Photo.read(picture), Steering(hints=tuple(hints))).photo.pixels
        )
        if progress is not None:
            progress()
    return results


class Recorder:
    """An engine that notes what the network is given.

    Attributes:
        feeds: inputs of the graph by name, as ``engine`` was run so far: ``l`` (1, 1, H, W), and
            ``hints`` (1, 3, H, W) if it takes them.
    """

    def __init__(self, engine: Engine) -> None:
        """Make a recorder of an engine."""
        self._engine = engine
        self.feeds: list[Feed] = []

    @property
    def info(self) -> ModelInfo:
        """What the network is."""
        return self._engine.info

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Run the engine as ``Engine.run`` says, and note what each picture gave the network."""
        self._note(lightness, hints)
        second = overview_of(lightness, hints, self.info)
        if second is not None:
            self._note(*second)
        return self._engine.run(lightness, hints)

    def _note(self, lightness: Float32, hints: Float32 | None) -> None:
        for number, picture in enumerate(lightness):
            feed = {"l": np.ascontiguousarray(picture[None, None], np.float32)}
            if self.info.accepts_hints:
                none = np.zeros((3, *picture.shape), np.float32)
                planes = none if hints is None else hints[number]
                feed["hints"] = np.ascontiguousarray(planes[None], np.float32)
            self.feeds.append(feed)


def _hints(picture: Picture, rng: np.random.Generator) -> list[Hint]:
    height, width = picture.shape[:2]
    hints: list[Hint] = []
    for _ in range(int(rng.integers(1, _MOST_HINTS + 1))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        hints.append(Hint(x, y, color.srgb_to_hex(picture[y, x])))
    return hints
