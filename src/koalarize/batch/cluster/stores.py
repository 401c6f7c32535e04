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
    version_of_fsspec,
)
from koalarize.errors import DataError, DependencyError, OutputError
from koalarize.photo.files import FORMATS, MEDIA_TYPES, write_bytes

__all__ = [
    "Children",
    "Item",
    "LocalStore",
    "RemoteStore",
    "Store",
    "Version",
    "open_store",
    "real_place",
    "unwritable",
]

#: Stores in which an object appears whole when it is put.
_WHOLE = frozenset({"s3", "gcs", "abfs"})
#: The same of fsspec's, by the beginning of an address.
_WHOLE_FSSPEC = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"})
_BLOCK = 8 << 20


@dataclass(frozen=True)
class Item:
    """An object of a store: its key and its version."""

    key: str
    version: Version


@dataclass(frozen=True)
class Children:
    """What lies directly in a folder, sorted by name: objects, and keys of folders."""

    items: list[Item]
    folders: list[str]


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
                f"`{address}` cannot be opened ({_line(error)}): name another"
            ) from error
        opened, root = _by_fsspec(address)
    if isinstance(opened, fs.LocalFileSystem):
        return LocalStore(address, Path(root))
    return RemoteStore(address, opened, root.strip("/"))


def _with_single_puts(address: str) -> str:
    """Let S3 take small objects in one request where it would take three."""
    if not address.startswith("s3://") or "allow_delayed_open" in address:
        return address
    return f"{address}{'&' if '?' in address else '?'}allow_delayed_open=true"


def _by_fsspec(address: str) -> tuple[Any, str]:
    import pyarrow.fs as arrow

    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"`{address}` is opened by fsspec, which is not installed: pip install fsspec"
        ) from error
    try:
        opened, root = cast("tuple[Any, str]", fsspec.core.url_to_fs(address))
    except (ImportError, ValueError, OSError) as error:
        raise DataError(f"`{address}` cannot be opened ({_line(error)}): name another") from error
    return arrow.PyFileSystem(arrow.FSSpecHandler(opened)), root


def _line(error: BaseException) -> str:
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
        return f"{said.scheme}://{host}/{f'{self.root}/'.removeprefix(f'{host}/')}"

    def children(self, folder: str = "") -> Children:
        """Return what lies in a folder; nothing if there is none."""
        place = self._path(folder)
        if (fsspec := self._fsspec()) is not None:
            return self._by_fsspec(fsspec, place)
        from pyarrow import fs

        items: list[Item] = []
        folders: list[str] = []
        for facts in self.files.get_file_info(fs.FileSelector(place, allow_not_found=True)):
            if facts.type == fs.FileType.Directory:
                folders.append(self._key(facts.path))
            elif facts.type == fs.FileType.File:
                items.append(Item(self._key(facts.path), version_of_arrow(facts)))
        return Children(sorted(items, key=lambda item: item.key), sorted(folders))

    def _by_fsspec(self, fsspec: Any, place: str) -> Children:
        items: list[Item] = []
        folders: list[str] = []
        listed: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError):
            listed = fsspec.ls(place, detail=True)
        for facts in listed:
            key = self._key(str(facts["name"]))
            if facts.get("type") == "directory":
                folders.append(key)
            elif key:
                items.append(Item(key, version_of_fsspec(facts)))
        return Children(sorted(items, key=lambda item: item.key), sorted(folders))

    def info(self, key: str) -> Item | None:
        """Return an object's version, or None if there is no such object."""
        from pyarrow import fs

        if (fsspec := self._fsspec()) is not None:
            try:
                facts = cast("dict[str, Any]", fsspec.info(self._path(key)))
            except FileNotFoundError:
                return None
            return Item(key, version_of_fsspec(facts)) if facts.get("type") == "file" else None
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
                while block := local.read(_BLOCK):
                    stream.write(block)
            self.files.move(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self.files.delete_file(temporary)
            raise

    def _put_at_once(self, path: str, data: bytes) -> None:
        if (fsspec := self._fsspec()) is not None:
            fsspec.pipe_file(path, data)
            return
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
        if (fsspec := self._fsspec()) is None:
            return self.files.type_name in _WHOLE
        named = fsspec.protocol
        return bool(_WHOLE_FSSPEC & {named, *(() if isinstance(named, str) else named)})

    def _fsspec(self) -> Any:
        """Return fsspec's file system, if this is one of its."""
        return getattr(getattr(self.files, "handler", None), "fs", None)

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}" if self.root and key else self.root or key

    def _key(self, path: str) -> str:
        return path.strip("/").removeprefix(self.root).strip("/")


def real_place(place: str) -> str:
    """Return one spelling of the ``place`` of a store, through whichever links it is named."""
    if "://" in place:
        return place
    return f"{os.path.realpath(place).rstrip('/')}/"


def unwritable(store: Store, error: OSError) -> OutputError:
    """Return the error of a person whose OUTPUT cannot be read or written."""
    return OutputError(
        f"`{store.address}` cannot be read or written ({' '.join(str(error).split())[:300]}): "
        "check the address, and what its credentials allow"
    )
