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


_CARDS = (
    ModelCard(
        name="koala",
        file="koala.onnx",
        sha256="a355641a20af354ec4e2f2a7a07c26cfa7afc72e7e4e0ebe1139b825ea924c53",
        licence="Apache-2.0",
        training_data="40,950 varied colour photographs from public research collections, "
        "short side at most 160 px; encoder started from ImageNet weights of MobileNetV2",
        recipe="recipes/koala.yaml",
        summary="The default: an encoder-decoder with global context that classifies ab; takes "
        "colour hints.",
        parameters=5_687_684,
        scores={"psnr_gain_db": 0.25, "lpips_share": 0.717, "fid_share": 0.566},
    ),
)

MODELS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})
