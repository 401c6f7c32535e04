"""The folder beside a film that holds its parts while it is being made.

Not here: a part (``film.parts``), the film's own file (``film.write``).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO, cast

import av
import numpy as np
from av.stream import Stream

from koalarize.errors import OutputError
from koalarize.film.names import work_folder
from koalarize.film.parts import Part, PartWriter, loaded, part_of, write_text
from koalarize.film.steady import State

__all__ = ["Kind", "Store", "clear_finished"]

_FILM = "film.json"
_DONE = "done.json"  # size and time of the film's own file, once there is one
_LOCK = "lock"
_DIGITS = 16  # of what a run makes, in the name of the folder of its parts
_ENDINGS = (".json", ".packets", ".npz", ".new")


@dataclass(frozen=True)
class Kind:
    """What a run makes of a film: runs of one kind make up for each other.

    Attributes:
        start: seconds of its first frame; None from the beginning.
        stop: seconds before which it ends; None to the end.
        listed: whether a person says where its shots are.
    """

    start: float | None = None
    stop: float | None = None
    listed: bool = False


_WHOLE = Kind()


class Store:
    """A folder beside a film that holds its parts: those of each run in a folder of their own.

    What a run with other settings left there stays until a run of its kind is finished.
    """

    def __init__(self, folder: Path, key: str, kind: Kind = _WHOLE) -> None:
        """Open the folder of a film.

        Args:
            folder: made where it is missing.
            key: says what the film is made of and how.
            kind: of the run.

        Raises:
            OutputError: if it cannot be written to.
        """
        self.folder = folder
        self._own = folder / key[:_DIGITS]
        self._kind = kind
        try:
            folder.mkdir(exist_ok=True)
            self._lock = _locked(folder)
            self._own.mkdir(exist_ok=True)
            if not (self._own / _FILM).is_file():
                write_text(self._own / _FILM, json.dumps(asdict(kind)))
        except OSError as error:
            raise OutputError(
                f"`{folder.parent}` cannot be written to ({error.strerror}): "
                "name another place with -o"
            ) from error

    def others(self, *, alike: bool) -> int:
        """Return how many frames runs with other settings have left.

        Args:
            alike: of runs of this kind, whose parts go when the film is finished; else of others.
        """
        found = [path for path in self._other_folders() if (_kind_in(path) == self._kind) == alike]
        return sum(_frames_in(path) for path in found)

    def parts(self, first: int, key: str) -> list[Part]:
        """Return the parts that are whole, one behind the other, as far as can be gone on from.

        Args:
            first: number of the frame at which the first of them begins.
            key: what they must be made of.
        """
        found: list[Part] = []
        while (facts := self._file(first, ".json")).is_file():
            try:
                part = part_of(loaded(facts))
                size = self._file(part.first, ".packets").stat().st_size
            except (OSError, KeyError, TypeError, ValueError):
                break
            whole = size == part.size
            if part.first != first or part.key != key or not whole:
                break
            found.append(part)
            first += part.frames
        while found and found[-1].open and not self._has_state(found[-1]):
            found.pop()
        return found

    def _has_state(self, part: Part) -> bool:
        """Tell whether what a shot carries over the end of a part is there whole."""
        try:
            self.state(part)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error):
            return False
        return True

    def state(self, part: Part) -> State:
        """Return what a shot carries over the end of a part.

        Of the last one that ``parts`` returns it is there; of others it may raise what reading a
        damaged file raises.
        """
        with np.load(self._file(part.first, ".npz")) as kept:
            return State(part.first + part.frames, kept["ab"], kept["count"])

    def packets(self, part: Part) -> Iterator[av.Packet[Stream]]:
        """Yield the packets of a part, in the order of coding, without a stream."""
        with self._file(part.first, ".packets").open("rb") as stream:
            for one in part.packets:
                packet = av.Packet(stream.read(one.size))
                packet.pts, packet.duration, packet.is_keyframe = one.pts, one.duration, one.key
                yield packet

    def check_room(self, made: int, whole: float, *, sure: float = 1.0) -> None:
        """Check that the disk holds a film and its parts.

        Args:
            made: bytes of the parts so far.
            whole: bytes that all will have, by the look of it.
            sure: share of what is not made yet that is needed for certain.

        Raises:
            OutputError: if it does not.
        """
        free = shutil.disk_usage(self.folder).free
        needed = 2 * whole - made
        if made + 2 * (whole - made) * sure > free:
            size, unit = (1e9, "GB") if needed >= 1e9 else (1e6, "MB")
            raise OutputError(
                f"the film will need about {needed / size:.2f} {unit} more but only "
                f"{free / size:.2f} {unit} are free at `{self.folder.parent}`: make room, or name "
                "another place with -o; the same command goes on from there"
            )

    def begin(self, first: int, key: str) -> PartWriter:
        """Begin a part."""
        return PartWriter(self._file(first, ""), first, key)

    def finished(self, film: Path) -> None:
        """Note, before a film gets its name, which file its parts have become.

        Of a run that is killed before it has thrown them away, a later one then knows that they are
        of no more use. Those of a list of shots are kept anyway.

        Args:
            film: the whole file; its name may change, its size and time may not.

        Raises:
            OSError: if it cannot be written.
        """
        if not self._kind.listed:
            write_text(self._own / _DONE, json.dumps(_stamp(film)))

    def keep(self, parts: Sequence[Part]) -> None:
        """Throw away everything but some parts, and what runs of another kind left."""
        names = {self._file(part.first, "").name for part in parts}
        with contextlib.suppress(OSError):
            self._finish()
            _clear(self._own, but=names)

    def remove(self) -> None:
        """Throw away the parts of a film that is finished, and the folder if nothing is left."""
        with contextlib.suppress(OSError):
            self._finish()
        self.discard()

    def discard(self) -> None:
        """Throw away this run's own parts, and the folder if nothing is left in it."""
        with contextlib.suppress(OSError):
            _drop(self._own)
            if not self._other_folders():
                _clear(self.folder)  # earlier versions kept them there
                for name in (_FILM, _LOCK, "film.part"):
                    (self.folder / name).unlink(missing_ok=True)
                self.folder.rmdir()
        self.release()

    def release(self) -> None:
        """Let other runs at the folder."""
        if self._lock is not None:
            self._lock.close()

    def _file(self, number: int, ending: str) -> Path:
        return self._own / f"{number:08d}{ending}"

    def _other_folders(self) -> list[Path]:
        """Return the folders of other runs."""
        return [
            path
            for path in self.folder.iterdir()
            if path != self._own and len(path.name) == _DIGITS and (path / _FILM).is_file()
        ]

    def _finish(self) -> None:
        """Throw away what other runs of this kind left."""
        for path in self._other_folders():
            if _kind_in(path) == self._kind:
                _drop(path)


def clear_finished(film: Path) -> None:
    """Throw away parts that have become a film already, if their run was killed before it did.

    Args:
        film: the film's own file; nothing happens where there is none.
    """
    folder = work_folder(film)
    with contextlib.suppress(OSError, OutputError):  # another run may be at work there
        stamp = _stamp(film)
        for done in sorted(folder.glob(f"*/{_DONE}")):
            kind = _kind_in(done.parent)
            if loaded(done) == stamp and kind is not None:
                Store(folder, done.parent.name, kind).remove()


def _stamp(film: Path) -> dict[str, int]:
    found = film.stat()
    return {"size": found.st_size, "time": found.st_mtime_ns}


def _drop(folder: Path) -> None:
    """Throw away the folder of a run with the parts in it."""
    _clear(folder)
    for name in (_DONE, _FILM):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _clear(folder: Path, but: Collection[str] = ()) -> None:
    """Throw away the parts in a folder, but for some of their names."""
    for path in folder.iterdir():
        if path.suffix in _ENDINGS and path.stem.isdigit() and path.stem not in but:
            path.unlink()


def _kind_in(folder: Path) -> Kind | None:
    """Return of which kind the run was whose parts are in a folder; None if it does not say."""
    try:
        return Kind(**cast("dict[str, Any]", loaded(folder / _FILM)))
    except (OSError, TypeError):
        return None


def _frames_in(folder: Path) -> int:
    """Return how many frames the parts in a folder have."""
    found = (loaded(path).get("frames") for path in folder.glob("*.json") if path.name != _FILM)
    return sum(frames for frames in found if isinstance(frames, int))


def _locked(folder: Path) -> TextIO | None:
    """Keep other runs off a folder, until this process ends or the lock is closed.

    Raises:
        OutputError: if another run is at work there.
    """
    if os.name == "nt":
        return None
    import fcntl

    lock = (folder / _LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise OutputError(
            f"`{folder}` is in use: another run makes this film; wait for it, or name another "
            "output with -o"
        ) from error
    return lock
