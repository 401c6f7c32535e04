"""What feeds a run: its batches from where it stands, and its share of the validation pictures.

Not here: the batches themselves (``lab.datasets.batches``), the reading of pictures
(``lab.datasets.sources``).
Asked by the trainer once it knows which of how many processes this is.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from koalarize.lab.datasets.batches import Batches, SegmentSampler
from koalarize.lab.datasets.sources import Pictures
from koalarize.lab.runs.recipe import Recipe
from koalarize.lab.training.devices import usable_workers

__all__ = ["Loaders"]


class Loaders(L.LightningDataModule):
    """The loaders of one process.

    Args:
        recipe: with ``steps`` resolved.
        pictures: to learn from.
        validation: to be coloured and scored, or None.
    """

    def __init__(self, recipe: Recipe, pictures: Pictures, validation: Pictures | None) -> None:
        super().__init__()
        self.recipe = recipe
        self.pictures = pictures
        self.validation = validation

    def train_dataloader(self) -> DataLoader[object]:
        """Return this process's rows of the batches that the run has not yet learnt from."""
        recipe, trainer = self.recipe, self._trainer()
        batches = Batches(
            self.pictures,
            batch=recipe.batch,
            crop=recipe.crop,
            hints=recipe.hints,
            seed=recipe.seed,
            degrading=recipe.degrade,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )
        workers = usable_workers(recipe.data.workers)
        if workers:  # garbage that a forked one lets go may wait for ever for threads it has not
            gc.collect()
        return DataLoader(
            batches,
            batch_size=None,
            sampler=SegmentSampler(
                recipe.segment,
                recipe.steps,
                lambda: trainer.global_step,
                accumulate=recipe.optimizer.accumulate,
            ),
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[object] | list[object]:
        """Return this process's share of the validation pictures, as (H, W, 3) arrays."""
        if self.validation is None:
            return []
        trainer = self._trainer()
        share = _Share(self.validation.arrays, trainer.global_rank, trainer.world_size)
        return DataLoader(share, batch_size=None, collate_fn=_as_it_is)

    def _trainer(self) -> L.Trainer:
        assert self.trainer is not None
        return self.trainer


class _Share(Dataset[Any]):
    """Every ``world``-th array from ``rank`` on; as many for each, so None where they run out."""

    def __init__(self, arrays: Sequence[np.ndarray[Any, Any]], rank: int, world: int) -> None:
        self.arrays = arrays
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return -(-len(self.arrays) // self.world)

    def __getitem__(self, number: int) -> np.ndarray[Any, Any] | None:
        place = number * self.world + self.rank
        return self.arrays[place] if place < len(self.arrays) else None


def _as_it_is(array: Any) -> Any:
    return array
