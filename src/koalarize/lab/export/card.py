"""A model card of a run: what was learnt from what, how, and how well, as Markdown.

Not here: the export itself (``export``), the drawing of samples (``lab.evaluation``).
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import cast
from urllib.parse import quote

import onnx
import yaml

from koalarize.engines.engine import METADATA_KEY
from koalarize.errors import OptionError, OutputError
from koalarize.lab.export.export import without_folders
from koalarize.lab.own import is_own
from koalarize.lab.runs.checkpoint import Checkpoint, load_checkpoint
from koalarize.lab.runs.history import History
from koalarize.lab.tables import markdown_code, markdown_table, markdown_text
from koalarize.photo.files import check_place, sha256_of, write_bytes

__all__ = ["card_path", "check_card", "write_card"]

#: What an export may change of a recipe.
_SETTINGS = ("size", "temperature", "chroma_gain", "overview")
#: How every card begins below its heading.
_OPENING = "A colorizer for black-and-white photos: the network `"


def card_path(model: Path) -> Path:
    """Return where the card of an exported model goes: beside it, with the extension ``.md``."""
    return model.with_suffix(".md")


def check_card(model: Path, sheet: Path | None = None) -> None:
    """Check that writing the card of a model replaces none but an earlier card and its pictures.

    Args:
        model: the exported file.
        sheet: where the pictures go that the card shows, if there will be any.

    Raises:
        OutputError: if a file exists that no card of ours is, or shows.
    """
    path = card_path(model)
    check_place(path)
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    own = text.partition("\n\n")[2].startswith(_OPENING)
    if path.exists() and not own:
        raise OutputError(
            f"`{path}` exists and is no model card of koalarize: move it away, or choose another "
            "--output"
        )
    if sheet is not None and sheet.exists() and not (own and _shown(sheet) in text):
        raise OutputError(
            f"`{sheet}` exists and is not of an earlier model card: move it away, or choose "
            "another --output"
        )


def _shown(sheet: Path) -> str:
    return f"![grey, original, coloured]({quote(sheet.name)})"


def write_card(checkpoint: Path, model: Path, samples: Path | None = None) -> Path:
    """Write the card of an exported model beside it; an earlier one is replaced.

    Args:
        checkpoint: what was exported; the ``history.csv`` beside it gives the scores.
        model: the exported file.
        samples: a picture to show, in the same folder.

    Raises:
        ModelError: if the checkpoint cannot be read.
        OptionError: if it is an exported model.
        OutputError: if the card cannot be written, or another file stands in its place.
    """
    check_card(model)
    if checkpoint.suffix.lower() != ".safetensors":
        raise OptionError(
            f"`--card` tells of a training but `{checkpoint}` is not its checkpoint: give the "
            "model.safetensors that `koalarize lab train` writes"
        )
    loaded = load_checkpoint(checkpoint)
    parts = [
        f"# {markdown_text(loaded.recipe.name)}",
        _summary(loaded, model),
        *([_shown(samples)] if samples is not None else []),
        "## Data",
        _data(loaded),
        "## Scores",
        _scores(loaded, checkpoint),
        "## Recipe",
        f"```yaml\n{_recipe(loaded)}```",
    ]
    return write_bytes(("\n\n".join(parts) + "\n").encode(), card_path(model), overwrite=True)


def _summary(loaded: Checkpoint, model: Path) -> str:
    count = sum(weights.numel() for weights in loaded.network.parameters())
    facts = loaded.facts
    use = ["koalarize", "photo.jpg", "--model", model.name]
    return (
        f"{_OPENING}{loaded.recipe.network.name}` with "
        f"{count:,} parameters, trained by koalarize {facts.get('koalarize', '(unknown)')} for "
        f"{facts.get('steps', 0):,} steps on {facts.get('samples', 0):,} crops. Colours are "
        f"plausible guesses, not history.\n\n"
        f"{markdown_code(model.name)}, sha256 `{sha256_of(model)}`. Use it by "
        f"{markdown_code(shlex.join(use))}.{_needed(loaded)}{_settings(loaded, model)}"
    )


def _needed(loaded: Checkpoint) -> str:
    """Return what its checkpoint needs besides koalarize: the module of a network of one's own."""
    name = loaded.recipe.network.name
    if not is_own(name):
        return ""
    module = name.partition(":")[0]
    return (
        "\n\nIt needs nothing else. The checkpoint (`model.safetensors`) that it was exported from "
        f"needs its author's Python module `{module}` where Python finds it, as "
        f"`{module.replace('.', '/')}.py` in a folder of PYTHONPATH."
    )


def _settings(loaded: Checkpoint, model: Path) -> str:
    """Return what the export has changed of the recipe, which the scores are not of."""
    noted = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    described = json.loads(noted[METADATA_KEY])
    recipe = dataclasses.asdict(loaded.recipe)
    changed = [
        f"`{name}` {_shown_value(described[name])} ({_shown_value(recipe[name])})"
        for name in _SETTINGS
        if described[name] != recipe[name]
    ]
    if not changed:
        return ""
    return (
        "\n\nExported with other settings than those of the recipe (in brackets), with which the "
        f"run was validated: {', '.join(changed)}."
    )


def _shown_value(value: object) -> str:
    if isinstance(value, dict):  # a second look
        parts = cast(dict[str, object], value)
        return ", ".join(f"{name} {_shown_value(part)}" for name, part in parts.items())
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _data(loaded: Checkpoint) -> str:
    facts = loaded.facts
    left_out = cast(dict[str, int], facts.get("left_out") or {})
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    source = str(facts.get("data", without_folders(loaded.recipe).data.train))
    lines = [
        f"- {markdown_code(source)}: "
        f"{facts.get('pictures', 0):,} pictures to learn from; left out: {reasons or 'none'}",
        f"- sha256 of their encoded bytes, in order, those left out or held out too: "
        f"`{facts.get('data_sha256') or 'not known'}`",
        "- licence of the pictures: not known to koalarize; say it here",
    ]
    return "\n".join(lines)


def _scores(loaded: Checkpoint, checkpoint: Path) -> str:
    """Return the last validation of the run up to the checkpoint, as a table."""
    steps = int(loaded.facts.get("steps", 0))
    history = checkpoint.with_name("history.csv")
    rows = History(history, steps).rows
    prefix = "validation/"
    if not history.exists():  # best.safetensors says its own
        rows = [{"step": str(steps)} | {name: str(value) for name, value in loaded.facts.items()}]
        if not any(name.startswith(prefix) for name in loaded.facts):
            return (
                "Not known: the run's `history.csv` was not beside its checkpoint. "
                "`koalarize lab evaluate` measures a model."
            )
    validated = [row for row in rows if any(name.startswith(prefix) for name in row)]
    if not validated:
        return "None: the run did not validate. `koalarize lab evaluate` measures a model."
    last = validated[-1]
    scores = [
        (name.removeprefix(prefix), f"{float(value):.4g}")
        for name, value in last.items()
        if name.startswith(prefix)
    ]
    return (
        f"Of the run's validation pictures after step {last['step']} (docs/training.md says how "
        f"each is measured):\n\n{markdown_table(['score', 'value'], scores)}"
    )


def _recipe(loaded: Checkpoint) -> str:
    values = dataclasses.asdict(without_folders(loaded.recipe))
    return yaml.safe_dump(_plain(values), sort_keys=False, allow_unicode=True)


def _plain(value: object) -> object:
    """Turn tuples into lists, all the way down: YAML has no tuples."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in cast(dict[object, object], value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in cast(list[object], value)]
    return value
