"""What runs a network: lightness and hint planes in, ab on the network's own grid out.

Not here: pictures and sizes (``colorizer``), ONNX Runtime (``engines.onnx``).
An ``Engine`` is anything that has ``info`` and ``run``; ``OnnxEngine`` is the one people get.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from koalarize.color import PALED, Bins, default_bins, paled
from koalarize.errors import OptionError

__all__ = [
    "CPU",
    "CUDA",
    "METADATA_FORMAT",
    "METADATA_KEY",
    "AuthorsWay",
    "Engine",
    "ModelInfo",
    "Overview",
    "Prediction",
]

Float32 = npt.NDArray[np.float32]

#: Where an exported model describes itself.
METADATA_KEY = "koalarize"
METADATA_FORMAT = "koalarize-onnx-1"
#: ONNX Runtime's names of the processor, which computes unless another provider is named, and of
#: NVIDIA's cards.
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True)
class AuthorsWay:
    """How the authors of a network show it photos, which koalarize does otherwise.

    Attributes:
        side: photos are squashed to a square of this side, pixels.
        upsampling: how its chroma comes to full size.
    """

    side: int
    upsampling: Literal["nearest", "bilinear"] = "bilinear"


@dataclass(frozen=True)
class Overview:
    """A second look of a network at each picture, at a smaller size.

    Attributes:
        size: shorter side at which it looks, pixels.
        weight: of the second look's logits, beside 1 of the first's.
    """

    size: int = 128
    weight: float = 0.7

    def __post_init__(self) -> None:
        if self.size < 1:
            raise OptionError(f"`overview.size` is {self.size} but must be at least 1")
        if not 0 < self.weight < 1e6:
            raise OptionError(f"`overview.weight` is {self.weight} but must be above 0")


@dataclass(frozen=True)
class ModelInfo:
    """What the Colorizer needs to know of a network.

    Attributes:
        name: for messages.
        stride: height and width must be multiples of it.
        accepts_hints: whether hint planes mean anything to it.
        size: working size: the shorter side it should see, pixels.
        temperature: of the annealed mean, where the network classifies.
        output: ``logits`` over the ab bins, or ``ab`` itself.
        chroma_gain: factor that brings its chroma to that of real photos, found by measurement.
        fixed_size: side of the only pictures it takes, which are square; None where it takes any.
        bins: the ab bins over which it classifies, if it does.
        classifies: whether it gives logits, be it beside ab: then it suggests colours.
        authors: how its authors show it photos, where that is known and not our way.
        identity: tells it from others of the same name: the sha256 of its file, of a blend all
            that makes it; empty where that is not known.
        faithful: whether to do as they do: squashed, with the photo's own lightness; else the
            aspect ratio is kept, faded lightness stretched, and chroma follows edges.
        overview: its second look at each picture, where it classifies; None for one look.
        inner_gain: a ``chroma_gain`` that its ab hold already: a blend's hold those of its parts.
        violets: share of their chroma that dark violets lose which no hint asks for, where it
            gives logits.
    """

    name: str
    stride: int
    accepts_hints: bool
    size: int
    temperature: float = 1.0
    output: str = "ab"
    chroma_gain: float = 1.0
    fixed_size: int | None = None
    bins: Bins = field(default_factory=default_bins)
    classifies: bool = False
    authors: AuthorsWay | None = None
    faithful: bool = False
    identity: str = ""
    overview: Overview | None = None
    inner_gain: float = 1.0
    violets: float = PALED

    @property
    def way(self) -> AuthorsWay | None:
        """How photos are shown to it, if that is not our way."""
        return self.authors if self.faithful else None

    @property
    def doubt_gain(self) -> float:
        """What makes up, in its chroma, for what it leaves out where it is in doubt; 1 for none."""
        return self.chroma_gain * self.inner_gain

    @property
    def suggests(self) -> bool:
        """Whether it knows how likely colours are."""
        return self.classifies or self.output == "logits"

    def decoded(self, logits: Float32, lightness: Float32, hints: Float32 | None) -> Float32:
        """Return the ab (B, 2, h, w) of logits as they are shown, before the gain.

        Args:
            logits: (B, Q, h, w) over the bins.
            lightness: (B, H, W), L* as the network has seen it, on a grid as fine or finer.
            hints: (B, 3, H, W), what it was given, or None.
        """
        ab = self.bins.decode(logits, temperature=self.temperature)
        return paled(ab, lightness, hints, share=self.violets) if self.violets else ab

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that a working grid is padded to before the network."""
        if self.fixed_size is not None:
            return self.fixed_size, self.fixed_size
        return height + -height % self.stride, width + -width % self.stride


@dataclass(frozen=True)
class Prediction:
    """What a network says of pictures, or of one.

    Attributes:
        ab: (B, 2, h, w) float32, Lab units, on the network's own grid; of one picture (2, h, w).
        logits: (B, Q, h, w) over the bins, where the network classifies; of one (Q, h, w).
    """

    ab: Float32
    logits: Float32 | None = None

    def of(self, number: int) -> Prediction:
        """Return what it says of one picture of the batch."""
        logits = None if self.logits is None else self.logits[number]
        return Prediction(self.ab[number], logits)

    def distributions(self, model: str) -> Float32:
        """Return the logits of a network that classifies.

        Args:
            model: its name, for the error.

        Raises:
            OptionError: if it predicts ab itself.
        """
        if self.logits is None:
            raise OptionError(
                f"the model `{model}` predicts colours, not how likely each is, so it has no "
                "suggestions, alternatives or reference: use another, as `koala`"
            )
        return self.logits


class Engine(Protocol):
    """Runs one network; safe to call from several threads."""

    @property
    def info(self) -> ModelInfo:
        """What the network is."""
        ...

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict the chroma of pictures of one size.

        Args:
            lightness: (B, H, W), L*; H and W are multiples of the stride.
            hints: (B, 3, H, W), planes a*, b* (Lab units) and mask, or None.
        """
        ...
