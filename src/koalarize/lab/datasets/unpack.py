"""Unpack the pictures of a zip: safely, each whole, going on where an earlier run stopped.

Not here: which archive and what for (``coco``).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from koalarize.lab.datasets.shards import PICTURE_SUFFIXES, is_hidden
from koalarize.lab.datasets.sources import MOST_BYTES
from koalarize.models.fetch import write_whole

__all__ = ["DamagedError", "unpack"]

#: What ``zipfile`` raises for damaged, encrypted or oddly compressed members.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
_EVERY = 64


class DamagedError(Exception):
    """An archive that is not what it must be; the text says where."""


def unpack(
    path: Path,
    top: str,
    places: Sequence[Path],
    *,
    room: Callable[[int], None],
    progress: Callable[[int, int], None],
) -> tuple[int, int]:
    """Unpack the pictures of a zip into the first of some folders.

    A picture that one of the folders has already, in its size, is not unpacked again. The CRC of
    each member is checked before its file appears.

    Args:
        path: the zip.
        top: name of the folder in the zip that is left off.
        places: where to unpack, then where pictures may have been moved from there.
        room: called with the bytes to be written; may raise.
        progress: called with the members done and all members.

    Returns:
        How many pictures there are, and how many members were passed over: no pictures, or with
        a name that would leave the folder.

    Raises:
        DamagedError: if the zip or a member is damaged, or there is no picture in it.
        OSError: if a file cannot be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            wanted: dict[PurePosixPath, zipfile.ZipInfo] = {}
            for member in members:
                relative = _safe_picture(member, top)
                if relative is not None:
                    wanted[relative] = member
            if not wanted:
                raise DamagedError("it holds no picture")
            missing = {k: v for k, v in wanted.items() if not _is_there(k, v, places)}
            room(sum(member.file_size for member in missing.values()))
            done = len(wanted) - len(missing)
            for relative, member in missing.items():
                data = _read(archive, member)
                target = places[0] / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                write_whole(data, target)
                done += 1
                if done % _EVERY == 0 or done == len(wanted):
                    progress(done, len(wanted))
    except _ZIP_ERRORS as error:
        raise DamagedError(str(error)) from error
    return len(wanted), len(members) - len(wanted)


def _safe_picture(member: zipfile.ZipInfo, top: str) -> PurePosixPath | None:
    """Return where in the folder a member goes; None if it is not for us."""
    name = member.filename
    parts = PurePosixPath(name).parts
    unsafe = name.startswith("/") or ".." in parts or any(sign in name for sign in '\\:\0*?"<>|')
    if unsafe or any(map(is_hidden, parts)) or member.file_size > MOST_BYTES:
        return None
    relative = PurePosixPath(*(parts[1:] if parts[0] == top else parts))
    return relative if relative.suffix.lower() in PICTURE_SUFFIXES else None


def _is_there(relative: PurePosixPath, member: zipfile.ZipInfo, places: Sequence[Path]) -> bool:
    for place in places:
        try:
            if (place / relative).stat().st_size == member.file_size:
                return True
        except OSError:
            continue
    return False


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except OSError as error:  # a seek to where the archive has no bytes
        raise DamagedError(f"{member.filename}: {error}") from error
