"""How a result that exists stands to a picture: done, to be made again, or not ours to replace.

Not here: names (``naming``), colouring (``run``). The journal knows first; where it knows nothing,
the mark inside the file does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from koalarize.batch.compare import compare_path
from koalarize.batch.journal import Journal, Made, Stamp
from koalarize.errors import OutputError
from koalarize.photo.files import EXTENSIONS, sha256_of
from koalarize.photo.profiles import has_our_profile
from koalarize.photo.provenance import Mark, Provenance, is_marked, read_mark

__all__ = [
    "ORIGINAL",
    "REFUSALS",
    "Judge",
    "KeptError",
    "Standing",
    "how_made",
    "journal_name",
    "settings_of",
]


class Standing(Enum):
    """How a result stands to a picture and what is asked; the value says it in words."""

    FREE = "new"
    DONE = "already coloured"
    AGAIN = "coloured before"
    EARLIER = "made by an earlier version"
    SETTINGS = "other settings"
    MODEL = "other model or weights"
    SOURCE = "picture changed"
    OTHER = "result of another picture"
    TOUCHED = "changed by somebody"
    FOREIGN = "not ours"

    @property
    def is_kept(self) -> bool:
        """Whether only ``--overwrite`` may replace it."""
        return self in (Standing.TOUCHED, Standing.FOREIGN)

    def when_made_again(self, *, asked: bool) -> Standing:
        """Return what is said of a result that is made again.

        Args:
            asked: whether that was asked, however it had been made: nobody wonders then.
        """
        made = (Standing.DONE, Standing.SETTINGS, Standing.MODEL)
        return Standing.AGAIN if self in made[: 3 if asked else 1] else self


#: What a person is told of a result that is not replaced; the place of its name is left open.
REFUSALS = {
    Standing.TOUCHED: "`{}` was changed by somebody since it was made: rename it, or add "
    "--overwrite to colour it again",
    Standing.FOREIGN: "`{}` exists and is not known as koalarize's result of this picture: rename "
    "it, or add --overwrite to replace it",
    Standing.EARLIER: "`{}` was made by an earlier version of koalarize, which noted not how: add "
    "--overwrite to colour it again",
}

#: What a person is told of a picture under a result's name: even ``--overwrite`` leaves it alone.
ORIGINAL = "`{}` is another picture to colour and is never written over: choose another --name"

#: Files of which nobody knows how they were made.
_UNKNOWN = (Standing.EARLIER, Standing.FOREIGN)


class KeptError(OutputError):
    """What stands under a result's name is not replaced.

    Attributes:
        standing: why, one of ``REFUSALS``.
    """

    def __init__(self, standing: Standing, path: Path) -> None:
        super().__init__(REFUSALS[standing].format(path))
        self.standing = standing


@dataclass(frozen=True)
class Judge:
    """Says how results stand to what is asked.

    Attributes:
        asked: model, weights and settings of this run.
        journal: of the results, if there is one.
        compare: whether a comparison belongs to a result.
    """

    asked: Provenance
    journal: Journal | None
    compare: bool = False

    @property
    def settings(self) -> str:
        """What is asked of which model, as it stands in the journal."""
        return settings_of(self.asked)

    def standing(self, source: Path, target: Path) -> Standing:
        """Return how what stands at ``target`` stands to a picture.

        Raises:
            OSError: if the picture cannot be read.
        """
        found = self._alone(source, target)
        if found is not Standing.DONE or not self.compare:
            return found
        kept = self.comparison(source, target) in (*_UNKNOWN, Standing.DONE)
        return found if kept else Standing.SETTINGS

    def comparison(self, source: Path, target: Path) -> Standing:
        """Return how the comparison of a result stands to a picture.

        Raises:
            OSError: if the picture cannot be read.
        """
        sheet = compare_path(target)
        found = self._alone(source, sheet)
        if found is not Standing.OTHER:
            return found
        mark = read_mark(sheet)  # an earlier picture's, under the name of this one's result
        return Standing.SETTINGS if mark is not None and mark.untouched else Standing.FOREIGN

    def check(self, source: Path, target: Path) -> None:
        """Judge again a result that is about to be replaced: a person may have been quicker.

        Raises:
            KeptError: if it may not be replaced.
            OSError: if the picture cannot be read.
        """
        found = self.standing(source, target)
        found = Standing.FOREIGN if found is Standing.OTHER else found
        if found in REFUSALS:
            raise KeptError(found, target)

    def knows(self, path: Path) -> bool:
        """Tell whether a file bears the name of a result, or of a comparison, in the journal."""
        return self._known(path) is not None

    def announce(self, source: Path, target: Path, of: Stamp, result: Stamp) -> None:
        """Note in the journal, durably, the bytes that are about to get a result's name.

        Args:
            source: the picture.
            target: the result.
            of: the picture's stamp.
            result: that of the bytes, as they will stand under the name.

        Raises:
            OutputError: if the journal cannot be used.
        """
        if self.journal is not None:
            made = Made(journal_name(source), self.settings, of, result)
            self.journal.announce(target, made)

    def _alone(self, source: Path, target: Path) -> Standing:
        """Return how a file stands to a picture, whatever belongs to it."""
        if not os.path.lexists(target):
            return Standing.FREE
        made = self._known(target)
        return self._marked(source, target) if made is None else self._made(source, target, made)

    def _known(self, target: Path) -> Made | None:
        """Return what the journal knows of a result, of one too that a killed run has announced."""
        if self.journal is None:
            return None
        made = self.journal.announced(target)
        # With --keep-times an earlier result may have the size and time of the one announced.
        if made is not None and made.result.fits(target, hashed=made.result.hash is not None):
            self.journal.finish(target, made)
            return made
        return self.journal.made(target)

    def _made(self, source: Path, target: Path, made: Made) -> Standing:
        name = journal_name(source)
        moved = made.source != name
        same = made.of.fits(source, hashed=moved)
        if moved and not same:
            return Standing.OTHER
        if not made.result.fits(target):
            return Standing.TOUCHED
        if not same:
            return Standing.SOURCE
        if made.settings != self.settings:
            same = made.settings.endswith(f" {self.asked.settings}")
            return Standing.MODEL if same else Standing.SETTINGS
        if moved and self.journal is not None:  # so that it is not hashed in every run
            self.journal.finish(target, replace(made, source=name))
        return Standing.DONE

    def _marked(self, source: Path, target: Path) -> Standing:
        mark = read_mark(target)
        if mark is None:
            made = None if self.journal is None else self.journal.elsewhere(target)
            return self._made(source, target, made) if made else _without_mark(source, target)
        digest = sha256_of(source)
        same = mark.provenance.source == digest
        if not same and not _is_only_source(source, target, mark):
            return Standing.OTHER
        if not mark.untouched:
            return Standing.TOUCHED
        if not same:
            return Standing.SOURCE
        how = how_made(mark.provenance, self.asked)
        if how is Standing.DONE and self.journal is not None:
            of = replace(Stamp.of(source), hash=digest)
            result = Stamp.of(target, hashed=True)
            self.journal.finish(target, Made(journal_name(source), self.settings, of, result))
        return how


def how_made(made: Provenance, asked: Provenance) -> Standing:
    """Return how the making of a result stands to what is asked: ``DONE`` if it is the same.

    Args:
        made: what the result says of its making.
        asked: model, weights and settings of this run.

    Returns:
        ``MODEL`` if only model or weights differ, else ``SETTINGS``.
    """
    if made.is_like(asked):
        return Standing.DONE
    return Standing.MODEL if made.settings == asked.settings else Standing.SETTINGS


def settings_of(asked: Provenance) -> str:
    """Return model, weights and settings as one text."""
    return f"{asked.model} {asked.weights or '-'} {asked.settings}"


def journal_name(source: Path) -> str:
    """Return what a picture is called in a journal."""
    return os.path.abspath(source).encode("utf-8", "backslashreplace").decode()  # noqa: PTH100


def _without_mark(source: Path, target: Path) -> Standing:
    """Judge a file that only its name and profile may show as a result of an earlier version."""
    if not has_our_profile(target) or target.stat().st_mtime < source.stat().st_mtime:
        return Standing.FOREIGN
    return Standing.EARLIER


def _is_only_source(source: Path, target: Path, mark: Mark) -> bool:
    """Tell whether a result beside its picture can be of no other picture that is there now."""
    if source.parent != target.parent:
        return False
    stem = source.stem
    for name in os.listdir(source.parent):  # noqa: PTH208
        other = Path(source.parent, name)
        if other.stem != stem or other == source or other.suffix.lower() not in EXTENSIONS:
            continue
        if other.is_file() and not is_marked(other) and sha256_of(other) == mark.provenance.source:
            return False
    return True
