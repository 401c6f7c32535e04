"""The catalogue: every model by name, with all that belongs beside its weights.

Not here: finding or reading the files (``store``). Nothing slow is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["MODELS", "ModelCard"]


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model.

    Attributes:
        name: what a person types.
        file: its ONNX file, beside this module.
        sha256: of that file.
        licence: of the weights.
        training_data: what they were trained on.
        recipe: the file that trained them.
        summary: one sentence for `koalarize models`.
        parameters: how many weights.
        scores: metric -> value; shares are of the grey pictures' own; protocol in the model card.
    """

    name: str
    file: str
    sha256: str
    licence: str
    training_data: str
    recipe: str
    summary: str
    parameters: int
    scores: Mapping[str, float]


_DATA = (
    "40,950 varied colour photographs from public research collections, short side at most 160 px; "
    "encoder started from ImageNet weights of MobileNetV2"
)
_CARDS = (
    ModelCard(
        name="koala",
        file="koala.onnx",
        sha256="3231bcf5398de340f66990719df72bbecd1c8f4fc109f7218d4b6ae04681ae3a",
        licence="Apache-2.0",
        training_data=_DATA,
        recipe="recipes/koala.yaml",
        summary="The default: an encoder-decoder with global context that classifies ab; takes "
        "colour hints.",
        parameters=5_687_684,
        scores={"psnr_gain_db": 0.38, "lpips_share": 0.710, "fid_share": 0.532},
    ),
    ModelCard(
        name="koala-int8",
        file="koala-int8.onnx",
        sha256="e3b2c31c6cd1e613c473ec93bf2eddbf2a8b73d5990b74da134909986e5b4ee3",
        licence="Apache-2.0",
        training_data=_DATA,
        recipe="recipes/koala.yaml",
        summary="koala with its decoder in 8 bits: nearly the same colours, sooner; for many "
        "files.",
        parameters=5_687_684,
        scores={"delta_e2000_from_koala": 0.94},
    ),
)

MODELS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})
