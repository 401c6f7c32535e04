"""How near coloured pictures look to a network: LPIPS of pictures, FID of sets.

Not here: which pictures and models are compared (``lab.evaluation``), metrics without a network
(``metrics``). Pictures are uint8 sRGB (H, W, 3). Nothing is downloaded: missing weights are an
error that says where they belong.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from koalarize.errors import DependencyError, ModelError
from koalarize.lab.metrics.tally import State
from koalarize.photo.files import sha256_of

__all__ = ["FID", "LPIPS", "SetMetric", "Weights"]

Picture = npt.NDArray[np.uint8]
_Loaded = TypeVar("_Loaded")

_FID_FEATURES = 768
_SUMS = ("features_sum", "features_cov_sum", "features_num_samples")  # torchmetrics' names
_REAL, _FAKE = (tuple(f"{kind}_{name}" for name in _SUMS) for kind in ("real", "fake"))
_BATCH = 8  # pictures that pass a metric's network at once; bounds the memory of long sweeps


@dataclass(frozen=True)
class Weights:
    """A file of weights that a metric needs, under the name its library looks for."""

    metric: str
    file: str
    url: str

    @property
    def path(self) -> Path:
        """Where the library looks: the ``checkpoints`` of torch's hub folder (``TORCH_HOME``)."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.file

    @property
    def sha256(self) -> str:
        """Hash of the file, in hexadecimal."""
        return sha256_of(self.path)

    def check(self) -> None:
        """Check that the file is there.

        Raises:
            DependencyError: if it is missing; the library would start a download.
        """
        if not self.path.is_file():
            raise DependencyError(
                f"the metric `{self.metric}` needs `{self.path}`, which is missing: download "
                f"{self.url} to that place, set TORCH_HOME to the folder whose hub/checkpoints "
                f"holds it, or leave `{self.metric}` out of the metrics"
            )

    def load(self, build: Callable[[], _Loaded]) -> _Loaded:
        """Build the metric from the file.

        Raises:
            DependencyError: if the file is missing.
            ModelError: if the file is damaged.
        """
        self.check()
        try:
            return build()
        except (RuntimeError, ValueError, EOFError, OSError, KeyError, pickle.PickleError) as error:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ModelError(
                f"`{self.path}` cannot be read as the weights of `{self.metric}` ({reason}): "
                f"download {self.url} again"
            ) from error


class SetMetric(Protocol):
    """A metric over a set of pictures, of several rivals at once."""

    weights: ClassVar[Weights]

    def update(self, original: Picture, colored: Sequence[Picture]) -> None:
        """Add one original (H, W, 3) and what each rival made of it, in the rivals' order."""
        ...

    def compute(self) -> list[float]:
        """Return the score of each rival."""
        ...

    def single(self) -> list[list[float]]:
        """Return for each rival the scores of its pictures; empty where only the set has one."""
        ...

    def state(self) -> State:
        """Return all that was added, for ``restore``."""
        ...

    def restore(self, state: State) -> None:
        """Take the place of the metric, of as many rivals, that a state is of."""
        ...


class LPIPS:
    """Learned perceptual distance (Zhang et al. 2018) on SqueezeNet 1.1: mean over the pictures.

    Args:
        rivals: how many pictures are compared with each original.
    """

    weights: ClassVar[Weights] = Weights(
        "lpips",
        "squeezenet1_1-b8a52dc0.pth",
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    )

    def __init__(self, rivals: int) -> None:
        self._metric = self.weights.load(
            lambda: LearnedPerceptualImagePatchSimilarity(
                net_type="squeeze", reduction="none", normalize=True
            )
        )
        self._total = np.zeros(rivals)
        self._single: list[list[float]] = [[] for _ in range(rivals)]

    @torch.no_grad()
    def update(self, original: Picture, colored: Sequence[Picture]) -> None:
        """Add one original (H, W, 3) and what each rival made of it, in the rivals' order."""
        reference = _batch([original]).float() / 255
        for part in _batch(colored).split(_BATCH):
            # A batch of one against many: the distance broadcasts, the original is seen once.
            self._metric.update(reference, part.float() / 255)
        distances = np.atleast_1d(self._metric.compute().numpy())
        self._metric.reset()
        self._total += distances
        for scores, distance in zip(self._single, distances.tolist(), strict=True):
            scores.append(distance)

    def compute(self) -> list[float]:
        """Return the score of each rival: 0 for the originals themselves, lower is nearer."""
        return (self._total / max(1, len(self._single[0]))).tolist()

    def single(self) -> list[list[float]]:
        """Return for each rival the scores of its pictures."""
        return self._single

    def state(self) -> State:
        """Return all that was added, for ``restore``."""
        return {"single": np.array(self._single), "total": self._total.copy()}

    def restore(self, state: State) -> None:
        """Take the place of the metric, of as many rivals, that a state is of."""
        self._single = state["single"].tolist()
        self._total = state["total"]


class FID:
    """Fréchet distance of the 768 Inception features before the last block (Mixed_6e).

    Not comparable with published values, which use 2,048 features, nor between sets of unequal
    size; it ranks rivals on one set.

    Args:
        rivals: how many pictures are compared with each original.
    """

    weights: ClassVar[Weights] = Weights(
        "fid",
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
    )

    def __init__(self, rivals: int) -> None:
        self._inception = self.weights.load(
            lambda: FrechetInceptionDistance(feature=_FID_FEATURES, antialias=False)
        ).inception
        self._distances = [FrechetInceptionDistance(feature=_Features()) for _ in range(rivals)]

    @torch.no_grad()
    def update(self, original: Picture, colored: Sequence[Picture]) -> None:
        """Add one original (H, W, 3) and what each rival made of it, in the rivals' order."""
        pictures = _batch([original, *colored])
        features = torch.cat([self._inception(part) for part in pictures.split(_BATCH)])
        for distance, made in zip(self._distances, features[1:], strict=True):
            distance.update(features[:1], real=True)
            distance.update(made[None], real=False)

    def compute(self) -> list[float]:
        """Return the score of each rival; it takes at least two pictures."""
        return [float(distance.compute()) for distance in self._distances]

    def single(self) -> list[list[float]]:
        """Return nothing for each rival: a picture alone has none."""
        return [[] for _ in self._distances]

    def state(self) -> State:
        """Return all that was added, for ``restore``."""
        # The originals' sums are the same for every rival: kept once.
        real = {name: _sum(self._distances[0], name).numpy() for name in _REAL}
        fake = {
            name: np.stack([_sum(distance, name).numpy() for distance in self._distances])
            for name in _FAKE
        }
        return {name: values.astype(np.float64) for name, values in (real | fake).items()}

    def restore(self, state: State) -> None:
        """Take the place of the metric, of as many rivals, that a state is of."""
        blank = torch.zeros(1, _FID_FEATURES)
        for number, distance in enumerate(self._distances):
            for real in (True, False):
                distance.update(blank, real=real)  # torchmetrics computes only after an update
            for name in (*_REAL, *_FAKE):
                values = state[name] if name in _REAL else state[name][number]
                _sum(distance, name).copy_(torch.from_numpy(np.array(values)))


def _sum(distance: FrechetInceptionDistance, name: str) -> Tensor:
    """Return one of the sums that torchmetrics keeps, itself."""
    kept = distance.metric_state[name]
    assert isinstance(kept, Tensor)
    return kept


class _Features(nn.Module):
    """Stands in for Inception where the features are already known."""

    num_features = _FID_FEATURES

    def forward(self, features: Tensor) -> Tensor:
        return features


def _batch(pictures: Sequence[Picture]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()  # (B, 3, H, W)
