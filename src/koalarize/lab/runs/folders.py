"""The folder that a run is written to where nobody names one: ``runs/NAME``.

Not here: the name's type (``recipe``), what lies in the folder (``lab.training``).
A name must be one folder's on every system, as runs are carried from one machine to another.
"""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from koalarize.errors import OptionError

__all__ = ["run_folder"]

#: Bytes of a name; most file systems end at 255, and what is made of a run may add to it.
_LONGEST = 200


def run_folder(name: str, parent: str = "runs") -> Path:
    """Return the folder of a run in ``parent``, by the recipe's ``name``.

    Raises:
        OptionError: if the name leads elsewhere, or is no folder's on some system.
    """
    fault = _fault_of(name)
    if fault:
        shown = name if len(name) <= 60 else f"{name[:60]}…"
        raise OptionError(
            f"`name` is {shown!r} but must be the name of a folder in `{parent}`, {fault}: choose "
            "another, or say where the run goes by -o FOLDER"
        )
    return Path(parent) / name


def _fault_of(name: str) -> str:
    """Return the rule that a name breaks, or nothing."""
    if not name or set(name) <= {".", " "}:
        return "with a letter or a number"
    if not name.isprintable():
        return "without line breaks and other signs that cannot be seen"
    if "/" in name or PureWindowsPath(name).name != name:
        return "without `/`, `\\` and `:`"
    if name != name.strip() or name.endswith("."):
        return "without a blank at either end or a dot at its end"
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST:
        return f"of at most {_LONGEST} bytes"
    return ""
