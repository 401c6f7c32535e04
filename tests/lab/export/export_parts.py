"""What the tests of exports share: checkpoints of untrained networks."""

from __future__ import annotations

from pathlib import Path

import torch

from koalarize.lab.runs.checkpoint import build_network, save_checkpoint
from koalarize.lab.runs.recipe import DataOptions, LossOptions, NetworkOptions, Recipe
from koalarize.lab.runs.teacher_options import TeacherOptions

FACTS = {"pictures": 5, "steps": 10}


def saved(folder: Path, name: str, **options) -> Path:
    """A checkpoint whose recipe names folders of somebody's machine."""
    torch.manual_seed(3)
    recipe = Recipe(
        name=f"my-{name}",
        network=NetworkOptions(name, options, encoder="/home/somebody/w/start.safetensors"),
        data=DataOptions(train="/home/somebody/photos/", validation="C:\\Users\\somebody\\val"),
        loss=LossOptions("rebalanced-cross-entropy" if name == "koala" else "mse"),
        teacher=TeacherOptions("/home/somebody/a.onnx:2,koala,C:\\Users\\somebody\\b.onnx"),
        size=192,
        temperature=0.4,
    )
    path = folder / f"{name}.safetensors"
    save_checkpoint(path, build_network(recipe.network).state_dict(), recipe, FACTS)
    return path
