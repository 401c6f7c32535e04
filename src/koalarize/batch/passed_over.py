"""Which folders are never searched: hidden ones, and those of other programs' copies.

Not here: the search (``find``, ``cluster.sources``).
"""

from __future__ import annotations

__all__ = ["is_foreign", "is_passed_over"]

#: Folders in which other programs keep copies and thrown-away files.
_FOREIGN = frozenset(
    {
        *("@eadir", "#recycle", "@recycle", "#snapshot", "@recently-snapshot"),  # of NAS
        *("$recycle.bin", "system volume information", "lost+found"),
    }
)
#: What a library of Photos on a Mac holds beside the originals: smaller copies of each.
_LIBRARY, _COPIES = ".photoslibrary", frozenset({"resources", "scopes", "private", "database"})


def is_passed_over(folder: str, above: str = "") -> bool:
    """Tell whether a folder is never searched: hidden, or other programs' copies.

    Args:
        folder: its name.
        above: that of the folder that holds it.
    """
    return folder.startswith(".") or is_foreign(folder, above)


def is_foreign(folder: str, above: str = "") -> bool:
    """Tell whether a folder holds other programs' copies, by its name and that of the one above."""
    name = folder.casefold()
    return name in _FOREIGN or (name in _COPIES and above.casefold().endswith(_LIBRARY))
