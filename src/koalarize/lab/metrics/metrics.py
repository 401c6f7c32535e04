"""How near one coloured picture is to its original: PSNR, SSIM, colour difference, colorfulness.

Not here: LPIPS and FID (``perceptual``), scores over a set (``tally``), what a metric's name means
(``definitions``). Pictures are uint8 sRGB (H, W, 3).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity

from koalarize import color
from koalarize.errors import OptionError
from koalarize.lab.metrics.definitions import metric_of
from koalarize.lab.own import is_own

__all__ = [
    "ARTICLE_WINDOW",
    "Measured",
    "article_ssim",
    "colorfulness_abs",
    "inverse_ssim",
    "picture_scores",
    "ssim",
    "unit_plane",
]

Picture = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

_LEVELS = 255.0
#: The articles' 8-bit Lab: a and b from -128..127 to 0..1.
_AB_OFFSET, _AB_RANGE = 128.0, 255.0
_SIGMA = 1.5  # Wang et al. 2004: a Gaussian of 1.5, 11 x 11 pixels
_SSIM_WINDOW = 11
ARTICLE_WINDOW = 7  # of article A's SSIM: scikit-image's default; no side may be shorter
_CHUNK_PIXELS = 1 << 14  # the two dozen temporaries of a chunk stay in the cache


class Measured:
    """A picture and what several metrics need of it, each computed once.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        lab: (H, W, 3) CIELAB where it is known more exactly than the pixels tell.
    """

    def __init__(self, pixels: Picture, lab: Float32 | None = None) -> None:
        self.pixels = pixels
        self._lab = lab

    @cached_property
    def lab(self) -> Float32:
        """CIELAB (H, W, 3)."""
        return color.srgb_to_lab(self.pixels) if self._lab is None else self._lab

    @cached_property
    def colorfulness(self) -> float:
        """Hasler & Süsstrunk 2003."""
        return color.colorfulness(self.pixels)

    @cached_property
    def colorfulness_abs(self) -> float:
        """``colorfulness_abs`` of the pixels."""
        return colorfulness_abs(self.pixels)

    @cached_property
    def mean_ab(self) -> npt.NDArray[np.float64]:
        """(2,) the mean a and b, Lab units."""
        return self.lab[..., 1:].reshape(-1, 2).mean(axis=0, dtype=np.float64)


def picture_scores(
    colored: Picture | Measured,
    original: Picture | Measured,
    metrics: Collection[str] = ("psnr", "colorfulness"),
) -> dict[str, float]:
    """Score one coloured picture against its original.

    Args:
        colored: (H, W, 3) uint8 sRGB.
        original: (H, W, 3) uint8 sRGB.
        metrics: names as for ``definitions.metric_of``; those over a set are passed over.

    Returns:
        One score a metric. ``psnr`` and ``ab-psnr`` are infinite if the pictures are equal. With
        ``colorfulness`` comes ``colorfulness_original``.

    Raises:
        ValueError: if the shapes differ, or for SSIM if a side is below 11 pixels.
    """
    made = colored if isinstance(colored, Measured) else Measured(colored)
    real = original if isinstance(original, Measured) else Measured(original)
    if made.pixels.shape != real.pixels.shape:
        raise ValueError(
            f"`colored` is {made.pixels.shape} but `original` is {real.pixels.shape}: "
            "compare pictures of one shape"
        )
    scores: dict[str, float] = {}
    if "psnr" in metrics:
        scores["psnr"] = _psnr(made.pixels, real.pixels)
    if "ab-psnr" in metrics:
        scores["ab-psnr"] = _psnr(made.lab[..., 1:], real.lab[..., 1:])
    if "ssim" in metrics:
        scores["ssim"] = ssim(made.pixels, real.pixels, data_range=_LEVELS)
    scores |= _ab_ssim(made, real, metrics)
    if "delta-e" in metrics:
        scores["delta-e"] = _mean_delta_e(made.lab, real.lab)
    if "colorfulness" in metrics:
        scores["colorfulness"] = made.colorfulness
        scores["colorfulness_original"] = real.colorfulness
    if "colorfulness-abs" in metrics:
        scores["colorfulness-abs"] = made.colorfulness_abs
    for name in metrics:
        if is_own(name):
            scores[name] = _own_score(name, made.pixels, real.pixels)
    return scores


def _own_score(name: str, made: Picture, real: Picture) -> float:
    """Return what a metric of one's own says.

    Raises:
        OptionError: if that is no number.
    """
    own = metric_of(name).score
    assert own is not None
    score: Any = own(made.copy(), real.copy())  # of somebody's code: it may be anything
    if np.ndim(score) == 0:
        try:
            number = float(score)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isnan(number):
            return number
    raise OptionError(
        f"`metrics` is {name!r}, whose score of a picture is {score!r} but must be a number: "
        "return one for every picture, infinity where there is none"
    )


def ssim(
    colored: npt.NDArray[np.generic], original: npt.NDArray[np.generic], *, data_range: float
) -> float:
    """Return the structural similarity (Wang et al. 2004), mean over pixels and channels.

    Gaussian window of sigma 1.5 cut at 11 x 11 pixels, K1 = 0.01, K2 = 0.03, population covariance;
    a border of 5 pixels does not count. Computed in float32.

    Args:
        colored: (H, W) or (H, W, C).
        original: of the same shape.
        data_range: distance between the least and the greatest value there can be.

    Returns:
        At most 1, which only equal pictures reach.

    Raises:
        ValueError: if a side is below 11 pixels.
    """
    height, width = original.shape[:2]
    if min(height, width) < _SSIM_WINDOW:
        raise ValueError(
            f"the picture is {width} x {height} but SSIM needs at least {_SSIM_WINDOW} pixels a "
            "side: leave it out"
        )
    score: Any = structural_similarity(
        np.asarray(original, np.float32),
        np.asarray(colored, np.float32),
        data_range=data_range,
        channel_axis=-1 if original.ndim == 3 else None,
        gaussian_weights=True,
        sigma=_SIGMA,
        use_sample_covariance=False,
    )
    return float(score)


def article_ssim(colored: npt.NDArray[np.generic], original: npt.NDArray[np.generic]) -> float:
    """Return the structural similarity of article A, which is that of ``inverse-ssim``.

    What scikit-image computed of float64 planes by default before 0.20: uniform window of 7 x 7,
    sample covariance, K1 = 0.01, K2 = 0.03, and a data range of 2 guessed from the dtype, though
    the planes span 1. A border of 3 pixels does not count.

    Args:
        colored: (H, W) in [0, 1].
        original: of the same shape.

    Returns:
        At most 1, which only equal planes reach.

    Raises:
        ValueError: if a side is below 7 pixels.
    """
    height, width = original.shape
    if min(height, width) < ARTICLE_WINDOW:
        raise ValueError(
            f"the picture is {width} x {height} but inverse SSIM needs at least {ARTICLE_WINDOW} "
            "pixels a side: leave it out"
        )
    score: Any = structural_similarity(
        np.asarray(original, np.float64),
        np.asarray(colored, np.float64),
        win_size=ARTICLE_WINDOW,
        data_range=2.0,
        use_sample_covariance=True,
    )
    return float(score)


def colorfulness_abs(srgb: Picture) -> float:
    """Measure colorfulness with the opponent channels made absolute before mean and deviation.

    A well-known repository (DDColor, ``basicsr/metrics/colorfulness.py``, ``calculate_cf``)
    computes this under the name of Hasler & Süsstrunk's metric, whose channels are signed: the
    mean is then larger and the deviation smaller. It has another name here on purpose.

    Args:
        srgb: (H, W, 3) uint8.

    Returns:
        sigma + 0.3 mu of |R - G| and |(R + G) / 2 - B| on the 0..255 scale.
    """
    r, g, b = (srgb[..., i].astype(np.float32) for i in range(3))
    rg = np.abs(r - g)
    yb = np.abs((r + g) / 2 - b)
    spread = np.hypot(rg.std(dtype=np.float64), yb.std(dtype=np.float64))
    return float(spread + 0.3 * np.hypot(rg.mean(dtype=np.float64), yb.mean(dtype=np.float64)))


def inverse_ssim(made: Measured, real: Measured) -> float:
    """Return article A's inverse SSIM, 2 - SSIM of a - SSIM of b by ``article_ssim``.

    Raises:
        ValueError: if a side is below 7 pixels.
    """
    planes = ([unit_plane(picture, channel) for picture in (made, real)] for channel in (1, 2))
    return 2.0 - sum(article_ssim(*pair) for pair in planes)


def _ab_ssim(made: Measured, real: Measured, metrics: Collection[str]) -> dict[str, float]:
    """Score a and b as planes of [0, 1] on their own."""
    scores: dict[str, float] = {}
    for channel, name in enumerate(("ssim-a", "ssim-b"), start=1):
        if name in metrics:
            planes = [unit_plane(picture, channel) for picture in (made, real)]
            scores[name] = ssim(*planes, data_range=1.0)
    if "inverse-ssim" in metrics:
        scores["inverse-ssim"] = inverse_ssim(made, real)
    return scores


def unit_plane(picture: Measured, channel: int) -> Float32:
    """Return a (channel 1) or b (2) of a picture (H, W), from -128..127 to 0..1.

    What lies outside, as a network may answer, is clipped, as the first article does.
    """
    plane = (picture.lab[..., channel] + np.float32(_AB_OFFSET)) / np.float32(_AB_RANGE)
    return np.clip(plane, 0, 1)


def _psnr(colored: npt.NDArray[np.generic], original: npt.NDArray[np.generic]) -> float:
    difference = colored.astype(np.float32) - original.astype(np.float32)
    error = float(np.mean(difference**2, dtype=np.float64))
    return 10 * math.log10(_LEVELS**2 / error) if error > 0 else math.inf


def _mean_delta_e(colored: Float32, original: Float32) -> float:
    made, real = colored.reshape(-1, 3), original.reshape(-1, 3)
    total = 0.0
    for start in range(0, len(real), _CHUNK_PIXELS):
        part = slice(start, start + _CHUNK_PIXELS)
        total += float(np.sum(deltaE_ciede2000(real[part], made[part]), dtype=np.float64))
    return total / len(real)
