"""The ``Colorizer``: the only way from a grey picture to a coloured one.

Not here: reading and writing files (``photo``), running networks (``engines``), full-size chroma
(``merge``). Command line, page, validation and scores all come through here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer import merge as chroma
from koalarize.colorizer.look import View
from koalarize.engines.engine import Engine, ModelInfo, OnnxEngine
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo, check_output, output_path
from koalarize.steering.hints import Hint
from koalarize.steering.palette import Palette
from koalarize.steering.steering import Steering

__all__ = ["Colorizer", "View", "colorize", "palette_of"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
#: What a palette can be taken from.
Reference = str | os.PathLike[str] | bytes | Image.Image | Array | Photo | Palette

#: The working grid of a panorama has at most so many squares of the working size.
_MOST_SQUARES = 8


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

    def __call__(
        self,
        picture: str | os.PathLike[str] | bytes | BinaryIO | Image.Image | Array | Photo,
        *,
        output: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        vividness: float = 1.0,
        hints: Sequence[Hint] = (),
        size: int | None = None,
        warmth: float = 0.0,
        alternative: int = 0,
        reference: Reference | None = None,
        best: bool = False,
        keep_color: bool = False,
        steering: Steering | None = None,
        seen: Callable[[View], None] | None = None,
    ) -> Any:
        """Colour a picture.

        Args:
            picture: what ``Photo.read`` takes, or a ``Photo``.
            output: file to write; for a path the default is ``name.color.ext`` beside it.
            overwrite: replace ``output`` if it exists; an original is never replaced.
            vividness: factor on the chroma; hue stays. 0 gives grey.
            hints: colours asked for at points of the upright photo.
            size: shorter side at which the network looks, pixels; the model's own by default. A
                model bound to one size sees the whole photo in a square of it, and takes no other.
            warmth: -1 (cold) to 1 (warm); grey stays nearly grey.
            alternative: number of another plausible colouring; 0 is the network's own.
            reference: a picture (or its ``Palette``) whose colours to take.
            best: let the network see the mirrored photo too and average; twice its time.
            keep_color: places that have a colour of their own keep it; for hand-tinted pictures.
            steering: all eight in one, instead of them.
            seen: called with the ``View`` of the photo, once it has been looked at.

        Returns:
            A path if ``output`` is given or ``picture`` is a path; otherwise the kind given.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be written.
            OptionError: if a value is not allowed.
        """
        target = _target(picture, output)
        if target is not None:
            source = Path(picture) if isinstance(picture, (str, os.PathLike)) else None
            check_output(target, source=source, overwrite=overwrite)
        if steering is None:
            palette = palette_of(reference)
            steering = Steering(
                vividness, warmth, tuple(hints), size, alternative, palette, best, keep_color
            )
        photo = picture if isinstance(picture, Photo) else Photo.read(picture)
        srgb = self._colored(photo, steering, seen)
        if target is not None:
            return photo.write(srgb, target, overwrite=overwrite)
        if isinstance(picture, Photo):
            return dataclasses.replace(photo, pixels=srgb)
        if isinstance(picture, Image.Image):
            return photo.to_image(srgb)
        if isinstance(picture, np.ndarray):
            if photo.alpha is not None:
                srgb = np.concatenate([srgb, photo.alpha[..., None]], axis=-1)
            return srgb.astype(picture.dtype, copy=False)
        return photo.encode(srgb)

    def pixels(
        self,
        photo: Photo,
        *,
        vividness: float = 1.0,
        hints: Sequence[Hint] = (),
        size: int | None = None,
        steering: Steering | None = None,
    ) -> Array:
        """Return the coloured pixels (H, W, 3) of a photo, of the dtype of its pixels."""
        steering = steering or Steering(vividness, hints=tuple(hints), size=size)
        return self._colored(photo, steering, None)

    def _colored(
        self, photo: Photo, steering: Steering, seen: Callable[[View], None] | None
    ) -> Array:
        view = self.view(photo, size=steering.size)
        if seen is not None:
            seen(view)
        return chroma.merge(photo.pixels, self.steered(view, steering), threads=self._threads)

    def guidance(
        self, photo: Photo, *, hints: Sequence[Hint] = (), size: int | None = None
    ) -> chroma.Guidance:
        """Predict a photo's chroma, before the model's gain, as it follows from lightness."""
        steering = Steering(hints=tuple(hints), size=size)
        return self.view(photo, size=size).guidance(steering)

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


def colorize(picture: Any, *, model: str | Path = "koala", **options: Any) -> Any:
    """Colour one picture; for many, load a ``Colorizer`` once.

    Args:
        picture: path, bytes, PIL image, array or ``Photo``.
        model: a name of ``koalarize models``, or the path of an exported .onnx file.
        **options: those of ``Colorizer.__call__``.

    Returns:
        What ``Colorizer.__call__`` returns: for a path the path of the coloured file.
    """
    return Colorizer.load(model)(picture, **options)


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


def _target(picture: Any, output: str | os.PathLike[str] | None) -> Path | None:
    if output is not None:
        return Path(output)
    if isinstance(picture, (str, os.PathLike)):
        return output_path(cast("str | os.PathLike[str]", picture))
    return None


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
