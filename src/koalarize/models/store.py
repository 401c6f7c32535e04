"""Find a model's file and verify it: in the package, or among those that were fetched.

Not here: what models there are (``catalog``), fetching (``download``), running them (``engines``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from koalarize.errors import ModelError, did_you_mean
from koalarize.models.catalog import FOREIGN, MODELS, ForeignCard, known_names
from koalarize.photo.files import sha256_of

__all__ = ["by_hand", "find_model", "home", "is_here", "megabytes", "place_of"]

#: Names the folder for what is fetched.
HOME = "KOALARIZE_HOME"


def home() -> Path:
    """Return the folder for what is fetched: ``KOALARIZE_HOME``, or the platform's cache."""
    chosen = os.environ.get(HOME)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "koalarize"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "koalarize" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "koalarize"


def place_of(card: ForeignCard) -> Path:
    """Return where the file of another person's model stands, or would stand."""
    return home() / "models" / card.file


def is_here(card: ForeignCard) -> bool:
    """Return whether the file of another person's model was fetched."""
    return place_of(card).is_file()


def megabytes(card: ForeignCard) -> str:
    """Return how large its file is, for people."""
    return "size unknown" if card.bytes is None else f"{card.bytes / 1e6:,.0f} MB"


def by_hand(card: ForeignCard) -> str:
    """Say which file to put where, for machines without a network."""
    return (
        f"by hand: put {card.addresses[0]} (sha256 {card.sha256}) at `{place_of(card)}`, or name "
        f"it by `koalarize models download {card.name} --from FILE`"
    )


def find_model(model: str | Path) -> Path:
    """Return the file of a model by its name, or of an .onnx file by its path.

    The file of a model of the catalogue is verified by its hash, every time.

    Raises:
        ModelError: if the name is unknown, or the file is missing or damaged.
    """
    card = MODELS.get(str(model))
    if card is not None:
        return _verified(Path(__file__).parent / card.file, card.name, card.sha256)
    foreign = FOREIGN.get(str(model))
    if foreign is not None:
        return _fetched(foreign)
    path = Path(model)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return path
    if suffix == ".safetensors":
        raise ModelError(
            f"`{path}` is a checkpoint of a training, which colours no photos: make a model of "
            f"it by `koalarize lab export {path}`"
        )
    if suffix in (".pth", ".pt", ".bin"):
        raise ModelError(
            f"`{path}` holds weights for PyTorch, which colour no photos: make a model of them by "
            f"`koalarize lab convert {path}`"
        )
    raise ModelError(
        f"the model `{model}` is unknown{did_you_mean(str(model), known_names())} "
        f"(known: {', '.join(known_names())}; or give an .onnx file)"
    )


def _verified(path: Path, name: str, sha256: str) -> Path:
    """Return the file of a model that came with the package."""
    if not path.is_file():
        if archive := next((str(above) for above in path.parents if above.is_file()), None):
            raise ModelError(
                f"the weights `{path.name}` of `{name}` cannot be read out of `{archive}`: install "
                "koalarize by pip, or unpack the archive"
            )
        raise ModelError(f"the weights `{path.name}` of `{name}` are missing: reinstall koalarize")
    found = sha256_of(path)
    if found != sha256:
        raise ModelError(
            f"the weights `{path.name}` of `{name}` are damaged (sha256 {found[:12]}… instead "
            f"of {sha256[:12]}…): reinstall koalarize"
        )
    return path


def _fetched(card: ForeignCard) -> Path:
    path = place_of(card)
    if not path.is_file():
        raise ModelError(
            f"the model `{card.name}` is not on this machine ({megabytes(card)}): "
            f"`koalarize models download {card.name}` fetches it; {by_hand(card)}"
        )
    found = sha256_of(path)
    if found != card.sha256:
        raise ModelError(
            f"`{path}` is not the file of `{card.name}` (sha256 {found[:12]}… instead of "
            f"{card.sha256[:12]}…): remove it, then `koalarize models download {card.name}`"
        )
    return path
