"""Stores that fsspec opens and pyarrow does not, as ``sftp://host/scans`` or ``https://``.

Not here: folders and pyarrow's stores (``stores``). Each of fsspec's packages raises errors of its
own; here all become OSError, so that one object that cannot be read is one picture that failed.
"""

from __future__ import annotations

import contextlib
import io
import re
import secrets
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from koalarize.batch.cluster.stores import BLOCK, Children, Item, RemoteStore, first_line
from koalarize.batch.cluster.versions import version_of_fsspec
from koalarize.errors import DataError, DependencyError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["FsspecStore", "open_by_fsspec"]

#: Stores in which an object appears whole when it is put, by the beginning of an address.
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "memory"})
_CREDENTIALS = re.compile(r"//[^/@]*@")


def open_by_fsspec(address: str) -> FsspecStore:
    """Open a place by its address.

    Raises:
        DataError: if fsspec cannot open it.
        DependencyError: if there is no fsspec.
    """
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"`{address}` is opened by fsspec, which is not installed: pip install fsspec"
        ) from error
    try:
        with _told():
            opened, root = cast("tuple[Any, str]", fsspec.core.url_to_fs(address))
    except (ImportError, OSError) as error:
        raise DataError(
            f"`{address}` cannot be opened ({first_line(error)}): name another"
        ) from error
    return FsspecStore(address, opened, root.rstrip("/") or root[:1])


@dataclass(frozen=True)
class FsspecStore(RemoteStore):
    """A place that one of fsspec's file systems opens.

    Attributes:
        address: what a person calls it.
        files: fsspec's file system.
        root: what it calls the place; a slash in front makes a difference, as in ``sftp``.
    """

    @property
    def place(self) -> str:
        """The address in one spelling; of a chain, as ``zip://::box.zip``, all of it says where."""
        if "::" in self.address:
            return f"{_CREDENTIALS.sub('//', self.address).rstrip('/')}/"
        return super().place

    def children(self, folder: str = "") -> Children:
        """Return what lies in a folder; nothing if there is none."""
        items: list[Item] = []
        folders: list[str] = []
        listed: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError), _told():
            listed = self.files.ls(self._path(folder), detail=True)
        for facts in listed:
            key = self._key(str(facts["name"]))
            if key in ("", folder):  # the mark that makes an empty folder
                continue
            if facts.get("type") == "directory":
                folders.append(key)
            else:
                items.append(Item(key, version_of_fsspec(facts)))
        return Children(sorted(items, key=lambda item: item.key), sorted(folders))

    def info(self, key: str) -> Item | None:
        """Return an object's version, or None if there is no such object."""
        try:
            with _told():
                facts = cast("dict[str, Any]", self.files.info(self._path(key)))
        except FileNotFoundError:
            return None
        return Item(key, version_of_fsspec(facts)) if facts.get("type") == "file" else None

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        with _told():
            return cast(bytes, self.files.cat_file(self._path(key)))

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        with contextlib.suppress(FileNotFoundError), _told():
            self.files.rm(self._path(key))

    def stream(self, key: str) -> BinaryIO:
        """Open an object for pyarrow."""
        with _told():
            return io.BufferedReader(_Raw(self.files.open(self._path(key), "rb")), BLOCK)

    def _put(self, key: str, local: BinaryIO) -> None:
        """Write an object at once, or under another name that is changed when all is written."""
        path = self._path(key)
        if self._puts_whole:
            data = local.read()
            with _told():
                self.files.pipe_file(path, data)
            return
        folder = path.rpartition("/")[0]
        temporary = f"{folder}/.koalarize-{secrets.token_hex(6)}.part"
        try:
            with _told():
                self.files.makedirs(folder, exist_ok=True)
                with self.files.open(temporary, "wb") as stream:
                    while block := local.read(BLOCK):
                        stream.write(block)
                self.files.mv(temporary, path, recursive=True)
        except BaseException:
            with contextlib.suppress(OSError), _told():
                self.files.rm(temporary)
            raise

    def _path(self, key: str) -> str:
        above = self.root.rstrip("/")
        return f"{above}/{key}" if self.root and key else self.root or key

    @property
    def _puts_whole(self) -> bool:
        named = self.files.protocol
        return bool(_WHOLE & {named, *(() if isinstance(named, str) else named)})


class _Raw(io.RawIOBase):
    """A file of fsspec, whose errors are OSError."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, into: WriteableBuffer, /) -> int:
        view = memoryview(into)
        with _told():
            data = cast(bytes, self._file.read(len(view)))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with _told():
            return cast(int, self._file.seek(offset, whence))

    def tell(self) -> int:
        return cast(int, self._file.tell())

    def close(self) -> None:
        if not self.closed:
            with _told():
                self._file.close()
        super().close()


@contextlib.contextmanager
def _told() -> Generator[None]:
    """Raise as OSError whatever a package behind fsspec raises."""
    try:
        yield
    except (OSError, ImportError):
        raise
    except Exception as error:
        raise OSError(first_line(error)) from error
