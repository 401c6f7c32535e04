"""A session being taken: opens trials, hands out their pictures once, takes the answers.

Not here: HTTP (``web.study_page``), the file (``session``). Whoever looks at what this gives before
an answer learns nothing of the answer: names are random, lengths and times alike.
"""

from __future__ import annotations

import dataclasses
import hmac
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from pathlib import Path

from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import DataError, KoalarizeError, OptionError
from koalarize.lab.study.pictures import choose, fingerprint, images_of, shown_pixels
from koalarize.lab.study.plan import PRACTICE, Mode, Trial, make_plan, make_practice
from koalarize.lab.study.pool import make_report
from koalarize.lab.study.report import Report
from koalarize.lab.study.session import ModelUsed, Session, Settings
from koalarize.photo.photo import Photo
from koalarize.web.study_page.contract import ConflictError

__all__ = ["Options", "Study", "begin_or_resume"]

#: Trials whose pictures are made before they are asked for.
_AHEAD = 3
#: How long to wait for a picture in one request; the page asks again, seconds.
_WAIT = 2.0
_MOST_TRIALS = 1000
_MOST_SECONDS = 60
_SIZES = (64, 4096)


@dataclass(frozen=True)
class Options:
    """What a person asks for; see ``Settings``. A seed of None is drawn, or that of the file."""

    mode: Mode = "single"
    seconds: float = 1.0
    trials: int = 40
    size: int = 512
    catch: int = 4
    seed: int | None = None
    person: str | None = None

    def check(self) -> None:
        """Refuse values that make no test.

        Raises:
            OptionError: naming the value and the rule.
        """
        if self.mode not in ("single", "pair"):
            raise OptionError(f"`--mode` is `{self.mode}` but must be `single` or `pair`")
        if not 0 < self.seconds <= _MOST_SECONDS:  # NaN fails as well
            raise OptionError(
                f"`--seconds` is {self.seconds:g} but must be above 0 and at most {_MOST_SECONDS}"
            )
        if not 1 <= self.trials <= _MOST_TRIALS:
            raise OptionError(f"`--trials` is {self.trials} but must be 1 to {_MOST_TRIALS}")
        if not _SIZES[0] <= self.size <= _SIZES[1]:
            raise OptionError(
                f"`--size` is {self.size} but must be {_SIZES[0]} to {_SIZES[1]} pixels"
            )
        if not 0 <= self.catch <= self.trials:
            raise OptionError(
                f"`--catch` is {self.catch} but must be 0 to the number of trials, {self.trials}"
            )
        if self.person is not None and not self.person.strip():
            raise OptionError("`--person` is empty: give a name or a number, or leave it out")


def begin_or_resume(
    folder: Path, models: Sequence[ModelUsed], options: Options, path: Path
) -> Session:
    """Open the session in a file, or begin one there.

    Args:
        folder: of colour photos.
        models: what recolours, at least one, each once.
        options: of this call.
        path: the session file.

    Raises:
        OptionError: if a value is not allowed.
        DataError: if the folder has too few photos or others than the session, or the file is
            damaged or belongs to other settings.
        OutputError: if the file cannot be written.
    """
    options.check()
    if path.exists():
        asked = {**vars(options), "models": tuple(models)}
        if options.seed is None:
            del asked["seed"]
        session = Session.resume(path, asked)
        found = _fingerprint(folder, session.record.practice, session.record.plan)
        if found != session.record.settings.data_sha256:
            raise DataError(
                f"the photos of the session `{path}` are not as they were in `{folder}`: "
                "give the folder it was begun with, or another `--session` to begin a new one"
            )
        return session
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    wanted = options.trials + options.catch + PRACTICE
    chosen = choose(folder, count=wanted, size=options.size, seed=seed)
    names = [model.name for model in models]
    plan = make_plan(
        chosen.names,
        names,
        mode=options.mode,
        trials=options.trials,
        catch=options.catch,
        seed=seed,
    )
    practice = make_practice(plan, chosen.names, names, options.mode, seed)
    settings = Settings(
        **vars(dataclasses.replace(options, seed=seed)),
        models=tuple(models),
        data_sha256=_fingerprint(folder, practice, plan),
    )
    return Session.begin(path, settings, practice=practice, plan=plan, left_out=chosen.left_out)


def _fingerprint(folder: Path, *trials: Sequence[Trial]) -> str:
    return fingerprint(folder, [trial.picture for part in trials for trial in part])


@dataclass
class _Open:
    """The trial that is being shown."""

    token: str
    trial: Trial
    practice: bool
    pictures: dict[str, bytes] = field(default_factory=dict[str, bytes])


class Study:
    """One session being taken in a browser; safe to call from several threads."""

    def __init__(self, session: Session, folder: Path, colorizers: Mapping[str, Colorizer]) -> None:
        """Take a session.

        Args:
            session: begun or resumed.
            folder: its photos.
            colorizers: by the names of the session's models.
        """
        self._session = session
        self._lock = threading.RLock()
        self._open: _Open | None = None
        settings = session.record.settings
        self._practised = 0

        def make(trial: Trial) -> tuple[bytes, ...]:
            return images_of(
                trial,
                read=lambda name: shown_pixels(Photo.read(folder / name), settings.size),
                colorizers=colorizers,
            )

        self._ahead = _Ahead(make)
        self._prepare()

    def state(self) -> dict[str, object]:
        """Return what the page needs to know before and between trials."""
        settings = self._session.record.settings
        return {
            "mode": settings.mode,
            "seconds": settings.seconds,
            "size": settings.size,
            "person": settings.person,
            "practice": PRACTICE,
            "answered": len(self._session.record.answers),
            "total": len(self._session.record.plan),
            "finished": self._session.finished,
            "file": self._session.path.name,
        }

    def open(self, *, practice: bool) -> dict[str, object] | None:
        """Open the next trial; whatever was open before is void.

        Returns:
            Its token and the tokens of its pictures, or None if they are not ready yet.

        Raises:
            ConflictError: if all trials are answered.
            KoalarizeError: if a photo or the session file cannot be read or written.
        """
        with self._lock:
            trial = self._practice_trial() if practice else self._session.next_trial
        if trial is None:
            raise ConflictError("all trials are answered: see the results")
        images = self._ahead.get(trial)
        if images is None:
            return None
        with self._lock:
            if trial != (self._practice_trial() if practice else self._session.next_trial):
                raise ConflictError("the trial was answered in another window: go on here")
            if not practice:
                self._session.opened()
            opened = _Open(secrets.token_urlsafe(16) if practice else self._token, trial, practice)
            opened.pictures = {secrets.token_urlsafe(16): image for image in images}
            self._open = opened
            return {"trial": opened.token, "pictures": list(opened.pictures)}

    def picture(self, token: str) -> bytes | None:
        """Return a picture of the open trial, once; None for any other token."""
        with self._lock:
            return self._open.pictures.pop(token, None) if self._open else None

    def answer(
        self,
        token: str,
        answer: str,
        *,
        shown_ms: float,
        reaction_ms: float,
        interrupted: bool,
    ) -> dict[str, object]:
        """Take the answer to the open trial.

        Returns:
            The state; after a practice trial also whether the answer was right.

        Raises:
            ConflictError: if the trial is not the open one, or the answer is not of its mode.
            KoalarizeError: if the session file cannot be written; the trial stays open.
        """
        with self._lock:
            opened = self._open
            trial = self._session.next_trial
            if opened is None and trial is not None and token == self._token:
                # Opened before this program was started again: the person has seen its pictures.
                opened = _Open(token, trial, practice=False)
            if opened is None or opened.token != token:
                raise ConflictError(
                    "this trial is no longer open: the test went on in another window, so close "
                    "all windows but one, then go on with the next trial"
                )
            allowed = ("left", "right") if opened.trial.side else ("real", "recoloured")
            if answer not in allowed:
                raise ConflictError(f"the answer is `{answer}` but must be one of {allowed}")
            if opened.practice:
                self._practised += 1
                self._open = None
                self._prepare()
                truth = opened.trial.truth
                return {**self.state(), "correct": answer == truth, "truth": truth}
            self._session.answered(
                answer, shown_ms=shown_ms, reaction_ms=reaction_ms, interrupted=interrupted
            )
            self._open = None
            self._prepare()
            return self.state()

    def results(self) -> Report:
        """Return the report of the finished session.

        Raises:
            ConflictError: while trials are left, since numbers would tell about them.
        """
        if not self._session.finished:
            raise ConflictError("the results come after the last trial")
        return make_report([(self._session.path.stem, self._session.record)])

    def close(self) -> None:
        """Stop making pictures."""
        self._ahead.close()

    @property
    def _token(self) -> str:
        """The token of the next trial, opened as often as it has been; a restart keeps it."""
        record = self._session.record
        place = f"{len(record.answers)} {record.views}"
        digest = hmac.digest(record.id.encode(), place.encode(), "sha256")
        return urlsafe_b64encode(digest[:16]).decode().rstrip("=")

    def _practice_trial(self) -> Trial:
        practice = self._session.record.practice
        return practice[self._practised % len(practice)]

    def _prepare(self) -> None:
        done = len(self._session.record.answers)
        coming = list(self._session.record.plan[done : done + _AHEAD])
        if self._practised < PRACTICE and not done:
            practice = self._session.record.practice
            coming = [*practice[self._practised :][:_AHEAD], *coming]
        self._ahead.want(coming)


class _Ahead:
    """Makes the pictures of coming trials on a thread of its own."""

    def __init__(self, make: Callable[[Trial], tuple[bytes, ...]]) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="koalarize-turing")
        self._made: dict[Trial, Future[tuple[bytes, ...]]] = {}
        self._lock = threading.Lock()

    def want(self, trials: Sequence[Trial]) -> None:
        """Make these, in this order, and forget all others."""
        with self._lock:
            for trial in [trial for trial in self._made if trial not in trials]:
                self._made.pop(trial).cancel()
            for trial in trials:
                if trial not in self._made:
                    self._made[trial] = self._pool.submit(self._make, trial)

    def get(self, trial: Trial) -> tuple[bytes, ...] | None:
        """Return what was made of a trial, or None if it takes longer than a request may.

        Raises:
            PhotoError: if its photo cannot be read; asked again, it is tried again.
        """
        with self._lock:
            made = self._made.get(trial)
            if made is None or made.cancelled():
                made = self._made[trial] = self._pool.submit(self._make, trial)
        try:
            return made.result(timeout=_WAIT)
        except NotYet:
            return None
        except KoalarizeError:
            with self._lock:
                self._made.pop(trial, None)
            raise

    def close(self) -> None:
        """Stop after what is being made now."""
        self._pool.shutdown(wait=True, cancel_futures=True)
