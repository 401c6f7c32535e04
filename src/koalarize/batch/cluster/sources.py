"""What is to be coloured: pictures below a folder or a prefix.

Not here: rows of tables (``rows``), the list of all that was found (``manifest``). The rules by
which files are pictures are those of folder runs (``batch.find``).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from koalarize.batch.cluster.stores import (
    BLOCK,
    Item,
    LocalStore,
    Store,
    Version,
)
from koalarize.batch.find import Search, is_own, name_pattern, own_stem
from koalarize.batch.large import LARGE, check_kind
from koalarize.batch.passed_over import is_passed_over
from koalarize.errors import DataError, PhotoError
from koalarize.photo.files import read_extensions
from koalarize.photo.provenance import mark_of

__all__ = ["CONTROL", "Entry", "Files", "Source"]

#: Archives that fsspec opens, by their endings.
_PACKED = ("zip", "tar")
#: The folder below OUTPUT in which the run keeps what it knows; never searched for pictures.
CONTROL = "_koalarize"
#: Bytes of an object that are looked at first for a mark, which stands early in most kinds.
_BEGINNING = 256 << 10
#: More bytes than the sign of a mark has.
_SIGN = 256


@dataclass(frozen=True)
class Entry:
    """One picture to colour.

    Attributes:
        key: what it is called: its place below INPUT, or the key of its row.
        version: by what its bytes are known.
        name: the place that its result's name is made of: relative, with slashes.
        table: the table that holds it, None for a file.
        group: the row group of the table.
        row: the row in the group.
        problem: why there is nothing to colour, if so.
        reason: the same in few words.
    """

    key: str
    version: Version
    name: str
    table: str | None = None
    group: int = 0
    row: int = 0
    problem: str | None = None
    reason: str = "no picture"


class Source(Protocol):
    """Where pictures come from; it can be sent to other processes."""

    @property
    def place(self) -> str:
        """The address of INPUT in one spelling, by which rows know it."""
        ...

    @property
    def unread(self) -> Counter[str]:
        """How many files were passed over since they are of no kind that is read, by ending."""
        ...

    @property
    def results(self) -> int:
        """How many earlier results were passed over."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Go through all pictures, in order; raises DataError if INPUT cannot be listed."""
        ...

    def pictures(self, entries: Sequence[Entry]) -> Iterator[bytes | OSError | PhotoError]:
        """Yield the bytes of each, or why it cannot be read; neighbours in a table are cheap.

        A large file that does not begin as a picture is a PhotoError.
        """
        ...


@dataclass
class Files:
    """Pictures below a folder or a prefix.

    Attributes:
        store: INPUT.
        skipped: keys of folders that are not searched, as OUTPUT below INPUT.
        template: what results are called, as ``Naming`` takes it.
        unread: as ``Source`` says.
        results: likewise.
    """

    store: Store
    skipped: frozenset[str] = frozenset()
    template: str | None = None
    unread: Counter[str] = dataclasses.field(default_factory=Counter[str])
    results: int = 0

    @property
    def place(self) -> str:
        """The address in one spelling."""
        return self.store.place

    def entries(self) -> Iterator[Entry]:
        """Go through all pictures, folder by folder, each in the order of names."""
        try:
            if isinstance(self.store, LocalStore):
                yield from self._local(self.store)
            elif (alone := self.store.info("")) is not None:
                raise DataError(
                    f"`{self.store.address}` is one object of {alone.version.size} bytes but must "
                    "be a prefix, or a table that ends with .parquet: name what it lies in"
                )
            else:
                yield from self._remote()
        except OSError as error:
            raise DataError(
                f"`{self.store.address}` cannot be listed ({error}): check the address, and what "
                "its credentials allow"
            ) from error

    def pictures(self, entries: Sequence[Entry]) -> Iterator[bytes | OSError | PhotoError]:
        """Yield the bytes of each, or why it cannot be read."""
        for entry in entries:
            try:
                self._check_kind(entry)
                yield self.store.read(entry.key)
            except (OSError, PhotoError) as error:
                yield error

    def _check_kind(self, entry: Entry) -> None:
        """Refuse a large object of no known kind by its beginning; raises PhotoError."""
        if (entry.version.size or 0) < LARGE:
            return
        # What a store cannot give in parts is read whole, which says what is wrong.
        with contextlib.suppress(OSError, ValueError), self.store.stream(entry.key) as stream:
            check_kind(stream, entry.key)

    def _local(self, store: LocalStore) -> Iterator[Entry]:
        if store.root.is_file() and (kind := store.root.suffix.lower()[1:]) in _PACKED:
            raise DataError(
                f"`{store.address}` is an archive but must be an address: give `{kind}://::"
                f"{store.address}`, or unpack it"
            )
        if not store.root.is_dir():
            raise DataError(
                f"`{store.address}` is no folder: name a folder, an address as s3://bucket/box, or "
                "a table that ends with .parquet"
            )
        search = Search([store.root], name=self.template)
        for job in search:
            inside = job.source.is_relative_to(store.root)
            key = (job.source.relative_to(store.root) if inside else job.relative).as_posix()
            if key.partition("/")[0] == CONTROL or any(
                key.startswith(f"{folder}/") for folder in self.skipped
            ):
                continue
            if job.problem is not None and key == ".":  # of INPUT itself
                raise DataError(f"`{store.address}` {job.problem}")
            if job.problem is not None:
                yield Entry(key, Version(), key, problem=job.problem, reason=job.reason)
                continue
            try:
                key.encode()
                item = store.info(key)
                problem = None if item is not None else "it has gone meanwhile"
            except UnicodeEncodeError:
                key = key.encode("utf-8", "backslashreplace").decode()
                item, problem = None, "its name is no UTF-8, which tables cannot hold: rename it"
            except OSError as error:
                item, problem = None, f"cannot be looked up: {error.strerror or error}"
            version = Version() if item is None else item.version
            yield Entry(key, version, key, problem=problem, reason="cannot be read")
        self.unread.update(search.unread)
        self.results += search.results

    def _remote(self) -> Iterator[Entry]:
        """Go through a prefix; a store does not tell a misspelt one from an empty one."""
        none = True
        for entry in self._below(""):
            none = False
            yield entry
        if none and self.results:
            raise DataError(
                f"`{self.store.address}` holds only earlier results: name a prefix with pictures"
            )
        if none:
            raise DataError(
                f"`{self.store.address}` holds no picture, or does not exist: check the address; a "
                f"picture ends with {', '.join(read_extensions())}"
            )

    def _below(self, folder: str) -> Iterator[Entry]:
        children = self.store.children(folder)
        if children.unnamed:
            key = f"{folder}//"
            problem = f"`{key}` has nothing between two slashes, where nothing can be read: copy "
            problem += "what lies there to other keys"
            yield Entry(key, Version(), key, problem=problem, reason="cannot be read")
        stems = {
            PurePosixPath(item.key).stem
            for item in children.items
            if PurePosixPath(item.key).suffix.lower() in read_extensions()
        }
        for item in children.items:
            if self._takes(item, stems):
                yield Entry(item.key, item.version, item.key)
        for below in children.folders:
            name = below.rpartition("/")[2]
            above = PurePosixPath(folder).name
            if not (is_passed_over(name, above) or name == CONTROL or below in self.skipped):
                yield from self._below(below)

    def _takes(self, item: Item, stems: set[str]) -> bool:
        path = Path(PurePosixPath(item.key).name)
        if path.name.startswith("."):
            return False
        if path.suffix.lower() not in read_extensions():
            self.unread[path.suffix.lower()] += 1
            return False
        named = self.template is not None and name_pattern(self.template).fullmatch(path.stem)
        if not (is_own(path) or named):
            return True
        ours = own_stem(path) in stems or _is_marked(self.store, item.key)
        self.results += ours
        return not ours


def _is_marked(store: Store, key: str) -> bool:
    """Tell whether an object has our mark; no more is read than tells it, nor held."""
    with store.stream(key) as stream:
        size, rest = _BEGINNING, b""
        while block := stream.read(size):
            if mark_of(rest + block) is not None:
                return True
            size, rest = BLOCK, block[-_SIGN:]
    return False
