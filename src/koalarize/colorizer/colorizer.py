"""The ``Colorizer``: the only way from a grey picture to a coloured one.

Not here: reading and writing files (``photo``), running networks (``engines``), full-size chroma
(``merge``). Command line, page, validation and scores all come through here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer import merge as chroma
from koalarize.colorizer.look import View
from koalarize.engines.engine import Engine, ModelInfo, OnnxEngine
from koalarize.errors import OptionError
from koalarize.photo.files import check_output, output_path
from koalarize.photo.photo import Photo
from koalarize.steering.palette import Palette
from koalarize.steering.steering import PLAIN, Steering

__all__ = ["Colored", "Colorizer", "Picture", "Reference", "View", "colorize", "palette_of"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
#: What can be coloured.
Picture = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | Array | Photo
#: What a palette can be taken from.
Reference = str | os.PathLike[str] | bytes | Image.Image | Array | Photo | Palette

#: The working grid of a panorama has at most so many squares of the working size.
_MOST_SQUARES = 8


@dataclass(frozen=True)
class Colored:
    """A coloured picture.

    Attributes:
        photo: the coloured pixels, with everything worth keeping of the original.
        had_colors: whether the picture clearly had colours of its own, which new ones replaced.
        path: of the file that was written, if one was.
    """

    photo: Photo
    had_colors: bool = False
    path: Path | None = None

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
    def load(cls, model: str | Path = "koala", *, threads: int = 0) -> Colorizer:
        """Load a model.

        Args:
            model: a name of ``koalarize models``, or the path of an exported .onnx file.
            threads: how many threads a picture may use; 0 takes one a core.

        Raises:
            ModelError: if the model is unknown or its file is missing or damaged.
        """
        from koalarize.models.store import find_model

        return cls(OnnxEngine(find_model(model), threads=threads), threads=threads)

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
    ) -> Colored:
        """Colour a file into another one.

        Args:
            source: the picture; it is never replaced.
            target: the file to write; by default ``name.color.ext`` beside the picture.
            steering: what is asked of the colouring.
            overwrite: replace ``target`` if it exists.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be written; nothing is left half-written.
            OptionError: if the model cannot do what is asked.
        """
        path = output_path(source) if target is None else Path(target)
        check_output(path, source=Path(source), overwrite=overwrite)
        original = Photo.read(source)
        colored = self.photo(original, steering)
        written = original.write(colored.photo.pixels, path, overwrite=overwrite)
        return dataclasses.replace(colored, path=written)

    def photo(self, photo: Photo, steering: Steering = PLAIN) -> Colored:
        """Colour a photo.

        Raises:
            OptionError: if the model cannot do what is asked.
        """
        view = self.view(photo, size=steering.size)
        srgb = chroma.merge(photo.pixels, self.steered(view, steering), threads=self._threads)
        replaced = not steering.keep_color and view.has_colors
        return Colored(dataclasses.replace(photo, pixels=srgb), had_colors=replaced)

    def view(self, photo: Photo, *, size: int | None = None) -> View:
        """Look at a photo at the working size, to steer it often.

        Args:
            photo: the photo.
            size: shorter side at which the network looks, pixels; the model's own by default.

        Raises:
            OptionError: if the size is not allowed.
        """
        if size is not None and size < 1:
            raise OptionError(f"`size` is {size} but must be at least 1, and best {self.info.size}")
        height, width = _working_size(photo.height, photo.width, size, self.info)
        lightness, own_ab = _shrunk(photo, height, width)
        return View(
            self._engine,
            lightness,
            width=photo.width,
            height=photo.height,
            size=size,
            own_ab=own_ab,
        )

    def steered(self, view: View, steering: Steering) -> chroma.Guidance:
        """Return how the photo of a view is coloured when steered so; ``merge.merge`` takes it.

        Raises:
            OptionError: if the model cannot do what is asked, or a hint lies outside the photo.
        """
        return view.guidance(steering).scaled(steering.vividness * self.info.chroma_gain)


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


def palette_of(reference: Reference | None) -> Palette | None:
    """Return the palette of a reference: a picture, or a ``Palette`` as it is.

    Raises:
        PhotoError: if the picture cannot be read.
    """
    if reference is None or isinstance(reference, Palette):
        return reference
    if isinstance(reference, (str, os.PathLike)):
        path = Path(reference)
        photo = Photo.read(path)
        return Palette.of(
            photo, name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest()
        )
    return Palette.of(reference if isinstance(reference, Photo) else Photo.read(reference))


def _working_size(height: int, width: int, size: int | None, info: ModelInfo) -> tuple[int, int]:
    """Bring the shorter side to ``size``, less for long panoramas; the aspect ratio is kept.

    A model bound to one size gets the longer side: its square must hold the whole photo.

    Raises:
        OptionError: if the model is bound to another size.
    """
    if info.fixed_size is not None:
        if size not in (None, info.fixed_size):
            raise OptionError(
                f"`size` is {size} but the model `{info.name}` only works at {info.fixed_size}: "
                "leave the size out, or use a model that takes any, as `koala`"
            )
        scale = info.fixed_size / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))
    size = size or info.size
    scale = size / min(height, width)
    squares = (height * scale) * (width * scale) / size**2
    if squares > _MOST_SQUARES:
        scale *= (_MOST_SQUARES / squares) ** 0.5
    return max(1, round(height * scale)), max(1, round(width * scale))


def _shrunk(photo: Photo, height: int, width: int) -> tuple[Float32, Float32 | None]:
    """Return L* (height, width) of a photo brought to its working size, and ab if it is not grey.

    Of deep colour the ab is that of a part of the pixels: it only serves to find where colours are.
    """
    if photo.pixels.dtype == np.uint8:
        image = Image.fromarray(photo.pixels).resize(
            (width, height), Image.Resampling.BICUBIC, reducing_gap=2.0
        )
        small = np.asarray(image)
        if small.ndim == 2:
            return color.grey_to_lightness(small), None
        lab = color.srgb_to_lab(small)
        return np.ascontiguousarray(lab[..., 0]), np.ascontiguousarray(
            np.moveaxis(lab[..., 1:], -1, 0)
        )
    lightness = color.resize(photo.lightness()[None], height, width)[0]
    if photo.is_grey:
        return lightness, None
    step = max(1, min(photo.height // height, photo.width // width) // 2)
    lab = color.srgb_to_lab(photo.pixels[::step, ::step])
    return lightness, color.resize(np.moveaxis(lab[..., 1:], -1, 0), height, width)
