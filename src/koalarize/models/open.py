"""Open a model by its name, its file, or several of them as a blend.

Not here: finding and verifying files (``store``), running networks (``engines``).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from koalarize.engines.blend import MOST_CHROMA, BlendEngine, Part
from koalarize.engines.contracts import ContractEngine, contract_file, read_contract
from koalarize.engines.engine import CPU, METADATA_KEY, Engine
from koalarize.engines.onnx import OnnxEngine
from koalarize.engines.session import Session, open_session
from koalarize.errors import ModelError, OptionError, did_you_mean
from koalarize.models.catalog import FOREIGN, ForeignCard, card_of, known_names
from koalarize.models.store import find_model, is_here
from koalarize.photo.files import sha256_of

__all__ = ["check_model", "missing", "open_model", "parts_of"]


def parts_of(model: str | Path) -> list[tuple[str, float]]:
    """Return the models that a person names, each with its weight.

    Args:
        model: a name or a file; or several with commas between them, each with a weight or none,
            as ``koala:1,ddcolor-tiny:2``.

    Raises:
        OptionError: if one of several has no name.
    """
    text = str(model)
    if isinstance(model, Path) or "," not in text or Path(text).exists():
        return [(text, 1.0)]
    found: list[tuple[str, float]] = []
    for part in text.split(","):
        name, colon, weight = part.strip().rpartition(":")
        try:
            found.append((name, float(weight)) if colon and name else (part.strip(), 1.0))
        except ValueError:  # the colon is one of a path's
            found.append((part.strip(), 1.0))
    if any(not name for name, _ in found):
        raise OptionError(f"`--model` is `{text}`, which has a comma but no model beside it")
    return found


def check_model(model: str) -> None:
    """Refuse an unknown model before anything slow is loaded.

    Raises:
        OptionError: if it is neither a name of the catalogue nor an .onnx file that is there.
    """
    for name, _ in parts_of(model):
        if name in known_names():
            continue
        if not name.lower().endswith((".onnx", ".pth", ".pt")):
            near = did_you_mean(name, known_names()) or f": known are {', '.join(known_names())}"
            raise OptionError(f"`--model` is `{name}` but must be of `koalarize models`{near}")
        try:
            there = find_model(name).is_file()
        except ModelError as error:  # weights of another program
            raise OptionError(str(error)) from error
        if not there:
            raise OptionError(
                f"`--model` is `{name}`, which is no file: give an .onnx file or a model's name"
            )


def missing(model: str | Path) -> list[ForeignCard]:
    """Return the models that are asked for but were not fetched yet."""
    cards = (FOREIGN.get(name) for name, _ in parts_of(model))
    return [card for card in cards if card is not None and not is_here(card)]


def open_model(
    model: str | Path,
    *,
    threads: int = 0,
    faithful: bool = False,
    most_chroma: float = MOST_CHROMA,
    provider: str = CPU,
) -> Engine:
    """Open a model, ready to run.

    Args:
        model: a name of ``koalarize models``, the path of an .onnx file, or a blend of several, as
            ``koala,ddcolor-tiny:2``.
        threads: how many threads a picture may use; 0 takes one a core.
        faithful: show photos to it as its authors do: squashed to their square, chroma brought to
            full size without regard to edges.
        most_chroma: Lab units by which a blend's chroma may differ from its first model's.
        provider: what computes, by ONNX Runtime's name.

    Raises:
        ModelError: if a model is unknown, or its file is missing, damaged or no colorizer.
        OptionError: if ``faithful`` does not fit, a weight is not allowed, or the provider is not
            there.
    """
    asked = parts_of(model)
    if len(asked) == 1:
        return _open(asked[0][0], threads, faithful, provider)
    if faithful:
        raise OptionError(
            "`--faithful` shows a photo as one model's authors do, but several models are named: "
            "name one, or leave it out"
        )
    parts = [Part(_open(name, threads, False, provider), weight) for name, weight in asked]
    return BlendEngine(parts, most_chroma=most_chroma)


def _identity(path: Path, session: Session) -> str:
    """Return what tells a file from others: PyTorch keeps large weights in another beside it."""
    if not session.beside:
        return sha256_of(path)
    hashes = "".join(map(sha256_of, (path, *session.beside)))
    return hashlib.sha256(hashes.encode()).hexdigest()


def _open(model: str, threads: int, faithful: bool, provider: str) -> Engine:
    path = find_model(model)
    foreign = FOREIGN.get(model)
    card = card_of(model)
    session = open_session(path, threads=threads, provider=provider, trusted=card is not None)
    identity = _identity(path, session) if card is None else card.sha256
    engine: Engine
    if foreign is None and METADATA_KEY in session.metadata:
        engine = OnnxEngine(path, session=session, faithful=faithful, identity=identity)
    else:
        said = contract_file(path)
        contract = read_contract(said) if foreign is None and said.is_file() else None
        engine = ContractEngine(
            session,
            foreign.contract if foreign is not None else contract,
            name=None if foreign is None else foreign.name,
            faithful=faithful,
            identity=identity,
        )
    if faithful and engine.info.authors is None:
        raise OptionError(
            f"`--faithful` is for other people's models, but `{model}` is koalarize's own: "
            "leave it out"
        )
    return engine
