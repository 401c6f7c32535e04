"""Where objects are kept: local folders, and what pyarrow or fsspec opens, as ``s3://bucket/box``.

Not here: which objects are pictures (``sources``), what is done with them (``worker``). A key is an
object's name below the store's root, with slashes.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from koalarize.batch.cluster.versions import (
    Version,
    nanoseconds,
    version_of,
    version_of_arrow,
)
from koalarize.batch.full import full_disk
from koalarize.errors import DataError, OutputError
from koalarize.photo.files import FORMATS, MEDIA_TYPES, write_bytes

__all__ = [
    "BLOCK",
    "Children",
    "Item",
    "LocalStore",
    "RemoteStore",
    "Store",
    "Version",
    "first_line",
    "open_store",
    "real_place",
    "unwritable",
]

#: Stores in which an object appears whole when it is put.
_WHOLE = frozenset({"s3", "gcs", "abfs"})
#: What of a file is copied at once.
BLOCK = 8 << 20


@dataclass(frozen=True)
class Item:
    """An object of a store: its key and its version."""

    key: str
    version: Version


@dataclass(frozen=True)
class Children:
    """What lies directly in a folder.

    Attributes:
        items: the objects, sorted by name.
        folders: keys of the folders, likewise.
        unnamed: whether there are keys with nothing between two slashes, which cannot be read.
    """

    items: list[Item]
    folders: list[str]
    unnamed: bool = False


class Store(Protocol):
    """A place of objects; it can be sent to other processes."""

    @property
    def address(self) -> str:
        """What a person calls it."""
        ...

    @property
    def place(self) -> str:
        """The address in one spelling that ends with a slash, without credentials."""
        ...

    def children(self, folder: str = "") -> Children:
        """Return what lies in a folder; nothing if there is none."""
        ...

    def info(self, key: str) -> Item | None:
        """Return an object's version, or None if there is no such object."""
        ...

    def read(self, key: str) -> bytes:
        """Return an object's bytes; raises OSError."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whole or not at all; what stands there is replaced; raises OSError."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Write an object of a local file, likewise."""
        ...

    def remove(self, key: str) -> None:
        """Remove an object, if it is there; raises OSError."""
        ...

    def stream(self, key: str) -> BinaryIO:
        """Open an object for pyarrow; raises OSError."""
        ...


def open_store(address: str) -> Store:
    """Open a place by its address.

    Args:
        address: a local folder, ``file://``, ``s3://``, ``gs://``, ``abfs://``, ``hdfs://``, and
            whatever else fsspec opens with what is installed.

    Raises:
        DataError: if nothing here can open it.
    """
    if "://" not in address:
        return LocalStore(address, Path(os.path.abspath(address)))  # noqa: PTH100
    import pyarrow as pa
    from pyarrow import fs

    scheme = address.partition("://")[0]
    try:
        try:
            opened, root = fs.FileSystem.from_uri(_with_single_puts(address))
        except pa.ArrowInvalid:  # an older pyarrow does not know the wish
            opened, root = fs.FileSystem.from_uri(address)
    except (pa.ArrowException, OSError) as error:
        if scheme in ("file", "s3", "gs", "gcs", "hdfs", "abfs", "abfss"):
            raise DataError(
                f"`{address}` cannot be opened ({first_line(error)}): name another"
            ) from error
        from koalarize.batch.cluster.fsspec_store import open_by_fsspec

        return open_by_fsspec(address)
    if isinstance(opened, fs.LocalFileSystem):
        return LocalStore(address, Path(root))
    return RemoteStore(address, opened, root.strip("/"))


def _with_single_puts(address: str) -> str:
    """Let S3 take small objects in one request where it would take three."""
    if not address.startswith("s3://") or "allow_delayed_open" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}allow_delayed_open=true"


def first_line(error: BaseException) -> str:
    """Return what an error says first, or its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


@dataclass(frozen=True)
class LocalStore:
    """A folder on this machine or on a share that every machine sees by the same name."""

    address: str
    root: Path

    @property
    def place(self) -> str:
        """The folder's path; what of it is no UTF-8 is escaped, for tables cannot hold it."""
        path = f"{self.root.as_posix().rstrip('/')}/"
        return path.encode("utf-8", "backslashreplace").decode()

    def children(self, folder: str = "") -> Children:
        """Return what lies in a folder; nothing if there is none."""
        items: list[Item] = []
        folders: list[str] = []
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    key = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir():
                        folders.append(key)
                    elif entry.is_file():
                        items.append(Item(key, version_of(entry.stat())))
        except FileNotFoundError:
            pass
        return Children(sorted(items, key=lambda item: item.key), sorted(folders))

    def info(self, key: str) -> Item | None:
        """Return an object's version, or None if there is no such object."""
        path = self.root / key
        try:
            facts = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Item(key, version_of(facts)) if path.is_file() else None

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        return (self.root / key).read_bytes()

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whole or not at all."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(data, path, overwrite=True)

    def put_file(self, key: str, path: Path) -> None:
        """Write an object of a local file, likewise."""
        self.put(key, path.read_bytes())

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        (self.root / key).unlink(missing_ok=True)

    def stream(self, key: str) -> BinaryIO:
        """Open an object for pyarrow."""
        return (self.root / key).open("rb")


@dataclass(frozen=True)
class RemoteStore:
    """An object store, by one of pyarrow's file systems.

    Attributes:
        address: what a person calls it.
        files: pyarrow's file system.
        root: bucket and prefix, without slashes around them.
    """

    address: str
    files: Any
    root: str

    @property
    def place(self) -> str:
        """The address in one spelling; ``root`` begins with the host where that is a bucket."""
        said = urlsplit(self.address)
        ends = parse_qs(said.query).get("endpoint_override")
        host = ends[0] if ends else said.netloc.rpartition("@")[2]
        below = f"{self.root.strip('/')}/".removeprefix(f"{host}/")
        return f"{said.scheme}://{host}/{below}"

    def children(self, folder: str = "") -> Children:
        """Return what lies in a folder; nothing if there is none."""
        from pyarrow import fs

        items: list[Item] = []
        folders: list[str] = []
        unnamed = False
        place = self._path(folder)
        for facts in self.files.get_file_info(fs.FileSelector(place, allow_not_found=True)):
            key = self._key(facts.path)
            if facts.type == fs.FileType.Directory and key == folder:
                unnamed = True  # what is below `box//` is called `box`, and listed for ever
            elif facts.type == fs.FileType.Directory:
                folders.append(key)
            elif facts.type == fs.FileType.File:
                items.append(Item(key, version_of_arrow(facts)))
        return Children(sorted(items, key=lambda item: item.key), sorted(folders), unnamed)

    def info(self, key: str) -> Item | None:
        """Return an object's version, or None if there is no such object."""
        from pyarrow import fs

        if self.files.type_name == "s3" and key:
            return self._of_head(key)
        found = self.files.get_file_info(self._path(key))
        return Item(key, version_of_arrow(found)) if found.type == fs.FileType.File else None

    def _of_head(self, key: str) -> Item | None:
        """Ask S3 for one object; ``get_file_info`` would also list what lies below a missing one.

        A list costs as much as a dozen of these.
        """
        try:
            with self.files.open_input_file(self._path(key)) as file:
                facts = {name: value.decode() for name, value in file.metadata().items()}
                time = nanoseconds(facts.get("Last-Modified", ""))
                return Item(key, Version(cast(int, file.size()), facts.get("ETag"), time))
        except FileNotFoundError:
            return None

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        with self.files.open_input_stream(self._path(key)) as stream:
            return cast(bytes, stream.read())

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whole or not at all."""
        self._put(key, io.BytesIO(data))

    def put_file(self, key: str, path: Path) -> None:
        """Write an object of a local file, likewise; it is in memory where stores put at once."""
        with path.open("rb") as local:
            self._put(key, local)

    def _put(self, key: str, local: BinaryIO) -> None:
        """Write an object at once, or under another name that is changed when all is written.

        An error must not close a stream under the object's own name: that would show what it got so
        far. So all is read before such a stream is opened, and is given to it in one call.
        """
        path = self._path(key)
        if self._puts_whole:
            self._put_at_once(path, local.read())
            return
        folder = path.rpartition("/")[0]
        self.files.create_dir(folder, recursive=True)
        temporary = f"{folder}/.koalarize-{secrets.token_hex(6)}.part"
        try:
            with self.files.open_output_stream(temporary) as stream:
                while block := local.read(BLOCK):
                    stream.write(block)
            self.files.move(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self.files.delete_file(temporary)
            raise

    def _put_at_once(self, path: str, data: bytes) -> None:
        kind = MEDIA_TYPES.get(FORMATS.get(os.path.splitext(path)[1].lower(), ""))  # noqa: PTH122
        stream = self.files.open_output_stream(
            path, metadata={"Content-Type": kind} if kind else None
        )
        stream.write(data)
        stream.close()

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.files.delete_file(self._path(key))

    def stream(self, key: str) -> BinaryIO:
        """Open an object for pyarrow."""
        return cast(BinaryIO, self.files.open_input_file(self._path(key)))

    @property
    def _puts_whole(self) -> bool:
        return self.files.type_name in _WHOLE

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}" if self.root and key else self.root or key

    def _key(self, path: str) -> str:
        return path.strip("/").removeprefix(self.root.strip("/")).strip("/")


def real_place(place: str) -> str:
    """Return one spelling of the ``place`` of a store, through whichever links it is named."""
    if "://" in place:
        return place
    return f"{os.path.realpath(place).rstrip('/')}/"


def unwritable(store: Store, error: OSError) -> OutputError:
    """Return the error of a person whose OUTPUT cannot be read or written."""
    local = isinstance(store, LocalStore)
    check = "its name and permissions" if local else "the address, and what its credentials allow"
    return full_disk(error, store.address) or OutputError(
        f"`{store.address}` cannot be read or written ({' '.join(str(error).split())[:300]}): "
        f"check {check}"
    )
