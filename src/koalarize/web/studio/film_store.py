"""Uploaded films, kept a while under their hash; looking for their shots, and colouring them.

Not here: HTTP, what a list of shots holds (``film_work``). Films lie in the service's own temporary
folder under names of its own. The extra `video` is loaded only when a film comes.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from koalarize.batch.full import full_disk
from koalarize.errors import KoalarizeError
from koalarize.web.studio.film_room import Claim, standing
from koalarize.web.studio.problems import Problem
from koalarize.web.studio.settings import Settings
from koalarize.web.studio.work_queue import Stop, Stopped

if TYPE_CHECKING:
    from koalarize.film.facts import Facts
    from koalarize.film.seek import Index

__all__ = ["Film", "FilmShot", "FilmStore", "Render"]

_LOG = logging.getLogger(__name__)

#: More shots than a page can show as pictures.
MOST_SHOTS = 300


@dataclass(frozen=True)
class FilmShot:
    """A shot of a film.

    Attributes:
        start: seconds of its first frame.
        stop: seconds before which it ends.
        pts: of the frame that stands for it, ticks.
        time: the same in seconds.
    """

    start: float
    stop: float
    pts: int
    time: float


@dataclass
class Render:
    """A film on its way to being coloured.

    Attributes:
        target: the file that it becomes.
        state: where it stands.
        done: frames.
        total: frames; 0 where nobody knows.
        bytes: coded so far.
        problem: why it failed, or None.
        notes: what of the film is not in the result.
        stop: asked to end it.
    """

    target: Path
    state: Literal["waiting", "running", "done", "failed", "cancelled"] = "waiting"
    done: int = 0
    total: int = 0
    bytes: int = 0
    problem: str | None = None
    notes: tuple[str, ...] = ()
    stop: Stop = field(default_factory=Stop)

    @property
    def busy(self) -> bool:
        """Whether it is not over."""
        return self.state in ("waiting", "running")


@dataclass
class Film:
    """One uploaded film.

    Attributes:
        id: sha256 of its bytes.
        name: the client's file name.
        file: where it lies.
        bytes: how many.
        facts: of it.
        state: whether its shots are known.
        seen: frames that were looked at for them.
        index: of its frames, once it was looked at.
        shots: those that a page shows.
        cuts: from and to of all of them, seconds.
        problem: why they are not known.
        render: the last colouring.
        used: when it was used last, seconds of the monotonic clock.
        left: whether its page was closed since.
    """

    id: str
    name: str
    file: Path
    bytes: int
    facts: Facts
    state: Literal["looking", "ready", "failed"] = "looking"
    seen: int = 0
    index: Index | None = None
    shots: list[FilmShot] = field(default_factory=list[FilmShot])
    cuts: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    problem: str | None = None
    render: Render | None = None
    used: float = field(default_factory=time.monotonic)
    left: bool = False
    stop: Stop = field(default_factory=Stop)

    @property
    def busy(self) -> bool:
        """Whether it is being coloured."""
        return self.render is not None and self.render.busy

    def told(self, error: KoalarizeError) -> str:
        """Return an error about it, without where it and its results lie on this machine."""
        folder = str(self.file.parent)
        said = str(error).replace(str(self.file), self.name)
        said = said.replace(folder + os.sep, "").replace(folder, "the service's folder")
        return said.replace(self.id, Path(self.name).stem or "film")


class FilmStore:
    """Films by their id; safe from several threads."""

    def __init__(self, folder: Path, settings: Settings, restore: Callable[[], None]) -> None:
        """Make a store in an empty folder of its own; ``restore`` makes it again if it went."""
        self._folder = folder
        self._restore = restore
        self._settings = settings
        self._films: dict[str, Film] = {}
        self._claims: list[Claim] = []
        self._lock = threading.RLock()
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="shots")
        self._rendering = ThreadPoolExecutor(1, thread_name_prefix="film")

    @contextmanager
    def room(self, size: int) -> Generator[Claim, None, None]:
        """Hold room on the disk for a film, until it is kept or given up.

        Args:
            size: bytes that the client announces; 0 if it does not.

        Raises:
            Problem: 413 or 507.
        """
        claim = Claim(size)
        self._restore()
        with self._lock:
            self._check_room(claim)
            self._claims.append(claim)
        try:
            yield claim
        finally:
            with self._lock:
                self._claims.remove(claim)

    def grow(self, claim: Claim, written: int) -> None:
        """Note how much of an upload will stand on the disk; other films may have to go for it.

        Raises:
            Problem: 413 or 507.
        """
        with self._lock:
            claim.written = written
            if written > claim.size:  # what was announced has been checked
                claim.size = written
                self._check_room(claim)
            self._make_room()

    def _check_room(self, claim: Claim) -> None:
        """Check that there is room for an upload, its colours and all others under way.

        Called with the lock held.

        Raises:
            Problem: 413 or 507.
        """
        settings = self._settings
        if claim.size > settings.max_film:
            raise Problem(
                413, f"the film has more than the {settings.max_film:,} bytes that are taken"
            )
        others = [one for one in self._claims if one is not claim]
        busy = [film.id for film in self._films.values() if film.busy]
        taken = sum(one.size for one in others)
        if busy:
            taken += sum(map(standing(self._folder).__getitem__, busy))
        if taken and taken + claim.size > settings.disk:
            raise Problem(
                507,
                "films that come or are being coloured take all room for films: "
                "wait until one is done",
            )
        to_write = sum(2 * one.size - one.written for one in (*others, claim))
        if shutil.disk_usage(self._folder).free < to_write:
            raise Problem(507, "the disk has no room for this film and its colours: free some")

    def partial(self, name: str) -> Path:
        """Return where an upload is written until it is whole."""
        return self._folder / f"film-{name}.part"

    def add(self, partial: Path, key: str, name: str) -> tuple[Film, bool]:
        """Keep a film that lies in a file; return it and whether it is new.

        Raises:
            Problem: 415 if it is no film, 501 if films cannot be read here.
        """
        known = self._known(key, name)
        if known is not None:
            return known, False
        from koalarize.web.studio.film_work import facts_of, look

        file = self._folder / f"{key}{_ending(name)}"
        facts = facts_of(partial, name, file)
        with self._lock:
            known = self._known(key, name)  # it may have come a second time meanwhile
            if known is not None:
                return known, False
            partial.replace(file)
            film = Film(key, name or "film.mp4", file, file.stat().st_size, facts)
            self._films[key] = film
            self._expire()
            self._make_room()
        self._looking.submit(self._told, film, lambda: look(film, MOST_SHOTS))
        return film, True

    def get(self, key: str) -> Film:
        """Return a film, which counts as use.

        Raises:
            Problem: 404 if there is none, or no longer.
        """
        with self._lock:
            self._expire()
            film = self._films.get(key)
            if film is None:
                raise Problem(404, "this film is not here, or no longer: upload it again")
            film.used, film.left = time.monotonic(), False
            return film

    def begin(self, film: Film, work: Callable[[Render], tuple[str, ...]], target: Path) -> Render:
        """Colour a film in a thread of its own, when those before it are done.

        Args:
            film: the film.
            work: colours it and returns notes; it looks at ``stop`` and tells how far it is.
            target: the file that it writes.

        Raises:
            Problem: 409 if it is being coloured.
        """
        with self._lock:
            if film.busy:
                raise Problem(409, "this film is being coloured: wait, or cancel that", "working")
            render = film.render = Render(target)

        def job() -> None:
            render.state = "running"
            try:
                render.stop.check()
                render.notes = work(render)
                render.state = "done"
            except Stopped:
                render.state = "cancelled"
            except BaseException as error:  # noqa: BLE001 (who asks for the film gets it)
                render.problem, render.state = _said(film, error), "failed"
            film.used = time.monotonic()
            self.sweep()

        self._rendering.submit(job)
        return render

    def delete(self, key: str) -> None:
        """Let a film go, with what was made of it.

        Raises:
            Problem: 404 if there is none.
        """
        with self._lock:
            if key not in self._films:
                raise Problem(404, "this film is not here, or no longer")
            self._drop(key)

    def leave(self, keys: list[str]) -> None:
        """Note that the page of these films was closed; they go soon if nobody uses them."""
        with self._lock:
            for key in keys:
                if key in self._films:
                    self._films[key].used, self._films[key].left = time.monotonic(), True

    def sweep(self) -> None:
        """Let go of what is too old or too much."""
        with self._lock:
            self._expire()
            self._make_room()

    def close(self) -> None:
        """End all work."""
        with self._lock:
            for film in self._films.values():
                film.stop.ask()
                if film.render is not None:
                    film.render.stop.ask()
        self._looking.shutdown(cancel_futures=True)
        self._rendering.shutdown(cancel_futures=True)

    def _known(self, key: str, name: str) -> Film | None:
        """Return a film that is here, under the name that it was sent by last."""
        with self._lock:
            film = self._films.get(key)
            if film is not None and not film.file.exists():  # temporary files were cleared
                self._drop(key)
                film = None
            if film is not None:
                film.name, film.used, film.left = name or film.name, time.monotonic(), False
            return film

    def _told(self, film: Film, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 (who asks for the film gets it)
            film.problem, film.state = _said(film, error), "failed"

    def _expire(self) -> None:
        """Drop what is too old; called with the lock held."""
        now, settings = time.monotonic(), self._settings
        for key, film in list(self._films.items()):
            most = settings.grace if film.left else settings.expiry
            if now - film.used > most and not film.busy:
                self._drop(key)

    def _make_room(self) -> None:
        """Drop the films used longest ago until all keep to the limit; called with the lock held.

        The one used last stays.
        """
        bytes_of = standing(self._folder)
        by_age = sorted(self._films.values(), key=lambda film: film.used)
        total = sum(bytes_of[film.id] for film in by_age)
        total += sum(claim.written for claim in self._claims)
        for film in by_age[:-1]:
            if total <= self._settings.disk:
                break
            if not film.busy:
                total -= bytes_of[film.id]
                self._drop(film.id)

    def _drop(self, key: str) -> None:
        film = self._films.pop(key)
        film.stop.ask()
        if film.render is not None:
            film.render.stop.ask()
        for path in self._folder.glob(f"*{key}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _said(film: Film, error: BaseException) -> str:
    """Return what a client is told of an error in a thread of its film; a bug is logged."""
    if isinstance(error, Exception) and full_disk(error, film.name) is not None:
        return "the disk has no room for the film's colours: free some, and colour it again"
    if isinstance(error, KoalarizeError):
        return film.told(error)
    _LOG.error("work on a film ended in a bug", exc_info=error)
    return "something went wrong that should not: please report it"


def _ending(name: str) -> str:
    from koalarize.film.names import FILM_EXTENSIONS

    ending = Path(name).suffix.lower()
    return ending if ending in FILM_EXTENSIONS else ""
