"""One person's session: its settings, its plan and every answer, whole in one file at any time.

Not here: pictures (``pictures``), which answers count for what (``report``). The file is JSON and
is written again after each answer; a session that stopped continues where it was.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from koalarize import __version__
from koalarize.errors import DataError, OutputError
from koalarize.lab.study.plan import Mode, Trial
from koalarize.photo.files import write_bytes

__all__ = ["FORMAT", "Answer", "ModelUsed", "Record", "Session", "Settings", "read_record"]

FORMAT = "koalarize-turing-1"
_STRICT = ConfigDict(frozen=True, extra="forbid")
#: Words for the options in messages, by the name of the setting.
_OPTIONS = {
    "mode": "--mode",
    "seconds": "--seconds",
    "size": "--size",
    "trials": "--trials",
    "catch": "--catch",
    "seed": "--seed",
    "person": "--person",
    "models": "--model",
}


class ModelUsed(BaseModel):
    """A model by its name in this session and the hash of its file."""

    model_config = _STRICT

    name: str
    sha256: str


class Settings(BaseModel):
    """All that two answers must have in common to belong to one session.

    Attributes:
        mode: ``single`` or ``pair``.
        seconds: how long pictures are shown.
        size: longer side of a shown picture, pixels; smaller photos are not enlarged.
        trials: trials that count.
        catch: attention checks among them.
        seed: of the plan.
        person: who judges, or None.
        models: what recolours.
        data_sha256: over the names and contents of the photos in plan and practice.
    """

    model_config = _STRICT

    mode: Mode
    seconds: float = Field(gt=0)
    size: int = Field(gt=0)
    trials: int = Field(gt=0)
    catch: int = Field(ge=0)
    seed: int
    person: str | None
    models: tuple[ModelUsed, ...] = Field(min_length=1)
    data_sha256: str


class Answer(BaseModel):
    """What a person said of one trial.

    Attributes:
        trial: its place in the plan, from 0.
        answer: ``real`` or ``recoloured``; in pair mode the side judged real.
        shown_ms: how long the picture really stood on the screen, between two frames.
        reaction_ms: from the frame that hid it to the answer.
        interrupted: whether the page was out of sight while the picture was shown.
        views: how often the trial was opened; more than once after a reload.
        at: when it was given, UTC, ISO 8601.
    """

    model_config = _STRICT

    trial: int = Field(ge=0)
    answer: Literal["real", "recoloured", "left", "right"]
    shown_ms: float = Field(ge=0, allow_inf_nan=False)
    reaction_ms: float = Field(ge=0, allow_inf_nan=False)
    interrupted: bool = False
    views: int = Field(default=1, ge=1)
    at: str


class Record(BaseModel):
    """The session file.

    Attributes:
        format: names this layout.
        koalarize: the version that began it.
        id: random; the same in every copy of the file.
        settings: see ``Settings``.
        left_out: files of the folder that were not usable, counted by reason.
        practice: trials that do not count, shown before the first.
        plan: every trial in order; the answer key.
        views: how often the next trial has been opened already.
        answers: in the order of the plan.
    """

    model_config = _STRICT

    format: Literal["koalarize-turing-1"]
    koalarize: str
    id: str
    settings: Settings
    left_out: dict[str, int]
    practice: tuple[Trial, ...] = Field(min_length=1)
    plan: tuple[Trial, ...]
    views: int = Field(default=0, ge=0)
    answers: tuple[Answer, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Record:
        settings, names = self.settings, {model.name for model in self.settings.models}
        if len(self.plan) != settings.trials + settings.catch:
            raise ValueError("the plan has another number of trials than the settings")
        pair = settings.mode == "pair"
        for trial in (*self.practice, *self.plan):
            if (trial.side is not None) != pair or (trial.kind == "pair" and not pair):
                raise ValueError("a trial belongs to another mode")
            if (trial.kind in ("pair", "recoloured")) != (trial.model in names):
                raise ValueError("a trial names another model than the settings")
        allowed = ("left", "right") if pair else ("real", "recoloured")
        if [answer.trial for answer in self.answers] != list(range(len(self.answers))):
            raise ValueError("the answers are out of order")
        if len(self.answers) > len(self.plan):
            raise ValueError("there are more answers than trials")
        if any(answer.answer not in allowed for answer in self.answers):
            raise ValueError("an answer belongs to another mode")
        return self


def read_record(path: Path) -> Record:
    """Read a session file.

    Raises:
        DataError: if it is missing, damaged, or no session.
    """
    try:
        return _parse(path, path.read_bytes())
    except OSError as error:
        raise DataError(
            f"the session `{path}` cannot be read ({error.strerror or error}): check its name"
        ) from error


def _parse(path: Path, data: bytes) -> Record:
    try:
        return Record.model_validate_json(data, strict=None)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise DataError(
            f"`{path}` is no session of `koalarize lab turing`, or damaged ({reason}): "
            "name another file with `--session`"
        ) from error


class Session:
    """A record and its file, kept the same."""

    def __init__(self, path: Path, record: Record, stored: bytes | None) -> None:
        """Make a session of what is stored; people call ``begin`` or ``resume``."""
        self.path = path
        self.record = record
        self._stored = stored

    @classmethod
    def begin(
        cls,
        path: Path,
        settings: Settings,
        *,
        practice: Sequence[Trial],
        plan: Sequence[Trial],
        left_out: Mapping[str, int],
    ) -> Session:
        """Start a session and write its file; see ``Record`` for the arguments.

        Raises:
            OutputError: if the file exists or cannot be written.
        """
        if path.exists():
            raise OutputError(f"`{path}` exists already: choose another `--session`")
        record = Record(
            format=FORMAT,
            koalarize=__version__,
            id=secrets.token_hex(8),
            settings=settings,
            left_out=dict(left_out),
            practice=tuple(practice),
            plan=tuple(plan),
        )
        session = cls(path, record, None)
        session._write(record)
        return session

    @classmethod
    def resume(cls, path: Path, asked: Mapping[str, object]) -> Session:
        """Go on with the session in a file.

        Args:
            path: the file.
            asked: settings by name that must be those of the file; others are taken from it.

        Raises:
            DataError: if the file is damaged, or belongs to other settings.
        """
        try:
            stored = path.read_bytes()
        except OSError as error:
            raise DataError(f"the session `{path}` cannot be read: {error.strerror}") from error
        record = _parse(path, stored)
        for name, value in asked.items():
            found = getattr(record.settings, name)
            if found != value:
                raise DataError(
                    f"the session `{path}` was begun with `{_OPTIONS[name]}` {_spell(found)}, "
                    f"not {_spell(value)}: give the same options to go on with it, or another "
                    "`--session` to begin a new one"
                )
        return cls(path, record, stored)

    @property
    def finished(self) -> bool:
        """Whether every trial is answered."""
        return len(self.record.answers) == len(self.record.plan)

    @property
    def next_trial(self) -> Trial | None:
        """The trial to show next, or None when all are answered."""
        return None if self.finished else self.record.plan[len(self.record.answers)]

    def opened(self) -> None:
        """Note that the next trial is about to be shown."""
        self._write(self.record.model_copy(update={"views": self.record.views + 1}))

    def answered(
        self, answer: str, *, shown_ms: float, reaction_ms: float, interrupted: bool
    ) -> None:
        """Add the answer to the next trial and write the file; on failure nothing is added.

        Raises:
            OutputError: if the file cannot be written.
            DataError: if somebody else has changed it.
            ValidationError: if the values are not allowed.
        """
        given = {
            "trial": len(self.record.answers),
            "answer": answer,
            "shown_ms": round(shown_ms, 2),
            "reaction_ms": round(reaction_ms, 2),
            "interrupted": interrupted,
            "views": max(1, self.record.views),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        answers = (*self.record.answers, Answer.model_validate(given))
        self._write(self.record.model_copy(update={"answers": answers, "views": 0}))

    def _write(self, record: Record) -> None:
        stored = self.path.read_bytes() if self.path.exists() else None
        if stored is not None and stored != self._stored:
            raise DataError(
                f"the session `{self.path}` was changed by another program meanwhile: "
                "stop this one, and start again with only one of them"
            )
        text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
        data = f"{text}\n".encode()
        write_bytes(data, self.path, overwrite=True)
        self.record, self._stored = record, data


def _spell(value: object) -> str:
    if value is None:
        return "left out"
    if isinstance(value, tuple):
        return ", ".join(f"`{model.name}` ({model.sha256[:8]})" for model in value) or "none"
    return f"`{value}`"
