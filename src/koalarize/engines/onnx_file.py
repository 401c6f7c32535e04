"""Look into an ONNX file before anything loads it: what it declares, and what it refers to.

Not here: loading it (``session``). Reads protobuf's wire format by itself, since the package `onnx`
is not needed to colour pictures; contents are passed over, never copied.
A person's own file is data from anywhere: it may name files outside its folder, or declare weights
that would fill the memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath

from koalarize.errors import ModelError

__all__ = ["MOST_VALUES", "check_file"]

#: Values of all weights together that a file may declare: the largest colorizers have 0.3 billion.
MOST_VALUES = 2_000_000_000

_DEEPEST = 16  # graphs inside graphs
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: Numbers of fields in onnx.proto: which messages lead to tensors.
_MODEL = {7: "graph", 25: "function"}
_INSIDE = {
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_DIMS, _NAME, _EXTERNAL = 1, 8, 13


class _WrongFormatError(Exception):
    """Bytes that are no protobuf."""


@dataclass
class _Reader:
    """Walks through one file.

    Attributes:
        path: the file.
        data: its bytes.
        values: values of the tensors met so far.
        beside: the files of weights beside it that were met so far.
    """

    path: Path
    data: mmap.mmap
    values: int = 0
    beside: set[Path] = field(default_factory=set[Path])

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield number, wire type, and either (value, 0) or the span (from, to) of each field."""
        at = start
        while at < end:
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                value, at = self._varint(at, end)
                yield number, wire, value, 0
                continue
            if wire == _BYTES:
                length, at = self._varint(at, end)
            elif wire in (_FIXED64, _FIXED32):
                length = 8 if wire == _FIXED64 else 4
            else:
                raise _WrongFormatError
            if number == 0 or at + length > end:
                raise _WrongFormatError
            yield number, wire, at, at + length
            at += length

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at
        raise _WrongFormatError

    def text(self, start: int, end: int) -> str:
        return self.data[start:end].decode("utf-8", "replace")

    def walk(self, kind: str, start: int, end: int, depth: int = 0) -> None:
        """Look for tensors in a message."""
        if kind == "tensor":
            self._tensor(start, end)
            return
        if depth > 3 * _DEEPEST:
            raise ModelError(
                f"`{self.path}` holds graphs inside graphs, deeper than {_DEEPEST}: "
                "give a model without control flow"
            )
        inside = _INSIDE[kind]
        for number, wire, first, last in self.fields(start, end):
            if wire == _BYTES and number in inside:
                self.walk(inside[number], first, last, depth + 1)

    def _tensor(self, start: int, end: int) -> None:
        dims: list[int] = []
        external: dict[str, str] = {}
        name = "?"
        for number, wire, first, last in self.fields(start, end):
            if number == _DIMS and wire == _VARINT:
                dims.append(first)
            elif number == _DIMS and wire == _BYTES:
                at = first
                while at < last:
                    value, at = self._varint(at, last)
                    dims.append(value)
            elif number == _NAME and wire == _BYTES:
                name = self.text(first, last)
            elif number == _EXTERNAL and wire == _BYTES:
                entry = {n: self.text(a, b) for n, w, a, b in self.fields(first, last) if w == 2}
                external[entry.get(1, "")] = entry.get(2, "")
        count = prod(dims)
        self.values += count
        if self.values > MOST_VALUES:
            raise ModelError(
                f"`{self.path}` declares weights of {self.values:,} values (`{name}` is "
                f"{' x '.join(map(str, dims))}) but at most {MOST_VALUES:,} are taken: "
                "this is no model to colour pictures with"
            )
        held = end - start
        if external:
            held = self._beside(name, external)
        if count > 2 * held:  # four bits a value is the least there is
            raise ModelError(
                f"`{self.path}` declares {count:,} values in `{name}` but holds {held:,} bytes for "
                "them: the file is damaged"
            )

    def _beside(self, name: str, external: dict[str, str]) -> int:
        """Check a file of weights beside the model; return how many bytes the tensor has in it."""
        location = external.get("location", "")
        folder = self.path.parent.resolve()
        absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
        place = (folder / location).resolve()
        if not location or absolute or not place.is_relative_to(folder):
            raise ModelError(
                f"`{self.path}` keeps the weights `{name}` in `{location}`, outside its own "
                "folder: only files beside it are read"
            )
        if not place.is_file():
            raise ModelError(
                f"`{self.path}` keeps the weights `{name}` in `{location}`, which is not beside "
                "it: put that file there"
            )
        size = place.stat().st_size
        try:
            offset = int(external.get("offset", "0"))
            length = int(external.get("length", size - offset))
        except ValueError:
            offset, length = size, 1
        if offset < 0 or length < 0 or offset + length > size:
            raise ModelError(
                f"`{self.path}` looks for the weights `{name}` beyond the end of `{location}`: "
                "the two files do not belong together, or one is cut short"
            )
        self.beside.add(place)
        return length


def check_file(path: Path) -> tuple[Path, ...]:
    """Check that a file is an ONNX model that refers to its own folder only, of a sane size.

    Args:
        path: the file; nothing of it is executed, and its weights are not read.

    Returns:
        The files beside it that hold weights of it, in order.

    Raises:
        ModelError: if it is missing, is no ONNX model, declares more weights than it holds or than
            a machine has room for, or keeps weights outside its folder.
    """
    if not path.is_file():
        raise ModelError(f"`{path}` does not exist: give an .onnx file or a model's name")
    wrong = ModelError(
        f"`{path}` cannot be loaded as an ONNX model: its bytes are not those of one; "
        "fetch or export it again"
    )
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as d:
            reader = _Reader(path, d)
            graphs = 0
            for number, wire, first, last in reader.fields(0, len(d)):
                if wire == _BYTES and number in _MODEL:
                    graphs += number == 7
                    reader.walk(_MODEL[number], first, last)
    except _WrongFormatError:
        raise wrong from None
    except OSError as error:
        raise ModelError(f"`{path}` cannot be read: {error.strerror or error}") from error
    except ValueError:  # an empty file cannot be mapped
        raise wrong from None
    if graphs != 1:
        raise wrong
    return tuple(sorted(reader.beside))
