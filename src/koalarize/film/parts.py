"""The parts of a film that is being made: coded packets on disk, each part whole or absent.

Not here: coding (``film.encode``), the film's own file (``film.write``). A part that was committed
is never made again, so that a film that was stopped goes on where it was.
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
from types import TracebackType
from typing import Any, TextIO

import av
import numpy as np
from av.stream import Stream

from koalarize.errors import OutputError
from koalarize.film.steady import State

__all__ = ["Coded", "Kind", "Part", "PartWriter", "Store", "times_of"]

_FILM = "film.json"
_LOCK = "lock"
_DIGITS = 16  # of what a run makes, in the name of the folder of its parts
_ENDINGS = (".json", ".packets", ".npz", ".new")


@dataclass(frozen=True)
class Coded:
    """One packet.

    Attributes:
        pts: ticks of the film's time base.
        duration: ticks.
        key: whether decoding can begin there.
        size: bytes.
    """

    pts: int
    duration: int
    key: bool
    size: int


@dataclass(frozen=True)
class Part:
    """A part of a film.

    Attributes:
        key: says what it was made of and how.
        first: number of its first frame.
        frames: how many frames it has.
        since: frames from the last cut before its end to its end.
        open: whether the shot goes on behind it.
        header: of the encoder, hexadecimal.
        packets: in the order of coding.
        sound: whether nothing was wrong with the film up to its end, so that a later run need not
            read that again.
    """

    key: str
    first: int
    frames: int
    since: int
    open: bool
    header: str
    packets: tuple[Coded, ...]
    sound: bool = False

    @property
    def size(self) -> int:
        """Bytes of all its packets."""
        return sum(one.size for one in self.packets)


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
                _write(self._own / _FILM, json.dumps(asdict(kind)))
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
                part = _part(_loaded(facts))
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

    def check_room(self, made: int, whole: float) -> None:
        """Check that the disk holds a film and its parts.

        Args:
            made: bytes of the parts so far.
            whole: bytes that all will have.

        Raises:
            OutputError: if it does not.
        """
        free = shutil.disk_usage(self.folder).free
        needed = 2 * whole - made
        if needed > free:
            size, unit = (1e9, "GB") if needed >= 1e9 else (1e6, "MB")
            raise OutputError(
                f"the film will need about {needed / size:.2f} {unit} more but only "
                f"{free / size:.2f} {unit} are free at `{self.folder.parent}`: make room, or name "
                "another place with -o; the same command goes on from there"
            )

    def begin(self, first: int, key: str) -> PartWriter:
        """Begin a part."""
        return PartWriter(self._file(first, ""), first, key)

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
            _clear(self._own)
            (self._own / _FILM).unlink(missing_ok=True)
            self._own.rmdir()
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
                _clear(path)
                (path / _FILM).unlink()
                path.rmdir()


def _clear(folder: Path, but: Collection[str] = ()) -> None:
    """Throw away the parts in a folder, but for some of their names."""
    for path in folder.iterdir():
        if path.suffix in _ENDINGS and path.stem.isdigit() and path.stem not in but:
            path.unlink()


def _kind_in(folder: Path) -> Kind | None:
    """Return of which kind the run was whose parts are in a folder; None if it does not say."""
    try:
        return Kind(**_loaded(folder / _FILM))
    except (OSError, TypeError):
        return None


def _frames_in(folder: Path) -> int:
    """Return how many frames the parts in a folder have."""
    found = (_loaded(path).get("frames") for path in folder.glob("*.json") if path.name != _FILM)
    return sum(frames for frames in found if isinstance(frames, int))


def times_of(parts: Sequence[Part]) -> list[int]:
    """Return the times of all frames of some parts, rising, ticks of the film's time base."""
    return sorted(packet.pts for part in parts for packet in part.packets)


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


class PartWriter:
    """A part that is being made."""

    def __init__(self, base: Path, first: int, key: str) -> None:
        """Begin a part; ``Store.begin`` calls this."""
        self._base = base
        self._first, self._key = first, key
        self._packets: list[Coded] = []
        self._stream = base.with_suffix(".packets").open("wb")
        self.frames = 0
        self.size = 0  # bytes so far

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def add(self, packet: av.Packet[Stream]) -> None:
        """Write a packet."""
        data = bytes(packet)
        assert packet.pts is not None
        duration = packet.duration or 0
        self._packets.append(Coded(packet.pts, duration, packet.is_keyframe, len(data)))
        self._stream.write(data)
        self.size += len(data)

    def commit(self, header: bytes, *, since: int, state: State | None, sound: bool) -> Part:
        """End the part: from now on it is there.

        Args:
            header: of the encoder.
            since: frames from the last cut to the end.
            state: what the shot carries on, if it goes on.
            sound: whether nothing was wrong with the film up to here.
        """
        part = Part(
            self._key,
            self._first,
            self.frames,
            since,
            state is not None,
            header.hex(),
            tuple(self._packets),
            sound,
        )
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        if state is not None:
            new = self._base.with_suffix(".new")
            with new.open("wb") as stream:
                np.savez(stream, ab=state.ab, count=state.count)
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(self._base.with_suffix(".npz"))
        _write(self._base.with_suffix(".json"), json.dumps(asdict(part)))
        return part


def _write(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)


def _loaded(path: Path) -> dict[str, Any]:
    try:
        facts: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _part(facts: dict[str, Any]) -> Part:
    packets = tuple(Coded(**one) for one in facts.pop("packets"))
    return Part(**facts, packets=packets)
