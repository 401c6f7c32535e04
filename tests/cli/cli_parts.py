"""What the tests of cli share."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import Marking
from fakes import Terminal as Terminal
from koalarize.colorizer.colorizer import Colored
from koalarize.errors import ModelError
from koalarize.photo.files import output_path
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN


class FakeColorizer(Marking):
    """Writes a reddish copy of whatever it is given, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[dict] = []
        self.models: list[str] = []
        self.error: BaseException | None = None

    def load(self, model="koala", **_):
        self.models.append(model)
        if model.endswith("damaged.onnx"):
            raise ModelError(f"`{model}` is damaged: fetch it again.")
        return self

    def photo(self, photo, steering=PLAIN):
        self.calls.append({"picture": photo, "steering": steering})
        if self.error is not None:
            raise self.error
        grey = photo.pixels if photo.pixels.ndim == 2 else photo.pixels[..., 0]
        srgb = np.dstack([grey, grey // 2, grey // 2])
        return Colored(Photo(srgb, format=photo.format))

    def file(
        self, source, target=None, steering=PLAIN, *, overwrite=False, tolerant=False, layer=False
    ):
        photo = Photo.read(source, tolerant=tolerant)
        made = self.photo(photo, steering)
        self.calls[-1]["picture"] = source
        marked = self.marked(photo, steering)
        path = marked.write(made.photo.pixels, target or output_path(source), overwrite=overwrite)
        return dataclasses.replace(made, path=path, notes=photo.notes_as(path.suffix))

    def data(self, picture, steering=PLAIN, *, format=None, tolerant=False):
        photo = Photo.read(picture, tolerant=tolerant)
        made = self.photo(photo, steering)
        encoded = photo.encode(made.photo.pixels, format=format)
        return dataclasses.replace(made, data=encoded, notes=photo.notes_as(format))


def picture(name: str | Path, color: int = 128, size=(8, 6)) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, color).save(path)
    return path


def encoded(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 6), 128).save(buffer, kind)
    return buffer.getvalue()


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("[!.]*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def one_line_error(text: str) -> str:
    """Return the only line on stderr, which must be an error and no traceback."""
    assert text.count("\n") == 1, text
    assert text.startswith("koalarize: error: "), text
    return text
