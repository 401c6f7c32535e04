"""Uploaded photos, kept a while under their hash; decoded ones in a bounded cache.

Not here: HTTP, colours. Bytes lie in the service's own temporary folder under names of its own;
nothing of a path ever comes from a client. Called from worker threads.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.colorizer.chroma import Chroma
from koalarize.colorizer.look import Look
from koalarize.colorizer.prepare import placed_size, preparation, prepared
from koalarize.photo.negative import looks_like_color_negative
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN, Steering
from koalarize.web.studio.cache import Cache
from koalarize.web.studio.problems import Problem
from koalarize.web.studio.reading import read_photo
from koalarize.web.studio.settings import Settings

__all__ = ["Entry", "Opened", "PhotoStore"]

#: Where the classes live whose arrays belong to a photo.
_HOLDERS = (
    "koalarize.colorizer",
    "koalarize.photo",
    "koalarize.steering",
    "koalarize.engines.engine",
)
_PREVIEWS = 3
_LOOKS = 3
_CHROMAS = 12
_FINER = 2  # times the size that is shown: as sharp as the photo straightened itself
_OTHERS = 2  # each is as large as the photo: as it is coloured, and the original in its place


class Opened:
    """A decoded photo and what was made of it: small versions, looks, colourings."""

    def __init__(self, photo: Photo) -> None:
        """Keep a photo."""
        self.photo = photo
        self.looks: Cache[Look] = Cache(_LOOKS)
        self.chromas: Cache[Chroma] = Cache(_CHROMAS)
        self._small: Cache[Photo] = Cache(_PREVIEWS)
        self._others: Cache[Opened] = Cache(_OTHERS)

    def prepared(self, steering: Steering) -> Opened:
        """Return the photo as ``colorizer.prepare`` makes it, or itself."""
        asked = preparation(steering)
        if asked == preparation(PLAIN):
            return self
        return self._others.get(asked, lambda: Opened(prepared(self.photo, asked)))

    @property
    def bytes(self) -> int:
        """What it holds in memory."""
        parts = (self.chromas, self._small, self.looks, self._others)
        return _held(self.photo) + sum(_held(part.things) for part in parts)

    def shed(self) -> bool:
        """Drop something that can be made again; return whether there was anything."""
        return any(part.shed() for part in (self.chromas, self._small, self._others, self.looks))

    def small(self, side: int) -> Photo:
        """Return the photo with its longer side at most ``side`` pixels, 8 bits."""
        photo = self.photo
        size = _fitting((photo.width, photo.height), side)

        def make() -> Photo:
            alpha = None if photo.alpha is None else _shrunk(photo.alpha, size)
            return Photo(_shrunk(photo.pixels, size), alpha)

        return self._small.get(size, make)

    def straightened(self, asked: Steering, side: int) -> Opened:
        """Return the photo in its place, to be shown with its longer side at most ``side`` pixels.

        Of a large one a version of twice that size is straightened (99 MP in colour at 1600 pixels
        on one core, 2026-12-03: 2.6 s; as they are, 12 MP took so long).
        """
        whole = placed_size(asked, (self.photo.width, self.photo.height))
        if not asked.straighten or max(whole) <= _FINER * side:
            return self.prepared(asked)

        def make() -> Photo:
            longest = max(self.photo.width, self.photo.height)
            photo = prepared(self.small(round(_FINER * side * longest / max(whole))), asked)
            size = _fitting(whole, side)
            alpha = None if photo.alpha is None else _shrunk(photo.alpha, size)
            return Photo(_shrunk(photo.pixels, size), alpha)

        return Opened(self._small.get((asked, side), make))


@dataclass(frozen=True)
class Entry:
    """One uploaded photo.

    Attributes:
        id: sha256 of its bytes.
        name: the client's file name.
        file: where its bytes lie.
        bytes: how many.
        width: of the upright photo, pixels.
        height: of the upright photo, pixels.
        format: Pillow's name of its format.
        grey: whether it holds no colour of its own.
        negative: whether it looks like a negative of colour film.
        deep: whether it has 16 bits.
        exif: whether it has EXIF data.
        pages: how many pages or frames its file has, of which this is the first.
        notes: what of its file is not in it, a phrase each.
        tolerant: whether it is read as far as it goes.
        used: when it was used last, seconds of the monotonic clock.
        left: whether its page was closed since.
    """

    id: str
    name: str
    file: Path
    bytes: int
    width: int
    height: int
    format: str
    grey: bool
    negative: bool
    deep: bool
    exif: bool
    pages: int
    notes: tuple[str, ...]
    tolerant: bool
    used: float
    left: bool = False


class PhotoStore:
    """Photos by their id, the least recently used leaving first; safe from several threads."""

    def __init__(self, folder: Path, settings: Settings, restore: Callable[[], None]) -> None:
        """Make a store in an empty folder of its own; ``restore`` makes it again if it went."""
        self._folder = folder
        self._restore = restore
        self._settings = settings
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, data: bytes, name: str, *, tolerant: bool = False) -> tuple[Entry, bool]:
        """Keep a photo; return its entry and whether it is new.

        Raises:
            PhotoError: if it is no picture.
            Problem: 413 if it is too large, 415 if it is damaged and not to be read as far as it
                goes.
        """
        photo = read_photo(data, self._settings, tolerant=tolerant)
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._sweep()
            known = self._entries.get(key)
            if known is not None and known.file.exists():
                entry = replace(known, name=name or known.name, used=time.monotonic(), left=False)
                self._entries[key] = entry
                self._entries.move_to_end(key)
                return entry, False
        file = self._folder / key
        partial = self._folder / f"{key}.{threading.get_ident()}.part"
        try:
            self._restore()
            partial.write_bytes(data)
            partial.replace(file)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise Problem(
                507, "the disk has no room for this photo: free some, or let other photos go"
            ) from error
        entry = Entry(
            id=key,
            name=name or f"photo.{photo.format.lower()}",
            file=file,
            bytes=len(data),
            width=photo.width,
            height=photo.height,
            format=photo.format,
            grey=photo.is_grey,
            negative=looks_like_color_negative(photo),
            deep=photo.pixels.dtype == np.uint16,
            exif=photo.exif is not None,
            pages=photo.pages,
            notes=photo.notes,
            tolerant=tolerant,
            used=time.monotonic(),
        )
        with self._lock:
            new = key not in self._entries
            self._entries[key] = entry
            self._keep_open(key, Opened(photo))
            self._sweep()
        return entry, new

    def get(self, key: str) -> Entry:
        """Return an entry, which counts as use.

        Raises:
            Problem: 404 if there is none, or no longer.
        """
        with self._lock:
            self._sweep()
            entry = self._entries.get(key)
            if entry is None:
                raise Problem(404, "this photo is not here, or no longer: upload it again")
            entry = replace(entry, used=time.monotonic(), left=False)
            self._entries[key] = entry
            self._entries.move_to_end(key)
            return entry

    @contextmanager
    def open(self, entry: Entry) -> Generator[Opened, None, None]:
        """Yield the decoded photo, decoding it again if it was dropped.

        After use, what was made of it is counted, and what is too much is dropped.

        Raises:
            Problem: 404 if it was deleted meanwhile.
        """
        with self._lock:
            opened = self._opened.get(entry.id)
            if opened is not None:
                self._opened.move_to_end(entry.id)
        if opened is None:
            try:
                data = entry.file.read_bytes()
            except OSError as error:
                raise Problem(404, "this photo is no longer here: upload it again") from error
            opened = Opened(
                Photo.read(data, max_pixels=self._settings.max_pixels, tolerant=entry.tolerant)
            )
            del data
            with self._lock:
                if entry.id in self._entries:
                    opened = self._keep_open(entry.id, opened)
        try:
            yield opened
        finally:
            self._trim()

    def delete(self, key: str) -> None:
        """Let a photo go.

        Raises:
            Problem: 404 if there is none.
        """
        with self._lock:
            if key not in self._entries:
                raise Problem(404, "this photo is not here, or no longer")
            self._drop(key)

    def leave(self, keys: Sequence[str]) -> None:
        """Note that the page of these photos was closed; they go soon if nobody uses them."""
        now = time.monotonic()
        with self._lock:
            for key in keys:
                if key in self._entries:
                    self._entries[key] = replace(self._entries[key], used=now, left=True)

    def sweep(self) -> None:
        """Let go of what is too old or too much."""
        with self._lock:
            self._sweep()

    def _keep_open(self, key: str, opened: Opened) -> Opened:
        opened = self._opened.setdefault(key, opened)
        self._opened.move_to_end(key)
        self._trim()
        return opened

    def _trim(self) -> None:
        """Drop decoded photos and what was made of them until they keep to their budget.

        One decoded photo always stays.
        """
        with self._lock:
            total = sum(one.bytes for one in self._opened.values())
            while total > self._settings.memory and len(self._opened) > 1:
                total -= self._opened.popitem(last=False)[1].bytes
            for last in self._opened.values():
                while last.bytes > self._settings.memory and last.shed():
                    pass

    def _sweep(self) -> None:
        """Drop what is too old or too much; called with the lock held."""
        now, settings = time.monotonic(), self._settings
        old = [
            key
            for key, one in self._entries.items()
            if now - one.used > (settings.grace if one.left else settings.expiry)
        ]
        for key in old:
            self._drop(key)
        for key in [one for one in self._opened if now - self._entries[one].used > settings.idle]:
            del self._opened[key]
        total = sum(one.bytes for one in self._entries.values())
        while len(self._entries) > settings.photos or (
            total > settings.disk and len(self._entries) > 1
        ):
            key, entry = next(iter(self._entries.items()))
            total -= entry.bytes
            self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key)
        self._opened.pop(key, None)
        entry.file.unlink(missing_ok=True)


def _held(thing: object, seen: set[int] | None = None) -> int:
    """Return the bytes of all arrays that a thing of ours holds; networks are not its own."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes if thing.base is None else _held(thing.base, seen)
    if isinstance(thing, dict):
        # A copy: another thread may add to it meanwhile.
        return sum(_held(part, seen) for part in list(cast("dict[Any, Any]", thing).values()))
    if isinstance(thing, (list, tuple)):
        return sum(_held(part, seen) for part in cast("Sequence[object]", thing))
    if isinstance(thing, bytes):
        return len(thing)
    if isinstance(thing, Opened):
        return thing.bytes
    if not type(thing).__module__.startswith(_HOLDERS):
        return 0
    names = (*getattr(thing, "__dict__", ()), *getattr(thing, "__slots__", ()))
    return sum(_held(getattr(thing, name), seen) for name in names)


def _fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return width and height made smaller, if need be, so that the longer is at most ``side``."""
    scale = side / max(size)
    if scale >= 1:
        return size
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _shrunk(pixels: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return 8-bit levels (h, w) or (h, w, 3) at a size no larger than the given one."""
    if pixels.dtype == np.uint16:
        step = max(1, min(pixels.shape[0] // (2 * size[1]), pixels.shape[1] // (2 * size[0])))
        pixels = ((pixels[::step, ::step].astype(np.uint32) + 128) // 257).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(image)
