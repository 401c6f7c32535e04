"""What a long evaluation has scored so far, in a file: one that was stopped goes on from there.

Not here: the measuring (``evaluate``), the report that the file stands beside (``report``).
The file is an archive of NumPy arrays, never pickled; it holds no pictures and no folder's name.
"""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from koalarize.errors import OptionError, OutputError
from koalarize.lab.evaluation.pictures import LookedAt, UsablePictures
from koalarize.lab.metrics.perceptual import SetMetric
from koalarize.lab.metrics.tally import State, Tally
from koalarize.photo.files import write_bytes

__all__ = ["Scored", "Unfinished"]

log = logging.getLogger(__name__)

_FORMAT = "koalarize-unfinished-evaluation-1"
_SECONDS = 60.0  # between two writings: a minute is what a stop may cost
_FACTS = "facts"  # the array that holds JSON; all others are of the scores


@dataclass(frozen=True)
class Scored:
    """An evaluation at work: the pictures gone through and what they added up to.

    Attributes:
        pictures: of which some have been gone through.
        tallies: one a rival.
        set_metrics: by name, each of all rivals.
    """

    pictures: UsablePictures
    tallies: Sequence[Tally]
    set_metrics: Mapping[str, SetMetric]


class Unfinished:
    """The file in which an evaluation keeps what it has scored.

    Args:
        path: of the file.
        question: what the scores depend on, but for the pictures' bytes: name -> value as JSON
            has it. A file of another question is refused.
    """

    def __init__(self, path: Path, question: Mapping[str, object]) -> None:
        self._path = path
        self._question: dict[str, object] = json.loads(json.dumps(question))
        self._written = time.monotonic()
        self._failed = False

    def restore(self, scored: Scored) -> None:
        """Go on from the file, where there is one.

        Args:
            scored: of no picture yet.

        Raises:
            OutputError: if a file stands there that is none of these, or is damaged.
            OptionError: if it is of another question.
            DataError: if the pictures are not those that it was made of.
        """
        if not self._path.exists():
            return
        facts, arrays = _read(self._path)
        self._check(facts)
        earlier = LookedAt(**facts["looked_at"])
        scored.pictures.go_on(earlier, kept=self._path)
        for part, restored in _parts(scored).items():
            start = f"{part}/"
            restored.restore(
                {key.removeprefix(start): arrays[key] for key in arrays if key.startswith(start)}
            )
        log.warning(
            "going on after %d pictures, whose scores are in `%s`", len(earlier.names), self._path
        )

    def save(self, scored: Scored, *, now: bool = False) -> None:
        """Write what is scored, unless that was done within the last minute.

        A file that cannot be written does not end the evaluation: it is said, once.

        Args:
            scored: of whole pictures.
            now: write whatever the time.
        """
        if not now and time.monotonic() - self._written < _SECONDS:
            return
        try:
            write_bytes(self._encoded(scored), self._path, overwrite=True)
        except OutputError as error:
            if not self._failed:
                log.warning("if this is stopped, its scores are lost: %s", error)
            self._failed = True
        self._written = time.monotonic()

    def _encoded(self, scored: Scored) -> bytes:
        facts = {
            "format": _FORMAT,
            "question": self._question,
            "looked_at": dataclasses.asdict(scored.pictures.looked_at),
        }
        arrays = {
            f"{part}/{key}": values
            for part, kept in _parts(scored).items()
            for key, values in kept.state().items()
        }
        said = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        archive = io.BytesIO()
        np.savez(archive, **{_FACTS: said}, **arrays)  # pyright: ignore[reportArgumentType]
        return archive.getvalue()

    def _check(self, facts: dict[str, Any]) -> None:
        kept = facts["question"]
        other = [key for key, value in self._question.items() if kept.get(key) != value]
        if other:
            count = len(facts["looked_at"]["names"])
            raise OptionError(
                f"`{self._path}` holds {count} pictures that were scored with another "
                f"{' and another '.join(other)}: give the command that made it, or delete it to "
                "begin again"
            )


def _parts(scored: Scored) -> dict[str, Tally | SetMetric]:
    """Return what keeps scores, by the name that its arrays begin with."""
    tallies = {f"tally-{number}": tally for number, tally in enumerate(scored.tallies)}
    return {**tallies, **scored.set_metrics}


def _read(path: Path) -> tuple[dict[str, Any], State]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        facts = json.loads(arrays.pop(_FACTS).tobytes())
        if facts["format"] == _FORMAT:
            return facts, arrays
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        pass
    raise OutputError(
        f"`{path}` is no evaluation that was stopped, or is damaged: move it away, or choose "
        "another --output"
    )
