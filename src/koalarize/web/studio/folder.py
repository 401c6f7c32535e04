"""The folder where a service keeps photos: its own, removed with it, and found if it was killed.

Not here: what lies in it (``photo_store``).
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
import threading
import time
from pathlib import Path

__all__ = ["Folder"]

_LOG = logging.getLogger(__name__)
_PREFIX = "koalarize-photos-"
_YOUNG = 5.0  # seconds within which another service may have made it and not locked it yet


class Folder:
    """A temporary folder that is locked as long as its owner lives.

    The operating system gives a lock back when its process ends, however it ends; so a folder that
    can be locked has no owner any more. Where folders cannot be locked (Windows), none is swept.
    """

    def __init__(self, *rooms: str) -> None:
        """Make one, after the folders of services that were killed are removed.

        Args:
            rooms: names of folders in it, which are made with it.
        """
        sweep(*rooms)
        self._rooms = rooms
        self._making = threading.Lock()
        self._made = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        self.path = Path(self._made.name)
        self._lock = _lock(self.path)
        self.restore()

    def restore(self) -> None:
        """Make it again if what clears temporary files has removed it, or a folder in it.

        Raises:
            OSError: if it cannot be made, or somebody else has put another in its place.
        """
        with self._making:
            if self._lock is not None:
                try:
                    found = self.path.lstat()
                except FileNotFoundError:
                    _LOG.warning("the folder of photos was removed from outside: it is made again")
                    self.path.mkdir(mode=0o700)
                    os.close(self._lock)
                    self._lock = _lock(self.path)
                else:
                    if not os.path.samestat(found, os.fstat(self._lock)):
                        raise FileExistsError(f"{self.path} is another folder now")
            for room in self._rooms:
                (self.path / room).mkdir(exist_ok=True)

    def remove(self) -> None:
        """Remove it with all that lies in it."""
        self._made.cleanup()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep(*rooms: str) -> None:
    """Remove the folders of this user whose service is gone.

    Args:
        rooms: names of all folders that a service makes in its own; what holds other things is
            a person's.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            facts = folder.lstat()
            own = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
            young = time.time() - facts.st_mtime < _YOUNG
            if not own or young or not stat.S_ISDIR(facts.st_mode):
                continue
            if not {one.name for one in folder.iterdir()} <= set(rooms):
                continue
            lock = _lock(folder)
        except OSError:
            continue  # somebody else removes it
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            _LOG.info("removed what a killed service left")


def _lock(folder: Path) -> int | None:
    """Lock a folder; None if somebody holds it, or folders cannot be locked here."""
    try:
        import fcntl
    except ImportError:
        return None
    opened = os.open(folder, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened
