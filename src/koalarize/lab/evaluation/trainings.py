"""The recipe that a model was trained by, and in what the recipes of several models differ.

Not here: recipes and checkpoints themselves (``lab.runs``), what several trainings of one recipe
have in common (``seeds``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from koalarize.errors import OptionError
from koalarize.lab.evaluation.models import is_name
from koalarize.models.open import parts_of

__all__ = ["differences", "recipe_of"]

Tree = dict[str, object]

#: What tells trainings of one recipe apart, or where and beside what they ran; and what an
#: evaluation chooses itself, whose rows name it.
_ANY = frozenset(
    {"name", "seed", "devices", "nodes", "accelerator", "logger", "epochs", "size", "temperature"}
)
_ANY_DATA = frozenset({"workers", "memory"})
_LONGEST = 40  # characters of a group of options in a table


def recipe_of(model: str | Path) -> str | None:
    """Return what a model's training depended on but for its seed, as JSON in a fixed order.

    Equal texts are of one recipe. Folders count by their last part, as they may have moved.

    Args:
        model: a checkpoint of a training, or an .onnx file that was exported of one.

    Returns:
        The text; empty for models that do not say how they were trained. None for a name of the
        catalogue, and for a blend of them: those are no trainings to compare.
    """
    from koalarize.lab.export.export import without_folders
    from koalarize.lab.runs.options import build
    from koalarize.lab.runs.recipe import Recipe

    if all(is_name(name) for name, _ in parts_of(model)):
        return None
    try:
        noted = _noted(Path(model))
        recipe = build(Recipe, noted) if isinstance(noted, dict) else None
    except (OptionError, ValueError):
        recipe = None  # of another version: nothing is known then
    if recipe is None:
        return ""
    tree = dataclasses.asdict(without_folders(recipe))
    data = {key: value for key, value in tree["data"].items() if key not in _ANY_DATA}
    tree = {key: value for key, value in tree.items() if key not in _ANY} | {"data": data}
    return json.dumps(tree, sort_keys=True)


def differences(recipes: Sequence[str]) -> list[dict[str, str]]:
    """Return for each recipe its values of what is not the same in all, by dotted key.

    Args:
        recipes: as ``recipe_of`` returns them; of an empty one nothing is known.
    """
    trees = [cast(Tree, json.loads(recipe)) if recipe else {} for recipe in recipes]
    known = [tree for tree in trees if tree]
    keys = _differing(known) if known else []
    return [{key: _text(tree, key) for key in keys if tree} for tree in trees]


def _noted(path: Path) -> object:
    """Return the recipe that a file holds, as plain values; None where it holds none."""
    if path.suffix.lower() == ".safetensors":
        from koalarize.lab.runs.checkpoint import load_checkpoint

        return dataclasses.asdict(load_checkpoint(path).recipe)
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return None
    import onnx

    from koalarize.engines.engine import METADATA_KEY

    entries = onnx.load(str(path), load_external_data=False).metadata_props
    noted = next((entry.value for entry in entries if entry.key == METADATA_KEY), "{}")
    described: object = json.loads(noted)
    return described.get("recipe") if isinstance(described, dict) else None


def _differing(trees: Sequence[Tree], above: str = "") -> list[str]:
    """Return the dotted keys whose values differ; groups of unlike keys count as one value."""
    found: list[str] = []
    for key in trees[0]:
        values = [tree.get(key) for tree in trees]
        if all(value == values[0] for value in values):
            continue
        groups = [cast(Tree, value) for value in values if isinstance(value, dict)]
        if len(groups) == len(values) and all(each.keys() == groups[0].keys() for each in groups):
            found += _differing(groups, f"{above}{key}.")
        else:
            found.append(f"{above}{key}")
    return found


def _text(tree: Tree, key: str) -> str:
    value: object = tree
    for part in key.split("."):
        assert isinstance(value, dict)
        value = value[part]
    text = value if isinstance(value, str) else json.dumps(value)
    return "set" if isinstance(value, dict) and len(text) > _LONGEST else text
