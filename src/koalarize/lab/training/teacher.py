"""A teacher: another model's colours as what crops learn, softly encoded as real ones are.

Not here: the losses (``losses``), which model and how often (``lab.runs.teacher_options``).
Any engine teaches: koala itself, other people's models, a blend. A photo without colours has
something to teach too, since its teacher knows some.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from koalarize.engines.sized import ask_at_own_size
from koalarize.lab.runs.teacher_options import TeacherOptions
from koalarize.models.open import open_model

__all__ = ["Teacher"]

_GREY = 2.0  # Lab units of mean chroma: below it a crop has no colours of its own to teach


class Teacher:
    """Colours crops with another model."""

    def __init__(self, options: TeacherOptions) -> None:
        """Open the model.

        Raises:
            ModelError: if it is unknown, or its file is missing or damaged.
            OptionError: if it is a blend with a weight that is not allowed.
        """
        self.options = options
        self._engine = open_model(options.model)

    def __deepcopy__(self, memo: dict[int, object]) -> Teacher:
        """Return itself: the moving average copies what trains, and a teacher does not change."""
        del memo
        return self

    def teach(self, lab: Tensor, hints: Tensor, copies: int) -> tuple[Tensor, Tensor]:
        """Give some crops of a batch the teacher's colours.

        Which ones is drawn from torch's generator, which a training seeds by its step.

        Args:
            lab: (B, 3, S, S).
            hints: (B, 3, S, S), planes a*, b* and mask of true colours.
            copies: how many rows at the end are degraded copies of the rows before them: they
                learn from those, and take their hints.

        Returns:
            Both, where the ab of some crops is the teacher's, and their hints tell of it.
        """
        fresh = len(lab) - copies
        drawn = torch.rand(fresh) < self.options.share
        chroma = torch.linalg.vector_norm(lab[:fresh, 1:].float(), dim=1).mean((1, 2)).cpu()
        rows = torch.nonzero(drawn | (chroma < _GREY)).flatten()
        if not len(rows):
            return lab, hints
        lab, hints = lab.clone(), hints.clone()
        lightness = lab[rows, 0].float().cpu().numpy()
        ab = ask_at_own_size(self._engine, np.ascontiguousarray(lightness))
        taught = torch.from_numpy(ab).to(lab)
        lab[rows, 1:] = taught
        hints[rows, :2] = taught * hints[rows, 2:]
        if copies:
            hints[fresh:] = hints[fresh - copies : fresh]
        return lab, hints
