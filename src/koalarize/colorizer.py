"""The ``Colorizer``: the only way from a grey picture to a coloured one.

Not here: reading and writing files (``photo``), running networks (``engine``), full-size chroma
(``chroma``). Command line, page, validation and scores all come through here.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import chroma, color
from koalarize.engine import Engine, ModelInfo, OnnxEngine
from koalarize.errors import OptionError
from koalarize.hints import Hint, hint_planes
from koalarize.photo import Photo, check_output, output_path

__all__ = ["Colorizer", "colorize"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

#: The working grid of a panorama has at most so many squares of the working size.
_MOST_SQUARES = 8
#: Standard deviation of L* below which a whole picture counts as flat, and its chroma fades.
_FLAT = 3.0


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
        from koalarize.weights.store import find_model

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
    ) -> Any:
        """Colour a picture.

        Args:
            picture: what ``Photo.read`` takes, or a ``Photo``.
            output: file to write; for a path the default is ``name.color.ext`` beside it.
            overwrite: replace ``output`` if it exists; an original is never replaced.
            vividness: factor on the chroma; hue stays. 0 gives grey.
            hints: colours asked for at points of the upright photo.
            size: shorter side at which the network looks, pixels; the model's own by default.

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
        photo = picture if isinstance(picture, Photo) else Photo.read(picture)
        srgb = self.pixels(photo, vividness=vividness, hints=hints, size=size)
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
    ) -> Array:
        """Return the coloured pixels (H, W, 3) of a photo, of the dtype of its pixels."""
        if not (np.isfinite(vividness) and vividness >= 0):
            raise OptionError(
                f"`vividness` is {vividness} but must be 0 or more: 1 is as predicted"
            )
        guidance = self.guidance(photo, hints=hints, size=size)
        guidance = guidance.scaled(vividness * self.info.chroma_gain)
        return chroma.merge(photo.pixels, guidance, threads=self._threads)

    def guidance(
        self, photo: Photo, *, hints: Sequence[Hint] = (), size: int | None = None
    ) -> chroma.Guidance:
        """Predict a photo's chroma, as it follows from lightness on the working grid."""
        info = self.info
        if size is not None and size < 1:
            raise OptionError(f"`size` is {size} but must be at least 1, and best {info.size}")
        if hints and not info.accepts_hints:
            raise OptionError(f"the model `{info.name}` takes no hints: use another, as `koala`")
        height, width = _working_size(photo.height, photo.width, size or info.size)
        lightness = _shrunk_lightness(photo, height, width)
        planes = None
        if hints:
            planes = hint_planes(
                hints, width=photo.width, height=photo.height, grid_width=width, grid_height=height
            )
            planes = _padded(planes, info.stride)
        ab = self._engine.run(_padded(lightness, info.stride), planes).ab
        padded = [side + -side % info.stride for side in (height, width)]
        if ab.shape[1:] != tuple(padded):
            ab = chroma.resize(ab, *padded)
        # A picture of one grey shows nothing that could have a colour; left to itself a network
        # answers it with whatever it met most.
        calm = 1.0 if hints else min(1.0, float(lightness.std()) / _FLAT)
        return chroma.guide(ab[:, :height, :width] * np.float32(calm), lightness)


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


def _target(picture: Any, output: str | os.PathLike[str] | None) -> Path | None:
    if output is not None:
        return Path(output)
    if isinstance(picture, (str, os.PathLike)):
        return output_path(cast("str | os.PathLike[str]", picture))
    return None


def _working_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Bring the shorter side to ``size``, less for long panoramas; the aspect ratio is kept."""
    scale = size / min(height, width)
    squares = (height * scale) * (width * scale) / size**2
    if squares > _MOST_SQUARES:
        scale *= (_MOST_SQUARES / squares) ** 0.5
    return max(1, round(height * scale)), max(1, round(width * scale))


def _shrunk_lightness(photo: Photo, height: int, width: int) -> Float32:
    """Return L* (height, width) of a photo brought to its working size."""
    if photo.pixels.dtype == np.uint8:
        image = Image.fromarray(photo.pixels).resize(
            (width, height), Image.Resampling.BICUBIC, reducing_gap=2.0
        )
        small = np.asarray(image)
        if small.ndim == 2:
            return color.grey_to_lightness(small)
        return np.ascontiguousarray(color.srgb_to_lab(small)[..., 0])
    return chroma.resize(photo.lightness()[None], height, width)[0]


def _padded(planes: Float32, stride: int) -> Float32:
    """Pad the last two axes to multiples of the stride, by reflection at the lower right."""
    *_, height, width = planes.shape
    before = [(0, 0)] * (planes.ndim - 2)
    return np.pad(planes, [*before, (0, -height % stride), (0, -width % stride)], mode="reflect")
