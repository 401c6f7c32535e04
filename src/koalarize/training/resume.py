"""Whether, and from where, a run that was stopped can go on.

Not here: the going on itself, which is Lightning's.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

from koalarize.errors import ModelError, OptionError
from koalarize.models import ColorNetwork
from koalarize.training.callbacks import RECIPE_KEY
from koalarize.training.recipe import Recipe

__all__ = ["steps_taken"]


def steps_taken(last: Path, recipe: Recipe, network: ColorNetwork) -> int:
    """Return how many steps a run has taken, if it can go on by this recipe.

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
        shapes = {
            name.removeprefix("network."): tuple(tensor.shape)
            for name, tensor in state["state_dict"].items()
            if name.startswith("network.")
        }
        taken = int(state["global_step"])
        earlier: dict[str, Any] = json.loads(state.get(RECIPE_KEY, "{}"))
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, pickle.PickleError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ModelError(
            f"`{last}` cannot be read as the state of a run ({reason}): start anew with another -o"
        ) from error
    if shapes != {name: tuple(value.shape) for name, value in network.state_dict().items()}:
        raise ModelError(
            f"`{last}` is the state of another network than `{recipe.network.name}` with these "
            "options: go on with the recipe that began it, or choose another -o"
        )
    _check_unchanged(earlier, recipe)
    return taken


def _check_unchanged(earlier: dict[str, Any], recipe: Recipe) -> None:
    """Check what the order of the batches hangs on; the rest may be changed on the way."""
    for name, now in (("batch", recipe.batch), ("seed", recipe.seed)):
        before = earlier.get(name, now)
        if before != now:
            raise OptionError(
                f"`{name}` is {now} but the run began with {before}: go on with {before}, "
                "or choose another -o"
            )
