"""`~` in the paths of a recipe: no shell expands it in a file, nor behind `--set KEY=`.

Not here: the reading of a recipe (``recipe``), what its paths are (``data_options``).
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["expand_home"]

#: The keys of a recipe that may hold a path.
_PATHS = (
    *("data.train", "data.validation", "network.encoder", "network.start"),
    *("network.options.extractor_file", "teacher.model"),
)


def expand_home(values: object) -> None:
    """Write the folder of a person's own in place of `~` at the beginning of a recipe's paths.

    Args:
        values: what YAML gives; changed in place. What is no path, or no recipe, stays.
    """
    for key in _PATHS:
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        path = place.get(last) if isinstance(place, dict) else None
        if isinstance(place, dict) and isinstance(path, str) and path.startswith("~/"):
            place[last] = str(Path(path).expanduser())
