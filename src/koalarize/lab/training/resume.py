"""Whether, and from where, a run that was stopped can go on; its state as a whole file.

Not here: the restoring of the state, which is Lightning's.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from koalarize.errors import ModelError, OptionError
from koalarize.lab.networks import ColorNetwork
from koalarize.lab.runs.checkpoint import load_checkpoint
from koalarize.lab.runs.history import History
from koalarize.lab.runs.recipe import Recipe
from koalarize.photo.files import write_bytes

__all__ = [
    "HASH_KEY",
    "LAST",
    "PICTURES_KEY",
    "RECIPE_KEY",
    "ROW_KEY",
    "SCORES_KEY",
    "STALE_KEY",
    "VALIDATION_KEY",
    "EarlierRun",
    "GoOn",
    "WholeFiles",
    "check_no_model",
    "earlier_run",
    "network_weights",
    "saved_weights",
]

#: The file in a run's folder that it goes on from.
LAST = "last.ckpt"
#: Where the resolved recipe stands in Lightning's checkpoint, as JSON.
RECIPE_KEY = "koalarize_recipe"
#: Where the number of pictures that the run learns from stands in it.
PICTURES_KEY = "koalarize_pictures"
#: Where their sha256 stands in it; None if it is not known.
HASH_KEY = "koalarize_data_sha256"
#: Where the sha256 of those that it is validated with stands in it; None if they were held out.
VALIDATION_KEY = "koalarize_validation_sha256"
#: Where it stands in the state of the callback ``SaveWeights`` how many validations went by since
#: the lowest loss.
STALE_KEY = "stale"
#: Where the scores of its weights stand there, if no validation before had a lower loss.
SCORES_KEY = "scores"
#: Where the row of the history that the file lacks stands in the state of ``Progress``.
ROW_KEY = "row"
#: What of a recipe the validation loss hangs on: its parts, and which of their keys; all if empty.
_JUDGING: dict[str, tuple[str, ...]] = {
    "loss": ("name", "options", "uniform", "power", "alpha", "beta", "gamma"),
    "crop": (),
    "data": ("validation", "validation_pictures"),
}


@dataclass(frozen=True)
class EarlierRun:
    """What the state of a run says of it.

    Attributes:
        taken: steps taken.
        epochs: passes over the data that were asked for, if the length was given so.
        steps: what the run was to take.
        pictures: how many pictures it learns from; None in the states of older versions.
        stale: validations since the lowest loss.
        sha256: over the encoded bytes of the data; None if not known.
        judged_alike: whether the recipe still measures the validation loss as the run did.
        scores: of its weights, if no validation before had a lower loss.
        validation: sha256 over the pictures that it was validated with; None if not known.
        row: of the history, which may lack it.
        moved: whether only the place of those pictures is another, so that they may be the same.
    """

    taken: int
    epochs: int | None
    steps: int
    pictures: int | None
    stale: int = 0
    sha256: str | None = None
    judged_alike: bool = True
    scores: dict[str, float] | None = None
    validation: str | None = None
    row: dict[str, float] | None = None
    moved: bool = False

    def is_finished(self, recipe: Recipe) -> bool:
        """Tell whether the recipe asks for no further step; epochs are not counted again."""
        ended = recipe.patience is not None and self.stale >= recipe.patience
        if ended and self.judged_alike:
            return True
        if recipe.epochs is None:
            return self.taken >= recipe.steps
        return recipe.epochs == self.epochs and self.taken >= self.steps

    def validated_with(self, sha256: str | None) -> EarlierRun:
        """Return the same, judged by the pictures to validate with themselves, not their place.

        Args:
            sha256: over the encoded bytes of those that there are now; None if not known.
        """
        if None in (self.validation, sha256) or not (self.judged_alike or self.moved):
            return self
        return dataclasses.replace(self, judged_alike=self.validation == sha256)

    def complete(self, history: Path) -> None:
        """Add the row to a run's history that the state holds, if it is not there.

        Raises:
            OutputError: if it cannot be written, or is no history.
        """
        if self.row is not None:
            table = History(history, self.taken)
            if not table.rows or float(table.rows[-1]["step"]) < self.row["step"]:
                table.add(self.row)

    def check_pictures(self, found: int, sha256: str | None) -> None:
        """Check that the data are those of before: the order of the batches hangs on their number.

        Args:
            found: how many there are now.
            sha256: over their encoded bytes, as ``Pictures`` has it.

        Raises:
            OptionError: if they are not.
        """
        if self.pictures is not None and self.pictures != found:
            raise OptionError(
                f"`data.train` gives {found} pictures but the run began with {self.pictures}: "
                "go on with the same, or choose another -o"
            )
        if None not in (self.sha256, sha256) and self.sha256 != sha256:
            raise OptionError(
                f"`data.train` gives other pictures than the run began with, sha256 {sha256} "
                f"instead of {self.sha256}: go on with the same, or choose another -o"
            )


def earlier_run(last: Path, recipe: Recipe, network: ColorNetwork) -> EarlierRun:
    """Read the state of a run, if it can go on by this recipe.

    Args:
        last: Lightning's checkpoint of the run.
        recipe: what the run is to go on by.
        network: built by that recipe.

    Raises:
        ModelError: if the file is damaged or of another network.
        OptionError: if the recipe differs from the run's in what cannot change on the way.
    """
    try:
        state: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=True, mmap=True)
        weights = network_weights(state["state_dict"])
        shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        taken = int(state["global_step"])
        earlier: dict[str, Any] = json.loads(state.get(RECIPE_KEY, "{}"))
        pictures, sha256 = state.get(PICTURES_KEY), state.get(HASH_KEY)
        validation = state.get(VALIDATION_KEY)
        row = state.get("callbacks", {}).get("Progress", {}).get(ROW_KEY)
        judged = state.get("callbacks", {}).get("SaveWeights", {})
        stale, scores = int(judged.get(STALE_KEY, 0)), judged.get(SCORES_KEY)
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.PickleError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        if not zipfile.is_zipfile(last):  # torch speaks of what whoever saves it should do
            reason = "it is cut short, or another kind of file"
        weights = last.with_name("model.safetensors")
        start = f" and `--set network.start={weights}`, its weights" if weights.exists() else ""
        raise ModelError(
            f"`{last}` cannot be read as the state of a run ({reason}): start again with another "
            f"-o{start}"
        ) from error
    if shapes != {name: tuple(value.shape) for name, value in network.state_dict().items()}:
        raise ModelError(
            f"`{last}` is the state of another network than `{recipe.network.name}` with these "
            "options: go on with the recipe that began it, or choose another -o"
        )
    _check_unchanged(earlier, recipe)
    steps = int(earlier.get("steps", recipe.steps))
    now = json.loads(json.dumps(dataclasses.asdict(recipe)))
    alike = _is_judged_alike(earlier, now)
    there = earlier | {"data": earlier.get("data", {}) | {"validation": now["data"]["validation"]}}
    return EarlierRun(
        taken=taken,
        epochs=earlier.get("epochs"),
        steps=steps,
        pictures=pictures,
        stale=stale,
        sha256=sha256,
        judged_alike=alike,
        scores=scores,
        validation=validation,
        row=row,
        moved=not alike and _is_judged_alike(there, now),
    )


def _is_judged_alike(earlier: dict[str, Any], now: dict[str, Any]) -> bool:
    """Tell whether two recipes measure the validation loss alike: of the same crops, so weighted.

    Args:
        earlier: as JSON has it; an older version may lack some keys, or all.
        now: the same, with every key.
    """
    before = {part: earlier.get(part, {}) for part in _JUDGING}
    return all(
        before[part][key] == now[part][key]
        for part, keys in _JUDGING.items()
        for key in keys or before[part]
        if key in before[part] and key in now[part]
    )


def network_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's weights by its own names, of the state of the module that trains it."""
    own = "network."
    return {name.removeprefix(own): value for name, value in state.items() if name.startswith(own)}


def saved_weights(last: Path) -> dict[str, Tensor]:
    """Return the averaged weights that the state of a run holds, by the network's own names.

    Args:
        last: Lightning's checkpoint, which ``earlier_run`` has read already.
    """
    state: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=True)
    return network_weights(state["state_dict"])


def check_no_model(folder: Path, resumed: Recipe | None = None) -> None:
    """Check that a folder without ``last.ckpt`` holds no trained model, which a run would replace.

    A history of the first step alone is what a run leaves that was killed in its first segment.

    Args:
        folder: of the run.
        resumed: what a run is to go on by. Then what it leaves if it is killed while it saves its
            first segment, weights and history of that segment alone, may be replaced too: it makes
            them again. A run of one segment leaves neither: what has them is a whole model.

    Raises:
        OptionError: if it does.
        OutputError: if its history is not the history of a run.
    """
    weights = [folder / name for name in ("model.safetensors", "best.safetensors")]
    there = [path for path in weights if path.exists()]
    rows = History(folder / "history.csv", sys.maxsize).rows
    step = float(rows[-1]["step"]) if rows else 0.0
    if resumed is not None and step <= resumed.segment and step < resumed.steps:
        rows = rows[:1]
        there = [path for path in there if not _is_of_first_segment(path)]
    if len(rows) > 1 or there:
        raise OptionError(
            f"`{folder}` holds a trained model but no last.ckpt to go on from: "
            "choose another --output"
        )


def _is_of_first_segment(weights: Path) -> bool:
    """Tell whether weights are those of the first segment of a run that was to have more."""
    try:
        checkpoint = load_checkpoint(weights)
    except ModelError:  # not known to be of no worth
        return False
    taken = int(checkpoint.facts.get("steps", sys.maxsize))
    return taken <= checkpoint.recipe.segment and taken < checkpoint.recipe.steps


def _check_unchanged(earlier: dict[str, Any], recipe: Recipe) -> None:
    """Check what the order of the batches hangs on; the rest may be changed on the way."""
    if not earlier:
        return
    optimizer: dict[str, Any] = earlier["optimizer"]
    for name, before, now in (
        ("batch", earlier["batch"], recipe.batch),
        ("seed", earlier["seed"], recipe.seed),
        ("optimizer.accumulate", optimizer.get("accumulate", 1), recipe.optimizer.accumulate),
        ("optimizer.name", optimizer.get("name", "adamw"), recipe.optimizer.name),
    ):
        if before != now:
            raise OptionError(
                f"`{name}` is {now} but the run began with {before}: go on with {before}, "
                "or choose another -o"
            )


class GoOn(Callback):
    """Make a resumed run begin a segment, where Lightning would end the last one twice."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the segment that was saved as completed; its checkpoint was made just before."""
        loop = trainer.fit_loop
        if loop.restarted_on_epoch_end:
            loop.epoch_progress.increment_completed()
            loop.reset_restart_stage()
        loop.epoch_loop.restarting = False


class WholeFiles(TorchCheckpointIO):
    """Write Lightning's checkpoints beside their place and rename them: a killed run leaves one."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, object],
        path: str | os.PathLike[str],
        storage_options: object | None = None,
    ) -> None:
        """Write a checkpoint.

        Raises:
            OutputError: if it cannot be written; an earlier one stays.
        """
        data = io.BytesIO()
        torch.save(checkpoint, data)
        write_bytes(data.getvalue(), Path(path), overwrite=True)
