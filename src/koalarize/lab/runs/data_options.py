"""What a recipe says of pictures: where they are, which of them count, what is held out.

Not here: the recipe (``recipe``), the reading and the crops (``lab.datasets``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from koalarize.errors import OptionError

__all__ = ["DataOptions", "SplitOptions"]


@dataclass(frozen=True)
class SplitOptions:
    """Pictures for validation that are held out of those to learn from.

    Attributes:
        split: how many; the recipe's seed chooses which.
    """

    split: int

    def __post_init__(self) -> None:
        if self.split < 1:
            raise OptionError(
                f"`data.validation.split` is {self.split} but must be at least 1: "
                "`data.validation: null` trains without validation"
            )


@dataclass(frozen=True)
class DataOptions:
    """Which pictures.

    Attributes:
        train: folder of pictures or Parquet files to learn from, or ``MODULE:NAME`` of one's own.
        validation: the same for validation, or ``{split: N}`` to hold N pictures of ``train`` out;
            None trains without.
        limit: at most this many training pictures.
        max_side: pictures with a longer short side are brought down to it, pixels.
        min_chroma: pictures of a lower mean chroma (Lab units) count as grey and are left out.
        memory: GiB of pixels that each process keeps decoded; pictures beyond are decoded for each
            crop, which changes no result.
        validation_pictures: how many pictures a validation looks at.
        workers: processes that make batches.
    """

    train: str = "data/photos"
    validation: str | SplitOptions | None = None
    limit: int | None = None
    max_side: int | None = 256
    min_chroma: float = 2.0
    memory: float = 2.0
    validation_pictures: int = 100
    workers: int = 1

    def __post_init__(self) -> None:
        least = {"limit": 1, "max_side": 1, "validation_pictures": 1, "workers": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise OptionError(f"`data.{name}` is {value} but must be at least {bound}")
        if not 0 <= self.min_chroma < math.inf:
            raise OptionError(
                f"`data.min_chroma` is {self.min_chroma} but must be 0 or more, and finite"
            )
        if not 0 <= self.memory < math.inf:
            raise OptionError(
                f"`data.memory` is {self.memory} but must be 0 or more: 0 keeps nothing decoded"
            )
