"""Find a model's file and verify it.

Not here: what models there are (``catalog``), running them (``engines``).
"""

from __future__ import annotations

from pathlib import Path

from koalarize.errors import ModelError, did_you_mean
from koalarize.models.catalog import MODELS
from koalarize.photo.files import sha256_of

__all__ = ["find_model"]


def find_model(model: str | Path) -> Path:
    """Return the file of a model by its name, or of an .onnx file by its path.

    The file of a model of the catalogue is verified by its hash, every time.

    Raises:
        ModelError: if the name is unknown, or the file is missing or damaged.
    """
    card = MODELS.get(str(model))
    if card is None:
        path = Path(model)
        if path.suffix.lower() == ".onnx":
            return path
        if path.suffix.lower() == ".safetensors":
            raise ModelError(
                f"`{path}` is a checkpoint of a training, which colours no photos: make a model of "
                f"it by `koalarize lab export {path}`"
            )
        raise ModelError(
            f"the model `{model}` is unknown{did_you_mean(str(model), MODELS)} "
            f"(known: {', '.join(MODELS)}; or give an .onnx file)"
        )
    path = Path(__file__).parent / card.file
    if not path.is_file():
        raise ModelError(
            f"the weights `{card.file}` of `{card.name}` are missing: reinstall koalarize"
        )
    found = sha256_of(path)
    if found != card.sha256:
        raise ModelError(
            f"the weights `{card.file}` of `{card.name}` are damaged (sha256 {found[:12]}… instead "
            f"of {card.sha256[:12]}…): reinstall koalarize"
        )
    return path
