"""How far a picture shows anything that could have a colour, judged by its lightness alone.

Not here: what is done about it (``colorizer`` fades the chroma). A network answers blank paper,
text, shading, noise and thin strips with whatever it met most; these are told from photos by plain
statistics, far from where photos lie (what photos have stands beside each bound).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize import color

__all__ = ["calmness"]

Float32 = npt.NDArray[np.float32]

#: Standard deviation of L* below which a whole picture counts as flat.
_FLAT = 3.0
_NOISE = (0.15, 0.30)  # share of the variance that the coarse picture keeps; photos: 0.55 and more
_SMOOTH = (0.5, 1.0)  # L* by which the sharpest places leave their neighbours' mean; photos: 1.3
_DARK = (2.0, 10.0)  # L* that nine tenths do not exceed; photos: 12 and more, of 1,600
_STRIP = (16.0, 40.0)  # times as long as wide; panoramas: 10
_LEAST_OF_STRIPS = 0.25  # a strip keeps so much
_PAPER = (0.65, 0.80)  # share of places of one lightness; photos: 0.7, but then with solid things
_SOLID = (0.01, 0.06)  # share of places inside things that no pen draws
_PAPER_L = 70.0  # paper is lighter than this
_ALIKE_L = 6.0
_PEN = 9  # working pixels: no stroke is wider


def calmness(lightness: Float32) -> float:
    """Return the factor on a picture's chroma; 1 unless it shows nothing to colour.

    Args:
        lightness: (h, w), L* on the working grid.

    Returns:
        1 for photos; towards 0 for pictures of one grey, smooth shading without any edge, pure
        noise, pages of text, line drawings and what is black all over; less than 1 for strips in
        which no thing can be seen whole.
    """
    deviation = float(lightness.std())
    if deviation < 1e-3:
        return 0.0
    kept = float(color.box_mean(lightness).var()) / deviation**2
    strip = _ramp(max(lightness.shape) / min(lightness.shape), *_STRIP)
    return (
        min(1.0, deviation / _FLAT)
        * _ramp(kept, *_NOISE)
        * _ramp(_sharpest(lightness), *_SMOOTH)
        * _ramp(float(np.quantile(lightness, 0.9)), *_DARK)
        * (1.0 - _on_paper(lightness))
        * (1.0 - (1.0 - _LEAST_OF_STRIPS) * strip)
    )


def _sharpest(lightness: Float32) -> float:
    """Return how far the sharpest thousandth of places is from the mean of its four neighbours."""
    edges = np.pad(lightness, 1, mode="edge")
    mean = (edges[:-2, 1:-1] + edges[2:, 1:-1] + edges[1:-1, :-2] + edges[1:-1, 2:]) / 4
    return float(np.quantile(np.abs(lightness - mean), 0.999))


def _on_paper(lightness: Float32) -> float:
    """Return 0..1 how surely this is a light page with nothing but strokes on it."""
    counts = np.histogram(lightness, 50, (0, 100))[0]
    first = int((counts[:-1] + counts[1:]).argmax())
    usual = lightness[(lightness >= 2 * first) & (lightness <= 2 * first + 4)]
    paper = float(np.median(usual))
    if paper < _PAPER_L:
        return 0.0
    other = np.abs(lightness - np.float32(paper)) >= _ALIKE_L
    blank = _ramp(1.0 - float(other.mean()), *_PAPER)
    if not blank:  # a photo, as a rule
        return 0.0
    # What is left where anything thinner than a pen's stroke is wiped out.
    solid = ~_all_around(~_all_around(other))
    return blank * (1.0 - _ramp(float(solid.mean()), *_SOLID))


def _all_around(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return where a mask (h, w) holds in the whole square of ``_PEN`` around; edges repeated."""
    held = np.pad(mask, _PEN // 2, mode="edge")
    for axis in (0, 1):
        length = held.shape[axis] - _PEN + 1
        parts = [slice(k, k + length) for k in range(_PEN)]
        lines = held.T if axis else held
        across = np.logical_and.reduce([lines[part] for part in parts])
        held = across.T if axis else across
    return held


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
