"""By what the bytes of an object are known without reading them, whoever says it.

Not here: the objects (``stores``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

__all__ = ["Version", "nanoseconds", "version_of", "version_of_arrow", "version_of_fsspec"]

_ETAGS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")


@dataclass(frozen=True)
class Version:
    """By what the bytes of an object are known without reading them.

    Attributes:
        size: bytes; None where nobody says.
        etag: what the store calls these bytes, where it says.
        time: when they were written, in nanoseconds, where the store says, and 64 bits hold it.
    """

    size: int | None = None
    etag: str | None = None
    time: int | None = None

    def fits(self, other: Version) -> bool:
        """Tell whether both are surely the same bytes."""
        if self.size != other.size:
            return False
        if self.etag is not None and other.etag is not None:
            return self.etag == other.etag
        return self.time is not None and self.time == other.time


def version_of(facts: os.stat_result) -> Version:
    """Return the version of a local file."""
    return Version(facts.st_size, None, _held(facts.st_mtime_ns))


class _ArrowInfo(Protocol):
    """What of pyarrow's ``FileInfo`` is read here."""

    @property
    def size(self) -> int | None: ...

    @property
    def mtime_ns(self) -> int | None: ...


def version_of_arrow(facts: _ArrowInfo) -> Version:
    """Return the version that pyarrow's ``FileInfo`` names."""
    return Version(facts.size, None, facts.mtime_ns)


def version_of_fsspec(facts: Mapping[str, object]) -> Version:
    """Return the version that fsspec's ``info`` names; its keys depend on the store."""
    etag = next((str(facts[name]) for name in _ETAGS if facts.get(name)), None)
    time = next((nanoseconds(facts[name]) for name in _TIMES if facts.get(name)), None)
    return Version(cast("int | None", facts.get("size")), etag, time)


def nanoseconds(time: object) -> int | None:
    """Return a time of any kind that stores say in nanoseconds; None if it is no time."""
    if isinstance(time, datetime):
        return _held(int(time.timestamp() * 1e9))
    if isinstance(time, str):
        with contextlib.suppress(ValueError):
            return _held(int(datetime.fromisoformat(time).timestamp() * 1e9))
        return None
    return _held(int(time * 1e9)) if isinstance(time, (int, float)) else None


def _held(time: int) -> int | None:
    """Return a time that Parquet can hold; none of a clock that is wrong by centuries."""
    return time if abs(time) < 2**63 else None
