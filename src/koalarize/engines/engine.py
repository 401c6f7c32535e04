"""Run a network: lightness and hint planes in, ab on the network's grid out.

Not here: pictures and sizes (``colorizer``), where weights come from (``models``).
An ``Engine`` is anything that has ``info`` and ``run``; ``OnnxEngine`` is the one people get.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from koalarize.color import ab_bins, decode_ab
from koalarize.errors import ModelError, OptionError

__all__ = ["METADATA_FORMAT", "METADATA_KEY", "Engine", "ModelInfo", "OnnxEngine", "Prediction"]

Float32 = npt.NDArray[np.float32]

#: Where an exported model describes itself.
METADATA_KEY = "koalarize"
METADATA_FORMAT = "koalarize-onnx-1"


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
    """

    name: str
    stride: int
    accepts_hints: bool
    size: int
    temperature: float = 1.0
    output: str = "ab"
    chroma_gain: float = 1.0
    fixed_size: int | None = None

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that a working grid is padded to before the network."""
        if self.fixed_size is not None:
            return self.fixed_size, self.fixed_size
        return height + -height % self.stride, width + -width % self.stride


@dataclass(frozen=True)
class Prediction:
    """What a network says of one picture.

    Attributes:
        ab: (2, h, w) float32, Lab units, on the network's own grid.
        logits: (Q, h, w) float32 over the ab bins, where the network classifies.
    """

    ab: Float32
    logits: Float32 | None = None

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

    def run(self, l: Float32, hints: Float32 | None) -> Prediction:  # noqa: E741
        """Predict from L* (H, W) and hint planes (3, H, W); H and W are multiples of the stride."""
        ...


class OnnxEngine:
    """A network exported by ``koalarize lab export``, run by ONNX Runtime on the CPU."""

    def __init__(self, model: Path, *, threads: int = 0) -> None:
        """Load a model.

        Args:
            model: an ONNX file that describes itself.
            threads: how many threads a picture may use; 0 takes one a core.

        Raises:
            ModelError: if the file is missing, damaged, or no model of koalarize.
        """
        import onnxruntime as ort  # takes long, so not before a picture is to be coloured

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A pattern for each picture size would be kept for ever; sizes of a folder differ.
        options.enable_mem_pattern = False
        if not model.is_file():
            raise ModelError(f"`{model}` does not exist: give an .onnx file or a model's name")
        try:
            self._session = ort.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors share no base class
            reason = str(error).splitlines()[0][:160]
            raise ModelError(f"`{model}` cannot be loaded as an ONNX model: {reason}") from error
        self._info = _info(model, self._session.get_modelmeta().custom_metadata_map)
        self._takes_hints = any(node.name == "hints" for node in self._session.get_inputs())

    @property
    def info(self) -> ModelInfo:
        """What the network is, as its file says."""
        return self._info

    def run(self, l: Float32, hints: Float32 | None) -> Prediction:  # noqa: E741
        """Predict from L* (H, W) and hint planes (3, H, W); H and W are multiples of the stride."""
        feed = {"l": np.ascontiguousarray(l, np.float32)[None, None]}
        if self._takes_hints:
            planes = np.zeros((3, *l.shape), np.float32) if hints is None else hints
            feed["hints"] = np.ascontiguousarray(planes, np.float32)[None]
        result: Any = self._session.run([self._info.output], feed)[0]
        if self._info.output == "ab":
            return Prediction(result[0])
        logits = result[0]
        return Prediction(decode_ab(logits, temperature=self._info.temperature), logits)


def _info(model: Path, metadata: dict[str, str]) -> ModelInfo:
    try:
        facts: dict[str, Any] = json.loads(metadata[METADATA_KEY])
        if facts["format"] != METADATA_FORMAT:
            raise KeyError(facts["format"])
        if facts["output"] == "logits" and facts["bins"] != ab_bins().tolist():
            raise ModelError(
                f"`{model}` classifies over other ab bins than this koalarize: export its "
                "checkpoint again with this version"
            )
        fixed_size = facts.get("fixed_size")  # models of earlier versions do not mention it
        return ModelInfo(
            name=str(facts["name"]),
            stride=int(facts["stride"]),
            accepts_hints=bool(facts["accepts_hints"]),
            size=int(facts["size"]),
            temperature=float(facts["temperature"]),
            output=str(facts["output"]),
            chroma_gain=float(facts["chroma_gain"]),
            fixed_size=None if fixed_size is None else int(fixed_size),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"`{model}` does not describe itself as {METADATA_FORMAT}: "
            "give a file written by `koalarize lab export`"
        ) from error
