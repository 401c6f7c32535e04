"""A model by its name or file, as an engine of the Colorizer.

Not here: finding the catalogue's files (``models``), running networks (``engines``).
torch is loaded only for checkpoints and other people's weights: a showcase of exported models does
without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from koalarize.engines.engine import Engine
from koalarize.models.catalog import FOREIGN, MODELS
from koalarize.models.open import open_model, parts_of
from koalarize.models.store import find_model
from koalarize.photo.files import sha256_of

__all__ = ["Loaded", "is_name", "load_model", "short_name", "short_names"]


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run.

    Attributes:
        name: for tables and headings, without the folders of this machine.
        sha256: of its file.
        engine: what the Colorizer runs.
    """

    name: str
    sha256: str
    engine: Engine


def load_model(model: str | Path) -> Loaded:
    """Load a model.

    Args:
        model: a name of the catalogue, an .onnx file, a blend of several, a .safetensors
            checkpoint of a training, or other people's weights as ``lab convert`` takes them.

    Raises:
        ModelError: if the model is unknown, or its file is missing or damaged.
    """
    path = Path(model)
    engine: Engine
    if path.suffix.lower() == ".safetensors" or (path.is_dir() and not is_name(model)):
        engine = _checkpoint_engine(path)
    elif path.suffix.lower() in (".pth", ".pt", ".bin"):
        engine = _converted_engine(path)
    else:
        engine = open_model(model)
        hashes = [sha256_of(find_model(name)) for name, _ in parts_of(model)]
        return Loaded(short_name(model), "+".join(hashes), engine)
    return Loaded(short_name(model), sha256_of(path), engine)


def is_name(model: str | Path) -> bool:
    """Tell whether a model is called by its name; a run's folder may be called the same."""
    return str(model) in {**MODELS, **FOREIGN}


def short_name(model: str | Path, parts: int = 2) -> str:
    """Return the last ``parts`` of a model's path, or its name; of a blend those of each."""
    text = str(model)
    blended = len(parts_of(model)) > 1
    names = [name.strip() for name in text.split(",")] if blended else [text]
    # Every run's checkpoint is called model.safetensors: only the folder tells them apart.
    ends = (
        [part for part in Path(name).parts if part not in ("/", "..", ".")][-parts:]
        for name in names
    )
    return ",".join("/".join(end) for end in ends)


def short_names(models: Sequence[str | Path]) -> list[str]:
    """Return the models' short names; where two would share one, with as many folders as differ.

    Args:
        models: as for ``load_model``, or folders of pictures. One that is given twice has one name.
    """
    places = [_place(model) for model in models]
    names = [
        short_name(place if Path(model).is_dir() else model)
        for model, place in zip(models, places, strict=True)
    ]
    for name in set(names):
        same = [i for i, other in enumerate(names) if other == name]
        different = len({str(places[i]) for i in same})
        deepest = max(len(Path(places[i]).parts) for i in same)
        for parts in range(3, deepest + 1):
            if len({names[i] for i in same}) == different:
                break
            for i in same:
                names[i] = short_name(places[i], parts)
    return names


def _place(model: str | Path) -> str | Path:
    """Return the whole path of a file or folder; names and blends as they are."""
    known = is_name(model) or len(parts_of(model)) > 1
    return model if known or not Path(model).exists() else Path(model).absolute().resolve()


def _converted_engine(path: Path) -> Engine:
    from koalarize.lab.export.convert import convert

    with TemporaryDirectory(prefix="koalarize-") as folder:
        return open_model(convert(path, Path(folder) / f"{path.stem}.onnx"))


def _checkpoint_engine(path: Path) -> Engine:
    from koalarize.lab.evaluation.torch_engine import TorchEngine
    from koalarize.lab.runs.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path)
    recipe = checkpoint.recipe
    return TorchEngine.of(checkpoint.network, recipe)
