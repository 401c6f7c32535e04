"""The parts of a film that is being made: coded packets on disk, each part whole or absent.

Not here: coding (``film.encode``), the folder of the parts (``film.store``). A part that was
committed is never made again, so that a film that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import av
import numpy as np
from av.stream import Stream

from koalarize.film.steady import State

__all__ = [
    "Coded",
    "Part",
    "PartWriter",
    "how_to_go_on",
    "loaded",
    "part_of",
    "times_of",
    "what_is_kept",
    "write_text",
]


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


def how_to_go_on(film: str, parts: Sequence[Part]) -> str:
    """Return what is to be said of a film whose run was interrupted.

    Args:
        film: its name.
        parts: those that are kept.
    """
    if not parts:
        return f"interrupted before a part of {film} was whole; the same command begins again"
    return f"interrupted; {what_is_kept(film, parts)}"


def what_is_kept(film: str, parts: Sequence[Part]) -> str:
    """Return what of a film need not be coloured again, and what the same command does.

    Args:
        film: its name.
        parts: those that are kept.
    """
    frames = sum(part.frames for part in parts)
    if not frames:
        return f"no part of {film} was whole yet, and the same command begins again"
    return f"{frames} coloured frames of {film} are kept, and the same command goes on from there"


def times_of(parts: Sequence[Part]) -> list[int]:
    """Return the times of all frames of some parts, rising, ticks of the film's time base."""
    return sorted(packet.pts for part in parts for packet in part.packets)


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
        write_text(self._base.with_suffix(".json"), json.dumps(asdict(part)))
        return part


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)


def loaded(path: Path) -> dict[str, object]:
    """Read a small file of facts; empty where it is none."""
    try:
        facts: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return cast("dict[str, object]", facts) if isinstance(facts, dict) else {}


def part_of(facts: Mapping[str, object]) -> Part:
    """Return the part that a file of facts tells of.

    Raises:
        KeyError: if it tells of none, or TypeError.
    """
    known = cast("dict[str, Any]", dict(facts))
    packets = tuple(Coded(**one) for one in known.pop("packets"))
    return Part(**known, packets=packets)
