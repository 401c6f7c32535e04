"""Make a recipe small: fewer pictures, smaller crops, for a first look on any machine.

Not here: other changes to a recipe, which ``--set`` makes one by one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection

from koalarize.errors import OptionError
from koalarize.lab.networks import CNN, network_class
from koalarize.lab.runs.recipe import Recipe, SplitOptions

__all__ = ["shrink"]

_STEPS_OF_AN_EPOCH = 8
_SEGMENTS = 10


def shrink(
    recipe: Recipe,
    *,
    size: int | None = None,
    limit: int | None = None,
    given: Collection[str] = (),
) -> Recipe:
    """Return the recipe with fewer pictures and all sides in one proportion smaller (or larger).

    Args:
        recipe: an unknown network name is kept; building the network reports it.
        size: what the largest of ``crop.sizes`` becomes; the others, ``crop.resize`` and ``size``
            follow, crops to multiples of the network's stride. The width of ``cnn`` follows too.
        limit: at most this many pictures to learn from, and no more to validate with; at most a
            quarter as many are held out of them. Batches, segments and warmup shrink with them, so
            that there is a curve to see: an epoch has at least eight steps, the run ten segments,
            in the first of which the rate rises. A recipe of no more pictures keeps its batches.
        given: keys of the recipe that a person has set for this run; `batch`, `segment` and
            `optimizer.warmup` stay as they are if they are among them.

    Raises:
        OptionError: if ``size`` is no multiple of the network's stride, or ``limit`` is below 1.
    """
    if limit is not None:
        recipe = _with_fewer_pictures(recipe, limit, given)
    network = network_class(recipe.network.name)
    if size is None or network is None:
        return recipe
    stride = network.stride
    if size < 1 or size % stride:
        below = size // stride * stride
        tries = f"{below} or {below + stride}" if below > 0 else f"{stride}"
        raise OptionError(
            f"`size` is {size} but must be a multiple of {stride} for the network "
            f"`{recipe.network.name}`: try {tries}"
        )
    share = size / max(recipe.crop.sizes)
    crop = dataclasses.replace(
        recipe.crop,
        sizes=tuple(max(1, round(side * share / stride)) * stride for side in recipe.crop.sizes),
        resize=recipe.crop.resize and max(size, round(recipe.crop.resize * share)),
    )
    overview = recipe.overview
    if overview is not None:
        overview = dataclasses.replace(overview, size=max(1, round(overview.size * share)))
    options = recipe.network.options
    if network is CNN:
        options = options | {"width": size}
    return dataclasses.replace(
        recipe,
        crop=crop,
        size=max(1, round(recipe.size * share)),
        overview=overview,
        network=dataclasses.replace(recipe.network, options=options),
    )


def _with_fewer_pictures(recipe: Recipe, limit: int, given: Collection[str]) -> Recipe:
    if limit < 1:
        raise OptionError(f"`limit` is {limit} but must be at least 1")
    pictures = min(limit, recipe.data.validation_pictures)
    data = dataclasses.replace(recipe.data, limit=limit, validation_pictures=pictures)
    if isinstance(data.validation, SplitOptions):
        split = min(data.validation.split, max(1, limit // 4))
        data = dataclasses.replace(data, validation=SplitOptions(split))
    world = recipe.devices * recipe.nodes
    fewer = recipe.data.limit is None or limit < recipe.data.limit
    batch = recipe.batch
    if fewer and "batch" not in given:
        batch = max(1, min(batch, limit // _STEPS_OF_AN_EPOCH) // world) * world
    recipe = dataclasses.replace(recipe, data=data, batch=batch)
    steps = recipe.steps
    if recipe.epochs is not None:
        steps = math.ceil(limit * recipe.epochs / recipe.samples_a_step)
    most = max(1, steps // _SEGMENTS)
    if "segment" not in given:
        recipe = dataclasses.replace(recipe, segment=min(recipe.segment, most))
    if "optimizer.warmup" not in given:
        optimizer = dataclasses.replace(recipe.optimizer, warmup=min(recipe.optimizer.warmup, most))
        recipe = dataclasses.replace(recipe, optimizer=optimizer)
    return recipe
