"""Fetch one large file over HTTP: resumable, patient, whole or not at all.

Not here: what is fetched and what becomes of it (``lab.datasets``). Standard library only.
Bytes go to ``NAME.part``; ``NAME.part.json`` says whose they are, so that a later run goes on only
with the same file of the same server (``ETag`` or ``Last-Modified`` in ``If-Range``, and its size).
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from koalarize.errors import DataError, OptionError, OutputError

__all__ = ["Fetched", "Patience", "fetch", "write_whole"]

#: Called with the bytes done and, where known, the bytes there are.
Progress = Callable[[int, "int | None"], None]

log = logging.getLogger(__name__)
_BLOCK = 1 << 16
_LONGEST_PAUSE = 60.0
_PASSING = frozenset({408, 425, 429})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)$")


@dataclass(frozen=True)
class Patience:
    """How long a download is tried.

    Attributes:
        timeout: seconds that connecting and each read may take.
        attempts: connections in a row that may bring no new byte.
        pause: seconds before the second attempt; doubled each time, at most a minute.
    """

    timeout: float = 60.0
    attempts: int = 6
    pause: float = 1.0


@dataclass(frozen=True)
class Fetched:
    """What was fetched: the size in bytes and the server's ``ETag``, where it gives one."""

    bytes: int
    etag: str | None


class _DroppedError(Exception):
    """An attempt that failed and may be repeated."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _Origin:
    """Whose bytes a ``.part`` holds."""

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None


class _Part:
    """What is there of a download."""

    def __init__(self, target: Path, url: str, way_out: str) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")
        self.url = url
        self.way_out = way_out
        self.best = 0  # bytes reached so far: what counts as getting on
        self.origin = _read_origin(self.note)
        if self.origin.url != url or self.origin.total is None:
            self.discard()
        else:
            self.best = self.size

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def finished(self) -> bool:
        return self.origin.total is not None and self.size == self.origin.total

    def discard(self) -> None:
        self.origin = _Origin(self.url)
        self.best = 0
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for what is missing."""
        if not self.size:
            return {}
        headers = {"Range": f"bytes={self.size}-"}
        strong = self.origin.etag if not (self.origin.etag or "W/").startswith("W/") else None
        if strong or self.origin.modified:
            headers["If-Range"] = strong or self.origin.modified or ""
        return headers

    def begin(self, response: Any) -> None:
        """Take the answer's headers: go on behind what is there, or start again."""
        found = _origin_of(response, self.url)
        if response.status == 206:
            same = found.total == self.origin.total
            if found.etag not in (None, self.origin.etag):
                same = False
            if not same or _range_start(response) != self.size:
                self.discard()
                raise _DroppedError("the file on the server has changed, so it is fetched again")
            return
        if response.status != 200:
            raise DataError(f"`{self.url}` answers {response.status}, which is no file: check it")
        if self.size:
            log.info("the server sends %s from its beginning", self.path.stem)
        if (found.etag, found.total) != (self.origin.etag, self.origin.total):
            self.best = 0
        self.origin = found
        self.path.write_bytes(b"")
        write_whole(json.dumps(asdict(found)).encode(), self.note)


def fetch(
    url: str,
    target: Path,
    *,
    progress: Progress | None = None,
    room: Callable[[int, int], None] | None = None,
    patience: Patience | None = None,
    way_out: str | None = None,
) -> Fetched:
    """Fetch a file; go on where an earlier, interrupted call stopped.

    Dropped connections, timeouts and answers 408, 425, 429 and 5xx are tried again. A server
    without ranges, or whose file has changed, makes it start again.

    Args:
        url: an http or https address.
        target: where the file goes when it is whole; its folder exists.
        progress: called after each block.
        room: called once the size is known, with all bytes and those that are there; may raise.
        patience: how long it is tried.
        way_out: what a person may do about an address that does not answer; by default to name
            another mirror, or to put the file there by hand.

    Raises:
        OptionError: if the address is of another kind.
        DataError: if the server refuses, or cannot be reached.
        OutputError: if the file cannot be written; what was fetched is kept.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise OptionError(f"`{url}` is no address to fetch from: it must begin with http(s)://")
    patience = patience or Patience()
    if way_out is None:
        way_out = f"name another --mirror, or put the file at `{target}` by hand"
    try:
        part = _Part(target, url, way_out)
        failures = 0
        while not part.finished:
            try:
                _attempt(part, patience.timeout, progress, room)
                break
            except _DroppedError as drop:
                if part.size > part.best:
                    part.best, failures = part.size, 0
                failures += 1
                if failures >= patience.attempts:
                    raise _unreachable(url, way_out, str(drop), failures) from drop
                pause = max(drop.wait, patience.pause * 2 ** (failures - 1))
                log.info("%s: %s; trying again", target.name, drop)
                time.sleep(min(_LONGEST_PAUSE, pause))
        size, etag = part.size, part.origin.etag
        part.path.replace(target)
        part.note.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"`{target}` cannot be written ({error.strerror or error}): make room or choose "
            "another folder, then run again; what was fetched is kept"
        ) from error
    return Fetched(size, etag)


def write_whole(data: bytes, path: Path) -> None:
    """Write a file under a hidden name beside it, then rename it over whatever was there.

    Unlike ``photo.files.write_bytes`` the hidden name is always the same: a killed run of 120,000
    pictures is gone on with, and its half file is written over.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _attempt(
    part: _Part,
    timeout: float,
    progress: Progress | None,
    room: Callable[[int, int], None] | None,
) -> None:
    """Fetch what is missing over one connection."""
    headers = {"User-Agent": "koalarize", "Accept-Encoding": "identity", **part.headers()}
    request = urllib.request.Request(part.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        _refused(error, part)
    except urllib.error.URLError as error:
        raise _DroppedError(_reason(error.reason) + _by_proxy(part.url)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _DroppedError(_reason(error) + _by_proxy(part.url)) from error
    else:
        with response:
            part.begin(response)
            if room is not None and part.origin.total is not None:
                room(part.origin.total, part.size)
            _copy(response, part, progress)


def _copy(response: Any, part: _Part, progress: Progress | None) -> None:
    total, done = part.origin.total, part.size
    with part.path.open("ab") as stream:
        while total is None or done < total:
            try:
                block = response.read1(_BLOCK if total is None else min(_BLOCK, total - done))
            except (OSError, http.client.HTTPException) as error:
                raise _DroppedError(_reason(error)) from error
            if not block:
                break
            stream.write(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
    if total is not None and done < total:
        raise _DroppedError(f"the connection ended after {done:,} of {total:,} bytes")


def _refused(error: urllib.error.HTTPError, part: _Part) -> NoReturn:
    answer = f"the server answers {error.code} {error.reason}".rstrip()
    with error:
        if error.code == 416:
            part.discard()
            raise _DroppedError(f"{answer}, so it is fetched again") from error
        if error.code in _PASSING or error.code >= 500:
            wait = error.headers.get("Retry-After") or "0"
            raise _DroppedError(answer, float(wait) if wait.isdecimal() else 0.0) from error
    also = f"; {part.way_out}" if part.way_out else ""
    raise DataError(f"`{part.url}`: {answer}{also}") from error


def _unreachable(url: str, way_out: str, reason: str, attempts: int) -> DataError:
    tried = f"`{url}` could not be fetched, {attempts} times in a row ({reason})"
    if not way_out:
        return DataError(tried)
    return DataError(f"{tried}: run again later, which goes on from there, or {way_out}")


def _read_origin(note: Path) -> _Origin:
    try:
        return _Origin(**json.loads(note.read_bytes()))
    except (OSError, ValueError, TypeError):  # none there, or half of one
        return _Origin("")


def _origin_of(response: Any, url: str) -> _Origin:
    headers = response.headers
    length = headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if response.status == 206:
        match = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
        total = int(match.group(2)) if match else None
    return _Origin(url, headers.get("ETag"), headers.get("Last-Modified"), total)


def _range_start(response: Any) -> int | None:
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else None


def _by_proxy(url: str) -> str:
    """Return which proxy stands between, as the environment or the system names it, or ""."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return ""
    secret, _, host = proxy.rpartition("@")
    scheme = secret.partition("://")[0] + "://" if secret else ""
    only = ", of which only http(s) ones are used" if proxy.startswith("socks") else ""
    return f", by way of the proxy {scheme}{host} of `{parts.scheme}_proxy`{only}"


def _reason(error: BaseException | str) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
