"""The second look at training crops: how large it is.

Not here: what a second look is (``engines.engine``), looking (``lab.training.looks``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from koalarize.engines.engine import Overview
from koalarize.errors import OptionError

__all__ = ["check_overview_of_crops", "overview_of_crop"]


def overview_of_crop(overview: Overview, size: int, side: int) -> Overview:
    """Return the second look at a crop.

    Args:
        overview: the trained model's.
        size: its working size, pixels.
        side: of the crop, pixels; it stands for a picture at the working size.
    """
    return replace(overview, size=max(1, round(side * overview.size / size)))


def check_overview_of_crops(
    overview: Overview | None, size: int, sides: Iterable[int], stride: int
) -> None:
    """Check that crops can be looked at twice.

    Args:
        overview: the trained model's; None for one look.
        size: its working size, pixels.
        sides: of the crops, pixels.
        stride: what the network sees must have sides that are multiples of it.

    Raises:
        OptionError: if there is no second look, or it does not fit a crop.
    """
    if overview is None:
        raise OptionError(
            "`train_overview` is true but there is no `overview`: say which, as "
            "{size: 128, weight: 0.7}, or leave `train_overview` out"
        )
    for side in sides:
        seen = overview_of_crop(overview, size, side).size
        if seen % stride or seen >= side:
            raise OptionError(
                f"`train_overview` shows a crop of {side} at {seen} pixels, as `overview.size` "
                f"{overview.size} is to `size` {size}, but that must be a multiple of {stride} "
                f"below {side}: change one of the three"
            )
