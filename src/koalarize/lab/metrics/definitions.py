"""Every metric by name: what it measures, its unit, which way is better, which library computes it.

Not here: the computing (``metrics``, ``perceptual``). A literal table; nothing slow is imported.
A metric of one's own is a ``Metric`` with a ``score``, named ``MODULE:NAME``.
The formulas and the traps of each stand in ``docs/evaluation.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from koalarize.errors import OptionError, did_you_mean
from koalarize.lab.own import find_own, is_own

__all__ = ["ALL_METRICS", "DEFAULT_METRICS", "Metric", "choose_metrics", "metric_of"]

_SSIM = "structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)"

#: Article A's: what scikit-image did by default in its time.
_ARTICLE_SSIM = "structural_similarity(win_size=7, use_sample_covariance=True) in float64"


@dataclass(frozen=True)
class Metric:
    """What there is to know of a metric before it runs.

    Attributes:
        name: what a person types.
        header: its column in a table.
        unit: of the score; ``1`` for a pure number.
        better: ``higher``, ``lower``, or ``as the originals`` where the originals have a value.
        beside: the reference a score is quoted beside, and how: the difference to the grey
            pictures, the share of theirs, or the share of the originals'.
        digits: after the point, in a table.
        how: the definition in a few words, with its data range.
        library: the distribution that computes it; None for koalarize's own code.
        score: of a metric of one's own: the score of a coloured picture and its original, both
            (H, W, 3) uint8 sRGB; infinite where they are equal and that has no number.
    """

    name: str
    header: str
    unit: str
    better: Literal["higher", "lower", "as the originals"]
    beside: Literal["minus grey", "of grey", "of original"]
    digits: int
    how: str
    library: str | None = None
    score: Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], float] | None = None

    @property
    def backend(self) -> str:
        """What computed it: library, version, definition."""
        if self.score is not None:
            return self.how
        used = "koalarize" if self.library is None else f"{self.library} {version(self.library)}"
        return f"{used}: {self.how}"

    @property
    def relative(self) -> str:
        """The key under which a report keeps the score beside its reference."""
        return f"{self.name}_{self.beside}".replace("-", "_").replace(" ", "_")


_METRICS = (
    Metric(
        "psnr", "PSNR dB", "dB", "higher", "minus grey", 2,
        "mean over pictures, three sRGB channels, range 255",
    ),
    Metric(
        "ab-psnr", "ab PSNR dB", "dB", "higher", "minus grey", 2,
        "mean over pictures, planes a and b, range 255 (-128 to 127)",
    ),
    Metric(
        "ssim", "SSIM", "1", "higher", "minus grey", 4,
        f"{_SSIM}, three sRGB channels, data range 255", "scikit-image",
    ),
    Metric(
        "ssim-a", "SSIM of a", "1", "higher", "minus grey", 4,
        f"{_SSIM}, a from -128..127 to 0..1, data range 1", "scikit-image",
    ),
    Metric(
        "ssim-b", "SSIM of b", "1", "higher", "minus grey", 4,
        f"{_SSIM}, b from -128..127 to 0..1, data range 1", "scikit-image",
    ),
    Metric(
        "inverse-ssim", "inverse SSIM", "1", "lower", "of grey", 4,
        f"mean (and sum) over pictures of 2 - SSIM(a) - SSIM(b); {_ARTICLE_SSIM}, "
        "a and b from -128..127 to 0..1, data range 2", "scikit-image",
    ),
    Metric(
        "delta-e", "ΔE2000", "CIEDE2000", "lower", "of grey", 3,
        "mean over pictures of the mean deltaE_ciede2000 of the pixels", "scikit-image",
    ),
    Metric(
        "colorfulness", "colorfulness", "Hasler-Süsstrunk", "as the originals", "of original", 2,
        "mean over pictures, Hasler & Süsstrunk 2003 (signed opponent channels)",
    ),
    Metric(
        "colorfulness-abs", "colorfulness, absolute", "its own", "as the originals",
        "of original", 2,
        "mean over pictures, opponent channels made absolute first (DDColor's calculate_cf); "
        "not Hasler & Süsstrunk's",
    ),
    Metric(
        "delta-colorfulness", "Δ colorfulness", "Hasler-Süsstrunk", "lower", "of grey", 2,
        "|mean over the coloured - mean over the originals| of the signed colorfulness",
    ),
    Metric(
        "variety", "variety", "Lab units", "as the originals", "of original", 2,
        "root mean square distance of the pictures' mean (a, b) from the mean of them all",
    ),
    Metric(
        "lpips", "LPIPS", "1", "lower", "of grey", 4,
        "LearnedPerceptualImagePatchSimilarity(net_type='squeeze', normalize=True)",
        "torchmetrics",
    ),
    Metric(
        "fid", "FID", "1", "lower", "of grey", 4,
        "FrechetInceptionDistance(feature=768, antialias=False); not comparable with published "
        "values of 2,048 features", "torchmetrics",
    ),
)  # fmt: skip

#: Every metric by name, in the order of a report's columns.
ALL_METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _METRICS})

#: What is measured unless a person asks otherwise.
DEFAULT_METRICS = (
    *("psnr", "ssim", "delta-e", "colorfulness", "delta-colorfulness", "variety"),
    *("lpips", "fid"),
)


def metric_of(name: str) -> Metric:
    """Return a metric of ``ALL_METRICS``, or one's own, ``MODULE:NAME``, which bears that name.

    Raises:
        OptionError: if it is neither, or one's own cannot be imported or is no ``Metric``.
    """
    if is_own(name):
        return _own_metric(name)
    if name not in ALL_METRICS:
        raise OptionError(
            f"the metric `{name}` is unknown{did_you_mean(name, ALL_METRICS)} "
            f"(known: {', '.join(ALL_METRICS)}; `all`; or MODULE:NAME of your own)"
        )
    return ALL_METRICS[name]


@cache
def _own_metric(name: str) -> Metric:
    found = find_own(name, "metrics")
    if not isinstance(found, Metric):
        raise OptionError(
            f"`metrics` is {name!r}, of type {type(found).__name__}, but must name a "
            "`koalarize.lab.metrics.definitions.Metric`: make one with your function as its `score`"
        )
    if found.score is None:
        raise OptionError(
            f"`metrics` is {name!r}, whose `score` is None but must be a function of a coloured "
            "picture and its original: give it one"
        )
    better, beside = ("higher", "lower"), ("minus grey", "of grey")
    if found.better not in better or found.beside not in beside:
        raise OptionError(
            f"`metrics` is {name!r}, which has better={found.better!r} and "
            f"beside={found.beside!r} but must have one of {better} and of {beside}"
        )
    return replace(found, name=name, library=None)


def choose_metrics(names: Sequence[str]) -> list[str]:
    """Return the metrics meant by some names, without repeats, in the order of a report.

    Args:
        names: of ``ALL_METRICS``; ``all`` stands for every one of them. One's own come last.

    Raises:
        OptionError: if a name is unknown or there is none.
    """
    own = [metric_of(name).name for name in names if name != "all" and name not in ALL_METRICS]
    if not names:
        raise OptionError(f"there is no metric: choose among {', '.join(ALL_METRICS)}")
    chosen = [name for name in ALL_METRICS if "all" in names or name in names]
    return chosen + list(dict.fromkeys(own))
