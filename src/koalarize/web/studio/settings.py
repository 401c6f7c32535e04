"""The limits of the service, in one place.

Not here: what they limit. ``koalarize serve`` sets a few of them; the rest suit one computer.
"""

from __future__ import annotations

from dataclasses import dataclass

from koalarize.errors import OptionError
from koalarize.web.addresses import checked_host
from koalarize.web.cors import checked_origin

__all__ = ["Settings"]

_MIB = 1 << 20


@dataclass(frozen=True)
class Settings:
    """Limits of the service.

    Attributes:
        hosts: addresses it listens on, besides this machine's own names.
        origins: other origins whose pages may use it.
        token: a secret that visitors must bring; None asks for none.
        max_bytes: of one upload.
        max_film: bytes of one film.
        max_json: bytes of any other body.
        max_pixels: of one picture.
        workers: requests that compute at once.
        queue: requests that may wait for them.
        timeout: seconds one request may wait and compute.
        upload_idle: seconds a body may stall.
        upload_seconds: seconds a body may take.
        upload_rate: bytes a second; one that comes as fast, or faster, may take longer.
        film_seconds: seconds a film may take to come; longer, too, if it comes as fast as that.
        upload_memory: bytes that uploads under way and in the queue may hold together.
        photos: photos kept.
        disk: bytes of photos kept in the temporary folder, and again of films and their results.
        memory: bytes of decoded photos, and of what was made of them, kept in memory.
        idle: seconds after which an unused photo leaves memory; its file stays.
        expiry: seconds after which an unused photo leaves.
        grace: seconds after which it leaves once its page was closed; a reload takes less.
    """

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    token: str | None = None
    max_bytes: int = 256 * _MIB
    max_film: int = 4096 * _MIB
    max_json: int = _MIB
    max_pixels: int = 150_000_000
    workers: int = 2
    queue: int = 16
    timeout: float = 60.0
    upload_idle: float = 20.0
    upload_seconds: float = 300.0
    upload_rate: int = 32 << 10
    film_seconds: float = 3600.0
    upload_memory: int = 1024 * _MIB
    photos: int = 500
    disk: int = 8192 * _MIB
    memory: int = 384 * _MIB
    idle: float = 600.0
    expiry: float = 12 * 3600.0
    grace: float = 300.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", tuple(map(checked_host, self.hosts)))
        object.__setattr__(self, "origins", tuple(map(checked_origin, self.origins)))
        counts = ("max_bytes", "max_film", "max_json", "max_pixels", "workers", "photos", "disk")
        for name in (*counts, "memory", "upload_rate"):
            if getattr(self, name) < 1:
                raise OptionError(f"`{name}` is {getattr(self, name)} but must be at least 1")
        if self.queue < 0:
            raise OptionError(f"`queue` is {self.queue} but must be 0 or more")
        uploads = ("upload_idle", "upload_seconds", "film_seconds")
        for name in ("timeout", *uploads, "idle", "expiry", "grace"):
            if not getattr(self, name) > 0:
                raise OptionError(f"`{name}` is {getattr(self, name)} but must be above 0 seconds")
