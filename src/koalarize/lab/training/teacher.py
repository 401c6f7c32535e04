"""A teacher: another model's colours as what crops learn, softly encoded as real ones are.

Not here: the losses (``losses``), which model and how often (``lab.runs.teacher_options``).
Any engine teaches colours: koala itself, other people's models, a blend. A photo without colours
has something to teach too, since its teacher knows some. A model over the network's own bins
teaches how likely it holds each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from koalarize.color import Bins
from koalarize.engines.sized import ask_at_own_size
from koalarize.errors import OptionError
from koalarize.lab.runs.teacher_options import TeacherOptions
from koalarize.models.open import open_model

__all__ = ["Teacher"]

Float32 = npt.NDArray[np.float32]

_GREY = 2.0  # Lab units of mean chroma: below it a crop has no colours of its own to teach


class Teacher:
    """Colours crops with another model."""

    def __init__(self, options: TeacherOptions, bins: Bins | None = None) -> None:
        """Open the model.

        Args:
            options: which, and what it teaches.
            bins: those of the network that learns, if it classifies.

        Raises:
            ModelError: if it is unknown, or its file is missing or damaged.
            OptionError: if it is a blend with a weight that is not allowed, or knows no
                distributions over ``bins`` where those are to be learnt.
        """
        self.options = options
        self._engine = open_model(options.model)
        info = self._engine.info
        if options.learns == "distributions" and not (
            info.suggests and info.fixed_size is None and info.bins == bins
        ):
            raise OptionError(
                f"`teacher.model` is `{options.model}`, which has no distributions over the bins "
                "of the network to teach: give an export of such a network, or let its `colors` "
                "be learnt"
            )

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

    def distributions(self, lightness: Tensor, hints: Tensor | None, like: Tensor) -> Tensor:
        """Return the teacher's logits of crops.

        Args:
            lightness: (B, 1, S, S), L*.
            hints: (B, 3, S, S), planes a*, b* and mask, or None.
            like: (B, Q, h, w), logits whose grid and device they are brought to.

        Returns:
            (B, Q, h, w) float32, without a gradient.
        """
        seen = lightness[:, 0].float().cpu().numpy()
        told = None if hints is None else hints.float().cpu().numpy()
        logits = self._logits(seen, told)
        if self.options.mirrored:
            other = self._logits(_mirror(seen), None if told is None else _mirror(told))
            logits = (logits + _mirror(other)) / 2
        found = torch.from_numpy(logits).to(like.device)
        grid = like.shape[-2:]
        if found.shape[-2:] == grid:
            return found
        return F.interpolate(found, size=grid, mode="bilinear", align_corners=False)

    def _logits(self, lightness: Float32, hints: Float32 | None) -> Float32:
        told = hints if self._engine.info.accepts_hints else None
        return self._engine.run(lightness, told).distributions(self.options.model)


def _mirror(planes: Float32) -> Float32:
    return np.ascontiguousarray(planes[..., ::-1])
