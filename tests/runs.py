"""What the tests of training share: tiny photos, recipes of runs of a second, ways to compare."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from koalarize.lab.runs.recipe import Recipe, build
from koalarize.lab.training import callbacks

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.yaml"))
TINY = {"name": "unet-mini", "options": {"widths": [4, 6, 8]}}


def make_photos(folder: Path, count: int = 7) -> Path:
    """Draw a few smooth colour pictures of 56 x 40."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        small = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((56, 40), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.png")
    return folder


def tiny_values(photos: Path, **changes: Any) -> dict[str, Any]:
    """Return a recipe of a run of a second: ten steps in segments of four."""
    values = {
        "name": "tiny",
        "network": TINY,
        "data": {"train": str(photos), "workers": 0},
        "crop": {"sizes": [32, 16]},
        "hints": None,
        "loss": {"name": "mse"},
        "optimizer": {"learning_rate": 0.01, "warmup": 3},
        "batch": 2,
        "steps": 10,
        "segment": 4,
        "validate_every": 0,
        "ema": 0.5,
        "precision": "fp32",
        "accelerator": "cpu",
        "size": 32,
    }
    return values | changes


def tiny_recipe(photos: Path, **changes: Any) -> Recipe:
    """Build ``tiny_values`` into a recipe."""
    return build(Recipe, tiny_values(photos, **changes), "")


class KilledError(Exception):
    pass


def kill_run_after(
    patch: pytest.MonkeyPatch, batches: int | None, error: type[BaseException] = KilledError
) -> None:
    """Let runs end in an error once so many batches have begun; None lifts that again."""
    patch.undo()
    begin = callbacks.Progress.on_train_batch_start
    left = [batches]

    def start(self, trainer, pl_module, batch, batch_idx):
        begin(self, trainer, pl_module, batch, batch_idx)
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                raise error

    patch.setattr(callbacks.Progress, "on_train_batch_start", start)


def state_of(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "last.ckpt", weights_only=True)


def history_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def differing(first, second, where=""):
    """Return the places at which two nests of dicts, lists and tensors differ."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [where]
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        return [p for key in first for p in differing(first[key], second[key], f"{where}.{key}")]
    if isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        pairs = enumerate(zip(first, second, strict=True))
        return [p for i, pair in pairs for p in differing(*pair, f"{where}[{i}]")]
    return [] if first == second else [where]


def assert_same_run(first: Path, second: Path) -> None:
    """Weights, their average, Adam's state and the schedule are equal to the last bit."""
    weights, others = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert differing(weights, others) == []
    one, two = state_of(first), state_of(second)
    for part in (
        *("state_dict", "current_model_state", "averaging_state"),
        *("optimizer_states", "lr_schedulers", "global_step"),
    ):
        assert differing(one[part], two[part], part) == []
    progress = "epoch_progress"  # the count of segments decides when a run validates
    assert one["loops"]["fit_loop"][progress] == two["loops"]["fit_loop"][progress]
