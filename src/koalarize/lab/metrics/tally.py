"""The scores of one rival over a set of pictures, added picture by picture.

Not here: one picture's scores (``metrics``), the networks of LPIPS and FID (``perceptual``).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from koalarize.lab.metrics.metrics import Measured, Picture, picture_scores

__all__ = ["State", "Tally", "variety"]

#: What has been added up so far, as arrays by name.
State = dict[str, npt.NDArray[np.float64]]

_COLORFULNESS, _MEAN_AB = "colorfulness", "mean_ab"  # of a state


class Tally:
    """Adds up what metrics say of one rival's pictures.

    Args:
        metrics: names of ``definitions.ALL_METRICS``; LPIPS and FID are passed over.
    """

    def __init__(self, metrics: Collection[str]) -> None:
        self._metrics = frozenset(metrics)
        self._single: dict[str, list[float]] = {}
        self._colorfulness: list[tuple[float, float]] = []
        self._mean_ab: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []

    def add(self, colored: Picture | Measured, original: Measured) -> None:
        """Add what the rival made (H, W, 3) of an original."""
        made = colored if isinstance(colored, Measured) else Measured(colored)
        for name, score in picture_scores(made, original, self._metrics).items():
            self._single.setdefault(name, []).append(score)
        if "delta-colorfulness" in self._metrics:
            self._colorfulness.append((made.colorfulness, original.colorfulness))
        if "colorfulness-abs" in self._metrics:
            self._single.setdefault("colorfulness-abs_original", []).append(
                original.colorfulness_abs
            )
        if "variety" in self._metrics:
            self._mean_ab.append((made.mean_ab, original.mean_ab))

    def scores(self) -> dict[str, float]:
        """Return metric -> score; infinite where every picture equals its original."""
        scores = {name: _mean(values) for name, values in self.single().items()}
        if self._colorfulness:
            made, real = np.mean(self._colorfulness, axis=0)
            scores["delta-colorfulness"] = abs(float(made - real))
        if self._mean_ab:
            scores["variety"] = variety([made for made, _ in self._mean_ab])
        return scores

    def single(self) -> dict[str, list[float]]:
        """Return metric -> each picture's own score, in order; infinite where it is equal."""
        ends = "_original"
        return {name: values for name, values in self._single.items() if not name.endswith(ends)}

    def state(self) -> State:
        """Return all that was added, for ``restore``."""
        return {
            **{f"single/{name}": np.array(values) for name, values in self._single.items()},
            _COLORFULNESS: np.reshape(self._colorfulness, (-1, 2)),
            _MEAN_AB: np.reshape(self._mean_ab, (-1, 2, 2)),
        }

    def restore(self, state: State) -> None:
        """Take the place of the tally that a state is of."""
        self._single = {
            name.removeprefix("single/"): values.tolist()
            for name, values in state.items()
            if name.startswith("single/")
        }
        self._colorfulness = [(float(made), float(real)) for made, real in state[_COLORFULNESS]]
        self._mean_ab = [(made, real) for made, real in state[_MEAN_AB]]

    def gain(self, other: Tally, name: str) -> float:
        """Return by how much a score is above another rival's, mean over the pictures.

        Those are left out for which either score is infinite: one of grey has an infinite PSNR
        against its grey copy, and no part in either mean of a difference.

        Args:
            other: of the same pictures.
            name: of a metric of single pictures.

        Returns:
            The mean difference; not a number where no picture is left.
        """
        pairs = zip(self._single[name], other._single[name], strict=True)
        gains = [
            own - theirs for own, theirs in pairs if math.isfinite(own) and math.isfinite(theirs)
        ]
        return math.fsum(gains) / len(gains) if gains else math.nan

    def originals(self) -> dict[str, float]:
        """Return the originals' own values of those metrics that they have one of."""
        values = {
            name.removesuffix("_original"): _mean(scores)
            for name, scores in self._single.items()
            if name.endswith("_original")
        }
        if self._mean_ab:
            values["variety"] = variety([real for _, real in self._mean_ab])
        return values

    def beside(self) -> dict[str, float]:
        """Return what is quoted beside a score because others define it so.

        ``inverse_ssim_sum``: article A's sum over the set. ``delta_colorfulness_per_picture``: the
        mean of each picture's own absolute difference, which is never below the score.
        ``psnr_equal`` and the like: how many pictures equal their originals and are no part of the
        mean, where there are some.
        """
        extras: dict[str, float] = {}
        for name, values in self.single().items():
            if equal := values.count(math.inf):
                extras[f"{name.replace('-', '_')}_equal"] = equal
        if "inverse-ssim" in self._single:
            extras["inverse_ssim_sum"] = math.fsum(self._single["inverse-ssim"])
        if self._colorfulness:
            gaps = [abs(made - real) for made, real in self._colorfulness]
            extras["delta_colorfulness_per_picture"] = _mean(gaps)
        return extras


def variety(mean_ab: Sequence[npt.NDArray[np.float64]]) -> float:
    """Measure how far pictures differ in their overall colour.

    A model that has learned one colour for everything scores near 0, however vivid it is.

    Args:
        mean_ab: (2,) the mean a and b of each picture, Lab units.

    Returns:
        The root mean square distance of the means from their own mean, Lab units.
    """
    means = np.asarray(mean_ab, np.float64)
    return float(np.sqrt(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]  # equal pictures: infinite psnr
    return math.fsum(finite) / len(finite) if finite else math.inf
