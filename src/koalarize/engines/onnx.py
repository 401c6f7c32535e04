"""Networks exported by ``koalarize lab export`` or ``lab convert``, run by ONNX Runtime.

Not here: where weights come from (``models.store``), files that do not describe themselves
(``contracts``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.color import PALED, Bins, default_bins
from koalarize.engines.engine import (
    CPU,
    METADATA_FORMAT,
    METADATA_KEY,
    AuthorsWay,
    ModelInfo,
    Overview,
    Prediction,
)
from koalarize.engines.overview import logits_of
from koalarize.engines.session import Session, checked, open_session
from koalarize.errors import ModelError, OptionError

__all__ = ["OnnxEngine"]

Float32 = npt.NDArray[np.float32]

_MOST_SIDE = 1 << 16  # pixels; no network works at more


class OnnxEngine:
    """A network exported by ``koalarize lab export``, run by ONNX Runtime on the CPU."""

    def __init__(
        self,
        model: Path,
        *,
        threads: int = 0,
        provider: str = CPU,
        session: Session | None = None,
        faithful: bool = False,
        identity: str = "",
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file that describes itself.
            threads: how many threads a picture may use; 0 takes one a core.
            provider: ONNX Runtime's name of what computes, as ``CUDAExecutionProvider``.
            session: the file, if it is open already.
            faithful: whether photos are shown to it as its authors do.
            identity: the sha256 of the file, where it is known.

        Raises:
            ModelError: if the file is missing, damaged, or no model of koalarize.
            OptionError: if this ONNX Runtime has no such provider, or cannot use it here.
        """
        self._session = session or open_session(model, threads=threads, provider=provider)
        runtime = self._session.runtime
        inputs, outputs = (
            [node.name for node in nodes] for nodes in (runtime.get_inputs(), runtime.get_outputs())
        )
        self._info = replace(
            _info(model, self._session.metadata), faithful=faithful, identity=identity
        )
        self._check_bins(model)
        self._takes_hints = "hints" in inputs
        if self._info.classifies and "logits" not in outputs:
            raise ModelError(
                f"`{model}` says that it classifies but has no logits: convert it again"
            )

    def _check_bins(self, model: Path) -> None:
        """Check that the graph has one logit for each bin that the file names."""
        for node in self._session.runtime.get_outputs():
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
        info = self._info
        if info.output == "ab":
            wanted = ["ab", "logits"] if info.classifies else ["ab"]
            return Prediction(*self._ask(wanted, lightness, hints))
        logits = logits_of(self._logits, lightness, hints, info)
        return Prediction(info.decoded(logits, lightness, hints), logits)

    def _logits(self, lightness: Float32, hints: Float32 | None) -> Float32:
        return self._ask([self._info.output], lightness, hints)[0]

    def _ask(self, wanted: list[str], lightness: Float32, hints: Float32 | None) -> list[Float32]:
        feed: dict[str, npt.NDArray[Any]] = {
            "l": np.ascontiguousarray(lightness, np.float32)[:, None]
        }
        if self._takes_hints:
            batch, *shape = lightness.shape
            planes = np.zeros((batch, 3, *shape), np.float32) if hints is None else hints
            feed["hints"] = np.ascontiguousarray(planes, np.float32)
        return [checked(found, self._info.name) for found in self._session.run(wanted, feed)]


def _info(model: Path, metadata: Mapping[str, str]) -> ModelInfo:
    try:
        facts: dict[str, Any] = json.loads(metadata[METADATA_KEY])
        if facts["format"] != METADATA_FORMAT:
            raise KeyError(facts["format"])
        fixed_size = facts.get("fixed_size")  # models of earlier versions do not mention it
        return ModelInfo(
            name=str(facts["name"]),
            stride=_side(facts["stride"]),
            accepts_hints=bool(facts["accepts_hints"]),
            size=_side(facts["size"]),
            temperature=_factor(facts["temperature"]),
            output=str(facts["output"]),
            chroma_gain=_factor(facts["chroma_gain"]),
            fixed_size=None if fixed_size is None else _side(fixed_size),
            bins=_bins(facts),
            classifies=bool(facts.get("classifies", False)),
            authors=None if facts.get("authors") is None else AuthorsWay(**facts["authors"]),
            overview=None if facts.get("overview") is None else Overview(**facts["overview"]),
            # Other people's models are shown as they answer.
            violets=_share(facts.get("violets", 0 if facts.get("authors") else PALED)),
        )
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError, OptionError) as error:
        raise ModelError(
            f"`{model}` does not describe itself as {METADATA_FORMAT}: "
            "give a file written by `koalarize lab export`"
        ) from error


def _side(value: Any) -> int:
    """Return a number of pixels that a file names."""
    side = int(value)
    if not 1 <= side <= _MOST_SIDE:
        raise ValueError(f"{side} is no side of a picture")
    return side


def _factor(value: Any) -> float:
    """Return a factor that a file names."""
    factor = float(value)
    if not 0 < factor < math.inf:
        raise ValueError(f"{factor} is no factor")
    return factor


def _share(value: Any) -> float:
    """Return a share that a file names."""
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no share")
    return share


def _bins(facts: dict[str, Any]) -> Bins:
    """Return the bins that a file names: those of koalarize, or its own."""
    if facts["output"] != "logits" and not facts.get("classifies"):
        return default_bins()
    centres = np.array(facts["bins"], np.float32)
    if centres.ndim != 2 or centres.shape[1] != 2 or not np.isfinite(centres).all():
        raise ValueError("its bins are no list of a* and b*")
    bins = Bins(centres)
    return default_bins() if bins == default_bins() else bins
