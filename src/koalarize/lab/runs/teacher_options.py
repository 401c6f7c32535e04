"""What a recipe says of a teacher: another model whose colours are learnt.

Not here: the recipe (``recipe``), the teaching (``lab.training.teacher``).
"""

from __future__ import annotations

from dataclasses import dataclass

from koalarize.errors import OptionError

__all__ = ["TeacherOptions"]


@dataclass(frozen=True)
class TeacherOptions:
    """A model whose colours are learnt instead of a photo's own (distillation).

    Attributes:
        model: a name of `koalarize models`, an .onnx file, or a blend of several.
        share: of the crops that learn its colours; the others learn their own. Crops of grey
            photos always learn its.
    """

    model: str = "koala"
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise OptionError(
                f"`teacher.share` is {self.share} but must be in [0, 1]: 1 learns the teacher's "
                "colours alone, 0 only those of grey photos"
            )
