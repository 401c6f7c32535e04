"""Networks exported by ``koalarize lab export``, run by ONNX Runtime.

Not here: where weights come from (``models.store``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color import Bins, default_bins
from koalarize.engines.engine import METADATA_FORMAT, METADATA_KEY, ModelInfo, Prediction
from koalarize.errors import ModelError, OptionError

__all__ = ["OnnxEngine"]

Float32 = npt.NDArray[np.float32]


class OnnxEngine:
    """A network exported by ``koalarize lab export``, run by ONNX Runtime on the CPU."""

    def __init__(
        self, model: Path, *, threads: int = 0, provider: str = "CPUExecutionProvider"
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file that describes itself.
            threads: how many threads a picture may use; 0 takes one a core.
            provider: ONNX Runtime's name of what computes, as ``CUDAExecutionProvider``.

        Raises:
            ModelError: if the file is missing, damaged, or no model of koalarize.
            OptionError: if this ONNX Runtime has no such provider, or cannot use it here.
        """
        import onnxruntime as ort  # takes long, so not before a picture is to be coloured

        if provider not in (known := ort.get_available_providers()):
            raise OptionError(
                f"the provider `{provider}` is not there: this ONNX Runtime has {', '.join(known)}"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A pattern for each picture size would be kept for ever; sizes of a folder differ.
        options.enable_mem_pattern = False
        if not model.is_file():
            raise ModelError(f"`{model}` does not exist: give an .onnx file or a model's name")
        try:
            self._session = ort.InferenceSession(str(model), options, providers=[provider])
        except Exception as error:  # ONNX Runtime's own errors share no base class
            reason = str(error).splitlines()[0][:160]
            raise ModelError(f"`{model}` cannot be loaded as an ONNX model: {reason}") from error
        if provider not in self._session.get_providers():  # it would go on with another one
            raise OptionError(
                f"the provider `{provider}` cannot be used on this machine: see what ONNX Runtime "
                "says of it, or leave it out to use the processor"
            )
        self._info = _info(model, self._session.get_modelmeta().custom_metadata_map)
        self._check_bins(model)
        self._takes_hints = any(node.name == "hints" for node in self._session.get_inputs())

    def _check_bins(self, model: Path) -> None:
        """Check that the graph has one logit for each bin that the file names."""
        for node in self._session.get_outputs():
            count, bins = (*node.shape, None, None)[1], len(self._info.bins)
            if node.name == "logits" and isinstance(count, int) and count != bins:
                raise ModelError(
                    f"`{model}` names {bins} ab bins but has {count} logits: export it again"
                )

    @property
    def info(self) -> ModelInfo:
        """What the network is, as its file says."""
        return self._info

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict the chroma of pictures of one size, as ``Engine.run`` says."""
        feed = {"l": np.ascontiguousarray(lightness, np.float32)[:, None]}
        if self._takes_hints:
            batch, *shape = lightness.shape
            planes = np.zeros((batch, 3, *shape), np.float32) if hints is None else hints
            feed["hints"] = np.ascontiguousarray(planes, np.float32)
        result: Any = self._session.run([self._info.output], feed)[0]
        if self._info.output == "ab":
            return Prediction(result)
        ab = self._info.bins.decode(result, temperature=self._info.temperature)
        return Prediction(ab, result)


def _info(model: Path, metadata: dict[str, str]) -> ModelInfo:
    try:
        facts: dict[str, Any] = json.loads(metadata[METADATA_KEY])
        if facts["format"] != METADATA_FORMAT:
            raise KeyError(facts["format"])
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
            bins=_bins(facts),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"`{model}` does not describe itself as {METADATA_FORMAT}: "
            "give a file written by `koalarize lab export`"
        ) from error


def _bins(facts: dict[str, Any]) -> Bins:
    """Return the bins that a file names: those of koalarize, or its own."""
    if facts["output"] != "logits":
        return default_bins()
    centres = np.array(facts["bins"], np.float32)
    if centres.ndim != 2 or centres.shape[1] != 2 or not np.isfinite(centres).all():
        raise ValueError("its bins are no list of a* and b*")
    bins = Bins(centres)
    return default_bins() if bins == default_bins() else bins
