"""Make a recipe small: fewer pictures, smaller crops, for a first look on any machine.

Not here: other changes to a recipe, which ``--set`` makes one by one.
"""

from __future__ import annotations

import dataclasses

from koalarize.errors import OptionError
from koalarize.lab.networks import CNN, NETWORKS
from koalarize.lab.training.recipe import Recipe, SplitOptions

__all__ = ["shrink"]


def shrink(recipe: Recipe, *, size: int | None = None, limit: int | None = None) -> Recipe:
    """Return the recipe with fewer pictures and all sides in one proportion smaller (or larger).

    Args:
        recipe: an unknown network stays one, for whoever builds it to say so.
        size: what the largest of ``crop.sizes`` becomes; the others, ``crop.resize`` and ``size``
            follow, crops to multiples of the network's stride. The width of ``cnn`` follows too.
        limit: at most so many pictures to learn from, and no more to validate with; at most a
            quarter as many are held out of them.

    Raises:
        OptionError: if ``size`` is no multiple of the network's stride, or ``limit`` is below 1.
    """
    if limit is not None:
        if limit < 1:
            raise OptionError(f"`limit` is {limit} but must be at least 1")
        pictures = min(limit, recipe.data.validation_pictures)
        data = dataclasses.replace(recipe.data, limit=limit, validation_pictures=pictures)
        if isinstance(data.validation, SplitOptions):
            split = min(data.validation.split, max(1, limit // 4))
            data = dataclasses.replace(data, validation=SplitOptions(split))
        recipe = dataclasses.replace(recipe, data=data)
    if size is None or recipe.network.name not in NETWORKS:
        return recipe
    network, _ = NETWORKS[recipe.network.name]
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
    options = recipe.network.options
    if network is CNN:
        options = options | {"width": size}
    return dataclasses.replace(
        recipe,
        crop=crop,
        size=max(1, round(recipe.size * share)),
        network=dataclasses.replace(recipe.network, options=options),
    )
