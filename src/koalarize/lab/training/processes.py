"""Which process of a run speaks, and of what; torch is not loaded to tell.

Not here: the launching of processes, which is Lightning's, torchrun's or SLURM's.
"""

from __future__ import annotations

import os

from koalarize.errors import ModelError

__all__ = ["CommonError", "is_first_process"]

#: Variables by which launchers number their processes; the first one has 0 in all of them.
_NUMBERS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


class CommonError(ModelError):
    """A fault that every process of a run meets at once: the first one says it for all."""


def is_first_process() -> bool:
    """Tell whether this process is the one that speaks; asked before a trainer exists."""
    return all(os.environ.get(name, "0") == "0" for name in _NUMBERS)
