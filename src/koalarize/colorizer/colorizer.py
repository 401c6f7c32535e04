"""The ``Colorizer``: the only way from a grey picture to a coloured one.

Not here: reading and writing files (``photo``), running networks (``engines``), full-size chroma
(``merge``). Command line, page, validation and scores all come through here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.colorizer.given import (
    bytes_of,
    check_arguments,
    checked,
    engine_of,
    further,
    source_of,
    steering_of,
    target_of,
    tell,
)
from koalarize.colorizer.layer import layer_path
from koalarize.colorizer.look import LAYERS, Look
from koalarize.colorizer.plan import plan
from koalarize.colorizer.prepare import framed, prepared
from koalarize.colorizer.reference import palette_from_photo
from koalarize.colorizer.several import encode_each, in_strips
from koalarize.engines.blend import MOST_CHROMA
from koalarize.engines.engine import CPU, Engine, ModelInfo
from koalarize.photo.files import check_output, output_path, sha256_of, write_bytes
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import Provenance, has_mark, sealed_parts
from koalarize.photo.rows import Rows
from koalarize.photo.sources import opened
from koalarize.steering.fields import written_name
from koalarize.steering.settings import settings_text
from koalarize.steering.steering import PLAIN, Steering

__all__ = ["Colored", "Colorizer", "Making", "Picture"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
_NO_MARK = "its XMP has no place for the mark that a program coloured it"
_SHALLOW = ("a PIL image cannot hold its 16 bits in colour",)
#: What can be coloured.
Picture = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | Array | Photo


@dataclass(frozen=True)
class Colored:
    """A coloured picture.

    Attributes:
        base: the photo whose pixels are coloured, or are yet its own where ``rows`` makes them.
        had_colors: whether the picture clearly had colours of its own, which new ones replaced.
        stays_grey: whether it shows nothing to colour, and nobody asked for grey.
        path: of the file that was written, if one was.
        notes: what of the original is not in the result, a phrase each.
        data: the file, if none was written.
        rows: what makes the coloured pixels where ``several.in_strips`` holds: of large PNG and
            TIFF files and of JPEG files from one megapixel on, only as they are written.
    """

    base: Photo
    had_colors: bool = False
    stays_grey: bool = False
    path: Path | None = None
    notes: tuple[str, ...] = ()
    data: bytes | None = field(default=None, repr=False)
    rows: Rows | None = field(default=None, repr=False)

    @cached_property
    def photo(self) -> Photo:
        """The coloured pixels, with everything worth keeping of the original."""
        if self.rows is None:
            return self.base
        return dataclasses.replace(self.base, pixels=self.rows.rows(0, self.base.height))

    @property
    def written(self) -> Path:
        """The file that was written."""
        assert self.path is not None
        return self.path


@dataclass(frozen=True)
class Making:
    """What is done with a file beside the colouring.

    Attributes:
        source: sha256 of the picture's file, None if it has none.
        layer: whether only its colours are written.
    """

    source: str | None = None
    layer: bool = False


class Colorizer:
    """Colours pictures with one network; reusable, and safe to call from several threads.

    What comes out is of the kind that went in: a path gives the path of a written file, bytes give
    bytes, a PIL image a PIL image, an array an array of its dtype, a ``Photo`` a ``Photo``.
    """

    def __init__(self, engine: Engine, *, threads: int = 0) -> None:
        """Make a Colorizer of an engine; people call ``Colorizer.load``.

        Args:
            engine: runs the network.
            threads: how many threads a picture may use; 0 takes one a core.

        Raises:
            ModelError: if it is no engine.
            OptionError: if ``threads`` is not allowed.
        """
        check_arguments(threads=threads)
        self._engine = engine_of(engine)
        self._threads = threads

    @classmethod
    def load(
        cls,
        model: str | Path = "koala",
        *,
        threads: int = 0,
        faithful: bool = False,
        most_chroma: float = MOST_CHROMA,
        provider: str = CPU,
    ) -> Colorizer:
        """Load a model.

        Args:
            model: a name of ``koalarize models``, the path of an .onnx file, or a blend of
                several, as ``koala,ddcolor-tiny:2``.
            threads: how many threads a picture may use; 0 takes one a core.
            faithful: show photos to other people's model as its authors do.
            most_chroma: Lab units by which a blend's chroma may differ from its first model's.
            provider: what computes, by ONNX Runtime's name, as ``CUDAExecutionProvider``.

        Raises:
            ModelError: if the model is unknown or its file is missing or damaged.
            OptionError: if ``faithful`` does not fit the model, a weight or another value is not
                allowed, or the provider is not there.
        """
        from koalarize.models.open import open_model

        check_arguments(threads=threads, faithful=faithful, most_chroma=most_chroma)
        engine = open_model(
            model, threads=threads, faithful=faithful, most_chroma=most_chroma, provider=provider
        )
        return cls(engine, threads=threads)

    def __repr__(self) -> str:
        return f"Colorizer({self.info.name})"

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
            it, as ``file`` does. What of the picture is not in the result is logged as a warning;
            ``file`` and ``data`` return it as ``Colored.notes``.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be written.
            OptionError: if a field is unknown, is given twice, or its value is not allowed.
        """
        steering = steering_of(steering, changes)
        if isinstance(picture, (str, os.PathLike)):
            colored = self.file(picture, steering=steering)
            tell(f"`{picture}`", colored.notes)
            return colored.written
        if not isinstance(picture, (Image.Image, np.ndarray, Photo)):
            result = self.data(bytes_of(picture), steering)
            tell("the given data", result.notes)
            assert result.data is not None
            return result.data
        photo = picture if isinstance(picture, Photo) else Photo.read(picture)
        if isinstance(picture, Image.Image):
            shallow = _SHALLOW * (photo.pixels.dtype != np.uint8)
            tell("the given image", photo.notes + shallow + further(picture, photo))
        colored = self.photo(photo, steering).photo
        if isinstance(picture, Photo):
            return self.marked(colored, steering)
        srgb = colored.pixels
        if isinstance(picture, Image.Image):
            return colored.to_image(srgb)
        if colored.alpha is not None:
            srgb = np.concatenate([srgb, colored.alpha[..., None]], axis=-1)
        return np.ascontiguousarray(srgb, picture.dtype)

    def file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str] | None = None,
        steering: Steering = PLAIN,
        *,
        overwrite: bool = False,
        tolerant: bool = False,
        layer: bool = False,
    ) -> Colored:
        """Colour a file into another one, with all its pages or frames where that holds them.

        Args:
            source: the picture; it is never replaced.
            target: the file to write; by default ``name.color.ext`` beside the picture, and
                ``name.layer.png`` or ``.tif`` of a layer.
            steering: what is asked of the colouring.
            overwrite: replace ``target`` if it exists.
            tolerant: colour a picture that is cut short as far as it goes.
            layer: write only the colours, transparent where there are none.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be written; nothing is left half-written.
            OptionError: if the model cannot do what is asked.
        """
        checked(steering, Steering)
        check_arguments(overwrite=overwrite, tolerant=tolerant, layer=layer)
        original = source_of(source)
        with opened(original):
            pass  # what is wrong with the picture is said first
        path = target_of(target, layer_path(original) if layer else output_path(original))
        check_output(path, source=original, overwrite=overwrite)
        with closing(Photo.each(original, tolerant=tolerant)) as pictures:
            making = Making(sha256_of(original), layer)
            parts, colored = self._each(pictures, steering, path.suffix, making)
        check_output(path, source=original, overwrite=overwrite)  # it may have appeared
        written = write_bytes(parts, path, overwrite=overwrite)
        return dataclasses.replace(colored, path=written)

    def data(
        self,
        picture: bytes,
        steering: Steering = PLAIN,
        *,
        format: str | None = None,
        tolerant: bool = False,
    ) -> Colored:
        """Colour a file's bytes, with all its pictures, into those of another file.

        Args:
            picture: the file; its bytes.
            steering: what is asked of the colouring.
            format: Pillow's name of the result's format, or an extension; by default the
                picture's own.
            tolerant: colour a picture that is cut short as far as it goes.

        Returns:
            The result, whose ``data`` are the file.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be made.
            OptionError: if the model cannot do what is asked.
        """
        checked(steering, Steering)
        check_arguments(tolerant=tolerant)
        with closing(Photo.each(checked(picture, bytes), tolerant=tolerant)) as pictures:
            making = Making(hashlib.sha256(picture).hexdigest())
            parts, colored = self._each(pictures, steering, format, making)
        return dataclasses.replace(colored, data=b"".join(parts))

    def _each(
        self, pictures: Iterator[Photo], asked: Steering, format: str | None, making: Making
    ) -> tuple[list[memoryview], Colored]:
        def color(photo: Photo, steering: Steering) -> Colored:
            strips = not making.layer and in_strips(photo, steering, format)
            colored = self._painting(photo, steering) if strips else self.photo(photo, steering)
            return dataclasses.replace(colored, base=self.marked(colored.base, asked, making))

        lead = palette_from_photo if self.info.output == "logits" else None
        parts, colored = encode_each(
            pictures, color, asked, format, lead, layer=making.layer, threads=self._threads
        )
        if asked.mark and not has_mark(colored.base.metadata.xmp):
            colored = dataclasses.replace(colored, notes=(*colored.notes, _NO_MARK))
        return sealed_parts(*parts), colored

    def photo(self, photo: Photo, steering: Steering = PLAIN) -> Colored:
        """Colour a photo.

        Raises:
            OptionError: if the model cannot do what is asked, or a place lies outside the photo.
        """
        colored = self._painting(photo, steering)
        assert colored.rows is not None
        srgb = colored.rows.rows(0, colored.base.height, threads=self._threads)
        base = dataclasses.replace(colored.base, pixels=srgb)
        return dataclasses.replace(colored, base=base, rows=None)

    def _painting(self, photo: Photo, steering: Steering) -> Colored:
        """Return a photo whose colours are known, with what makes its pixels."""
        photo = prepared(checked(photo, Photo), checked(steering, Steering), threads=self._threads)
        wanted = framed(photo, steering)  # a crop that does not fit is said before the network runs
        look = self.look(photo, size=steering.size)
        crop = steering.crop
        area = None if crop is None else crop.box(photo.width, photo.height)
        chroma = plan(look, steering)
        grey = chroma.is_none and steering.vividness > 0
        rows = chroma.painting(photo.pixels, area=area)
        had_colors = not steering.keep_color and look.has_colors
        return Colored(wanted, had_colors, grey, rows=rows)

    def provenance(self, steering: Steering = PLAIN, making: Making | None = None) -> Provenance:
        """Return what a result says of its making.

        Args:
            steering: what is asked of the colouring.
            making: its file, and what is done with files.
        """
        from koalarize import __version__

        making = making or Making()
        asked = settings_text(steering, layer=making.layer)
        software = f"koalarize {__version__}"
        info = self.info
        weights = f"{info.identity} faithful" if info.identity and info.faithful else info.identity
        return Provenance(software, written_name(info.name), weights or None, asked, making.source)

    def marked(
        self, photo: Photo, steering: Steering = PLAIN, making: Making | None = None
    ) -> Photo:
        """Return a photo whose files will say how they were coloured.

        Args:
            photo: the photo.
            steering: what is asked of the colouring; without ``mark`` the photo stays as it is, as
                it does if its own XMP has no place for more.
            making: its file, and what is done with files; by default its file is ``photo.source``.
        """
        if not steering.mark:
            return photo
        if making is None and photo.source is not None and photo.source.is_file():
            making = Making(sha256_of(photo.source))
        xmp = self.provenance(steering, making).mark(photo.metadata.xmp)
        if xmp is None:
            return photo
        return dataclasses.replace(photo, metadata=dataclasses.replace(photo.metadata, xmp=xmp))

    def look(self, photo: Photo, *, size: int | None = None, prints: bool = True) -> Look:
        """Look at a photo at the working size, to steer it often.

        Args:
            photo: the photo.
            size: shorter side at which the network looks, pixels; the model's own by default.
            prints: whether prints on a page are looked at by themselves.

        Raises:
            OptionError: if the size is not allowed.
        """
        return Look(self._engine, checked(photo, Photo), size, layers=LAYERS if prints else 0)
