"""What a recipe says of a teacher: another model whose colours or distributions are learnt.

Not here: the recipe (``recipe``), the teaching (``lab.training.teacher``).
"""

from __future__ import annotations

from dataclasses import dataclass

from koalarize.errors import OptionError, did_you_mean

__all__ = ["TeacherOptions"]

_LEARNT = ("colors", "distributions")


@dataclass(frozen=True)
class TeacherOptions:
    """A model that a network learns from beside a photo's own colours (distillation).

    Attributes:
        model: a name of `koalarize models`, an .onnx file, or a blend of several.
        share: with ``colors``, of the crops that learn its colours; the others learn their own, and
            crops of grey photos always learn its. With ``distributions``, of the cross-entropy that
            the divergence from it takes the place of.
        learns: ``colors``, which any model has; or ``distributions``, how likely each bin is to a
            model of the network's own bins (Hinton et al. 2015).
        mirrored: whether the teacher looks at the mirrored crop too, and teaches the mean of its
            logits; for ``distributions``.
    """

    model: str = "koala"
    share: float = 0.5
    learns: str = "colors"
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.learns not in _LEARNT:
            raise OptionError(
                f"`teacher.learns` is {self.learns!r} but must be one of {_LEARNT}"
                f"{did_you_mean(self.learns, _LEARNT)}"
            )
        if self.mirrored and self.learns != "distributions":
            raise OptionError(
                "`teacher.mirrored` is set but `teacher.learns` is 'colors', which are not "
                "averaged: let it learn distributions, or leave `mirrored` out"
            )
        if not 0 <= self.share <= 1:
            raise OptionError(
                f"`teacher.share` is {self.share} but must be in [0, 1]: 1 learns the teacher's "
                "colours or distributions alone, 0 none of them (but the colours of grey photos)"
            )
