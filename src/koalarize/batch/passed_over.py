"""Which folders are never searched: hidden ones, and those of other programs' copies.

Not here: the search (``find``, ``cluster.sources``).
"""

from __future__ import annotations

__all__ = ["is_passed_over"]

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
    name = folder.casefold()
    copies = name in _COPIES and above.casefold().endswith(_LIBRARY)
    return folder.startswith(".") or name in _FOREIGN or copies
