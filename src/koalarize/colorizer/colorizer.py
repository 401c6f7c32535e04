"""The ``Colorizer``: the only way from a grey picture to a coloured one.

Not here: reading and writing files (``photo``), running networks (``engines``), full-size chroma
(``merge``). Command line, page, validation and scores all come through here.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.colorizer.look import Look
from koalarize.colorizer.plan import plan
from koalarize.colorizer.reference import Reference, palette_of
from koalarize.engines.blend import MOST_CHROMA
from koalarize.engines.engine import Engine, ModelInfo
from koalarize.photo.files import check_output, output_path
from koalarize.photo.pages import holds_pages, write_pages
from koalarize.photo.photo import Photo
from koalarize.steering.steering import PLAIN, Steering

__all__ = ["Colored", "Colorizer", "Picture", "colorize"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
#: What can be coloured.
Picture = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | Array | Photo


@dataclass(frozen=True)
class Colored:
    """A coloured picture.

    Attributes:
        photo: the coloured pixels, with everything worth keeping of the original.
        had_colors: whether the picture clearly had colours of its own, which new ones replaced.
        path: of the file that was written, if one was.
        notes: what of the original is not in the result, a phrase each.
    """

    photo: Photo
    had_colors: bool = False
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def written(self) -> Path:
        """The file that was written."""
        assert self.path is not None
        return self.path


class Colorizer:
    """Colours pictures with one network; reusable, and safe to call from several threads.

    What comes out is of the kind that went in: a path gives the path of a written file, bytes give
    bytes, a PIL image a PIL image, an array an array of its dtype, a ``Photo`` a ``Photo``.
    """

    def __init__(self, engine: Engine, *, threads: int = 0) -> None:
        """Make a Colorizer of an engine; people call ``Colorizer.load``."""
        self._engine = engine
        self._threads = threads

    @classmethod
    def load(
        cls,
        model: str | Path = "koala",
        *,
        threads: int = 0,
        faithful: bool = False,
        most_chroma: float = MOST_CHROMA,
    ) -> Colorizer:
        """Load a model.

        Args:
            model: a name of ``koalarize models``, the path of an .onnx file, or a blend of
                several, as ``koala,ddcolor-tiny:2``.
            threads: how many threads a picture may use; 0 takes one a core.
            faithful: show photos to other people's model as its authors do.
            most_chroma: Lab units by which a blend's chroma may differ from its first model's.

        Raises:
            ModelError: if the model is unknown or its file is missing or damaged.
            OptionError: if ``faithful`` does not fit the model, or a weight is not allowed.
        """
        from koalarize.models.open import open_model

        engine = open_model(model, threads=threads, faithful=faithful, most_chroma=most_chroma)
        return cls(engine, threads=threads)

    @property
    def info(self) -> ModelInfo:
        """What the network is: name, stride, working size, whether it takes hints."""
        return self._engine.info

    @overload
    def __call__(
        self, picture: str | os.PathLike[str], steering: Steering = PLAIN, **changes: object
    ) -> Path: ...
    @overload
    def __call__(
        self, picture: bytes | BinaryIO, steering: Steering = PLAIN, **changes: object
    ) -> bytes: ...
    @overload
    def __call__(
        self, picture: Image.Image, steering: Steering = PLAIN, **changes: object
    ) -> Image.Image: ...
    @overload
    def __call__(self, picture: Array, steering: Steering = PLAIN, **changes: object) -> Array: ...
    @overload
    def __call__(self, picture: Photo, steering: Steering = PLAIN, **changes: object) -> Photo: ...
    def __call__(
        self, picture: Picture, steering: Steering = PLAIN, **changes: object
    ) -> Path | bytes | Image.Image | Array | Photo:
        """Colour a picture.

        Args:
            picture: what ``Photo.read`` takes, or a ``Photo``.
            steering: what is asked of the colouring.
            **changes: fields of ``Steering`` set beside it, as ``vividness=1.2``; ``reference``
                may also be a picture.

        Returns:
            What was given, coloured: bytes for bytes, a PIL image for one, an array of its dtype
            for one, a ``Photo`` for one. For a path the path of the file that was written beside
            it, as ``file`` does.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be written.
            OptionError: if a field is unknown, is given twice, or its value is not allowed.
        """
        steering = _steering(steering, changes)
        if isinstance(picture, (str, os.PathLike)):
            return self.file(picture, steering=steering).written
        photo = picture if isinstance(picture, Photo) else Photo.read(picture)
        colored = self.photo(photo, steering).photo
        if isinstance(picture, Photo):
            return colored
        srgb = colored.pixels
        if isinstance(picture, Image.Image):
            return photo.to_image(srgb)
        if isinstance(picture, np.ndarray):
            if photo.alpha is not None:
                srgb = np.concatenate([srgb, photo.alpha[..., None]], axis=-1)
            return srgb.astype(picture.dtype, copy=False)
        return photo.encode(srgb)

    def file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str] | None = None,
        steering: Steering = PLAIN,
        *,
        overwrite: bool = False,
        tolerant: bool = False,
    ) -> Colored:
        """Colour a file into another one; of a TIFF file, every page into another TIFF file.

        Args:
            source: the picture; it is never replaced.
            target: the file to write; by default ``name.color.ext`` beside the picture.
            steering: what is asked of the colouring.
            overwrite: replace ``target`` if it exists.
            tolerant: colour a picture that is cut short as far as it goes.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be written; nothing is left half-written.
            OptionError: if the model cannot do what is asked.
        """
        path = output_path(source) if target is None else Path(target)
        check_output(path, source=Path(source), overwrite=overwrite)
        original = Photo.read(source, tolerant=tolerant)
        colored = self.photo(original, steering)
        if original.pages == 1 or not holds_pages(path):
            written = original.write(colored.photo.pixels, path, overwrite=overwrite)
            notes = original.notes_as(path.suffix)
            return dataclasses.replace(colored, path=written, notes=notes)
        notes = original.notes_as(path.suffix, pages=original.pages)

        def pages() -> Iterator[tuple[Photo, Array]]:
            yield original, colored.photo.pixels
            for number in range(1, original.pages):
                page = Photo.read(source, page=number)
                yield page, self.photo(page, steering).photo.pixels

        written = write_pages(pages(), path, overwrite=overwrite)
        return dataclasses.replace(colored, path=written, notes=notes)

    def photo(self, photo: Photo, steering: Steering = PLAIN) -> Colored:
        """Colour a photo.

        Raises:
            OptionError: if the model cannot do what is asked.
        """
        look = self.look(photo, size=steering.size)
        srgb = plan(look, steering).paint(photo.pixels, threads=self._threads)
        replaced = not steering.keep_color and look.has_colors
        return Colored(dataclasses.replace(photo, pixels=srgb), had_colors=replaced)

    def look(self, photo: Photo, *, size: int | None = None) -> Look:
        """Look at a photo at the working size, to steer it often.

        Args:
            photo: the photo.
            size: shorter side at which the network looks, pixels; the model's own by default.

        Raises:
            OptionError: if the size is not allowed.
        """
        return Look(self._engine, photo, size)


def colorize(
    picture: Picture, *, model: str | Path = "koala", **changes: object
) -> Path | bytes | Image.Image | Array | Photo:
    """Colour one picture; for many, load a ``Colorizer`` once.

    Args:
        picture: path, bytes, PIL image, array or ``Photo``.
        model: a name of ``koalarize models``, or the path of an exported .onnx file.
        **changes: fields of ``Steering``, as ``vividness=1.2``.

    Returns:
        What ``Colorizer.__call__`` returns: for a path the path of the coloured file.
    """
    steering = _steering(PLAIN, changes)
    return Colorizer.load(model)(cast(Photo, picture), steering)  # any kind will do


def _steering(steering: Steering, changes: Mapping[str, object]) -> Steering:
    """Return steering with what is set beside it; a reference may be a picture."""
    given = dict(changes)
    if "reference" in given:
        given["reference"] = palette_of(cast("Reference | None", given["reference"]))
    return steering.changed(given)
