"""Frames whose colours are known, on their way into the coded parts of a film.

Not here: colours (``film.make``), how a part lies on the disk (``film.parts``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from koalarize.film.encode import Coding, Encoder
from koalarize.film.paint import Painter
from koalarize.film.parts import Part, PartWriter
from koalarize.film.read import FilmFrame
from koalarize.film.steady import State
from koalarize.film.store import Store

__all__ = ["Coder", "Progress"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_EARLY = 0.05  # of a film's frames, after which its rest can be told from them
_SURE = 0.5  # of what the rest needs by those before


@dataclass(frozen=True)
class Progress:
    """How far a film is.

    Attributes:
        done: frames.
        total: frames that are wanted, as far as anybody knows; 0 where nothing says.
        bytes: coded so far.
        lightness: L* of the frame that was coded last, (h, w), on the small grid.
        ab: its colours there, (2, h, w).
    """

    done: int
    total: int
    bytes: int
    lightness: Float32 | None = field(default=None, compare=False, repr=False)
    ab: Float32 | None = field(default=None, compare=False, repr=False)


class Coder:
    """Codes the frames of a film into parts.

    Attributes:
        parts: those that the film needs, so far.
    """

    def __init__(
        self,
        coding: Coding,
        painter: Painter,
        store: Store,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        """Begin.

        Args:
            coding: of the film.
            painter: makes chroma of ab.
            store: keeps the parts.
            progress: called after each frame, and while one is looked at ahead of its colouring.
        """
        self.parts: list[Part] = []
        self._coding, self._painter, self._store = coding, painter, store
        self._progress = progress
        self._encoder: Encoder | None = None
        self._writer: PartWriter | None = None
        self._kept = self._bytes = 0  # frames and bytes of the parts, counted as they come

    @property
    def frames(self) -> int:
        """How many frames the part that is being made has; 0 where there is none."""
        return 0 if self._writer is None else self._writer.frames

    def keep(self, part: Part) -> None:
        """Count a part among those that the film needs."""
        self.parts.append(part)
        self._kept += part.frames
        self._bytes += part.size

    def add(
        self,
        frame: FilmFrame,
        shown: tuple[av.VideoFrame, Array],
        lightness: Float32,
        ab: Float32 | None,
        key: str,
    ) -> None:
        """Colour and code a frame.

        Args:
            frame: the frame.
            shown: its luma, as ``Encoder.luma`` gives it.
            lightness: L* on the small grid.
            ab: its colours there; None keeps the frame's own.
            key: what the part is made of, if one begins here.
        """
        if self._writer is None or self._encoder is None:
            self._writer = self._store.begin(frame.number, key)
            self._encoder = Encoder(self._coding)
        chroma = None if ab is None else self._painter.chroma(shown[1], ab, lightness)
        for packet in self._encoder.encode(frame, shown, chroma):
            self._writer.add(packet)
        self._writer.frames += 1
        self.tell(lightness, ab)

    def tell(self, lightness: Float32 | None = None, ab: Float32 | None = None) -> None:
        """Say how far the film is, to whoever may end the run by what they raise.

        Args:
            lightness: L* of the frame that was coded just now; None where none was.
            ab: its colours.
        """
        if self._progress is not None:
            done, coded = self._kept + self.frames, self._bytes
            coded += 0 if self._writer is None else self._writer.size
            self._progress(Progress(done, self._coding.frames, coded, lightness, ab))

    def close(self, *, since: int, state: State | None, sound: bool, read: float) -> None:
        """End the part that is being made, as ``PartWriter.commit`` does.

        Args:
            since: as there.
            state: as there.
            sound: as there.
            read: how much of the film's file has been read, from 0 to 1; 0 where nothing says.

        Raises:
            OutputError: if the disk will not hold the film and its parts.
        """
        writer, encoder = self._writer, self._encoder
        assert writer is not None
        assert encoder is not None
        for packet in encoder.finish():
            writer.add(packet)
        self.keep(writer.commit(encoder.header, since=since, state=state, sound=sound))
        self._writer = self._encoder = None
        self.check_room(read)

    def stop(self) -> None:
        """Leave the part that is being made; a full disk says so again here, and is not heard."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.__exit__(None, None, None)

    def check_room(self, read: float) -> None:
        """Stop before hours of work where the disk will not hold the film and its parts.

        What is grainy takes more of the film's own file too. Until a twentieth is made, half of
        what the rest would need must be missing, since a beginning says little.
        """
        made, done = self._bytes, self._kept
        total = max(done, self._coding.frames)
        whole = made * total / max(1, done)
        options = self._coding.options
        if options.start is None and options.stop is None:
            whole = min(whole, made / max(read, 1e-9))
        early = done < _EARLY * total
        self._store.check_room(made, whole, sure=_SURE if early else 1.0)
