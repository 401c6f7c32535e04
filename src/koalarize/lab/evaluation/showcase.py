"""Pictures side by side: grey, original, and what each model makes of it, all by the Colorizer.

Not here: scores (``evaluate``), how the grid or the page is drawn (``sheet``, ``page``). Needs
neither torch nor pyarrow unless a checkpoint or a Parquet file is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import DataError, OptionError, PhotoError
from koalarize.lab.datasets.sources import named_pictures
from koalarize.lab.evaluation.models import load_model, short_names
from koalarize.lab.evaluation.reveal import revealed_hints
from koalarize.lab.evaluation.variants import GreyEngine
from koalarize.photo.files import EXTENSIONS
from koalarize.photo.photo import Photo
from koalarize.photo.white import over_white
from koalarize.steering.hints import Hint

__all__ = ["COLUMNS", "Showcase", "ShowcaseRow", "make_showcase"]

#: What a showcase can have beside each other, in this order.
COLUMNS = ("grey", "original", "models")
#: Mean chroma, Lab units, below which a picture has no colours of its own to show.
_COLORED = 2.0
_MOST_HINTS = 100
_SIZES = (16, 4096)


@dataclass(frozen=True)
class ShowcaseRow:
    """One picture: its name, and an image a column; None where there is nothing to show."""

    name: str
    images: list[Image.Image | None]


@dataclass
class Showcase:
    """Columns and rows of pictures.

    Attributes:
        headings: one a column: ``grey``, ``original``, then the models.
        rows: one a picture; all images of a row are of one size.
        failed: name and reason of each picture that could not be shown.
    """

    headings: list[str]
    rows: list[ShowcaseRow] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def make_showcase(
    sources: Sequence[Path],
    models: Sequence[str | Path],
    *,
    count: int = 12,
    size: int = 256,
    columns: Sequence[str] = COLUMNS,
    hints: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Showcase:
    """Colour pictures with every model and set the results side by side.

    A picture is coloured at its full size, as a person's photo is, and only then made smaller.

    Args:
        sources: pictures, folders, Parquet files or tar shards.
        models: names of the catalogue, .onnx files, or .safetensors checkpoints.
        count: at most this many pictures, the first ones in order.
        size: of a cell: no image is wider or higher, pixels.
        columns: which of ``COLUMNS``; the original has a column only if one picture has colours.
        hints: how many points of a colour picture's own colours each model is told.
        progress: called with the pictures done and the most there can be.

    Raises:
        OptionError: if a value is not allowed, or a model takes no hints and some are given.
        ModelError: if a model is unknown, or its file is missing or damaged.
        DataError: if no picture can be shown.
    """
    _check(models, count, size, columns, hints)
    colorizers: list[tuple[str, Colorizer]] = [("grey", Colorizer(GreyEngine()))]
    shown = models if "models" in columns else ()
    for model, name in zip(shown, short_names(shown), strict=True):
        loaded = load_model(model)
        if hints and not loaded.engine.info.accepts_hints:
            raise OptionError(f"`hints` is {hints} but the model `{loaded.name}` takes none: use 0")
        heading = name.removesuffix("/model.safetensors")  # as every run's checkpoint
        colorizers.append((heading, Colorizer(loaded.engine)))
    names = [name + (f", {hints} hints" if hints else "") for name, _ in colorizers[1:]]
    showcase = Showcase(["grey", "original", *names])
    stream = chain.from_iterable(map(_pictures, sources))
    for done, (name, picture) in enumerate(islice(stream, count), start=1):
        try:
            row = _row(picture, [colorizer for _, colorizer in colorizers], size, hints, done)
            showcase.rows.append(ShowcaseRow(name, row))
        except PhotoError as error:
            showcase.failed.append((name, str(error)))
        if progress is not None:
            progress(done, count)
    if not showcase.rows:
        reasons = "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in showcase.failed)
        raise DataError(
            f"there is no picture to show ({reasons or 'nothing found'}): "
            "give pictures, a folder or a Parquet file"
        )
    return _chosen(showcase, columns)


def _check(
    models: Sequence[str | Path], count: int, size: int, columns: Sequence[str], hints: int
) -> None:
    for column in columns:
        if column not in COLUMNS:
            raise OptionError(
                f"the column `{column}` is unknown: choose among {', '.join(COLUMNS)}"
            )
    if not columns:
        raise OptionError(f"there is no column: choose among {', '.join(COLUMNS)}")
    if "models" in columns and not models:
        raise OptionError("there is no model: name one, as `--model koala`")
    if count < 1:
        raise OptionError(f"`count` is {count} but must be at least 1: try 12")
    if not _SIZES[0] <= size <= _SIZES[1]:
        raise OptionError(f"`size` is {size} but must be from {_SIZES[0]} to {_SIZES[1]}: try 256")
    if not 0 <= hints <= _MOST_HINTS:
        raise OptionError(f"`hints` is {hints} but must be from 0 to {_MOST_HINTS}: try 5")


def _pictures(source: Path) -> Iterator[tuple[str, Path | bytes]]:
    if source.suffix.lower() in EXTENSIONS and not source.is_dir():
        yield source.name, source
    else:
        yield from named_pictures(source)


def _row(
    picture: Path | bytes, colorizers: Sequence[Colorizer], size: int, hints: int, seed: int
) -> list[Image.Image | None]:
    try:
        photo = Photo.read(picture)
    except PhotoError as error:
        reason = " ".join(str(error).split())
        if isinstance(picture, Path):
            reason = reason.removeprefix(f"`{picture}` ")
        raise PhotoError(reason) from error
    original = None if photo.is_grey else _image(photo)
    if original is not None and color.mean_chroma(np.asarray(original)) < _COLORED:
        original = None
    told: list[Hint] = []
    if hints and original is not None:
        told = revealed_hints(np.asarray(original), hints, seed=seed)
    grey, *rest = colorizers
    made = [grey(photo), *(colorizer(photo, hints=told) for colorizer in rest)]
    images = [_image(one) for one in made]
    return [_fit(image, size) for image in (images[0], original, *images[1:])]


def _image(photo: Photo) -> Image.Image:
    """Return a photo as 8-bit sRGB, transparent parts over white."""
    srgb = photo.pixels if photo.pixels.ndim == 3 else _three(photo.pixels)
    return over_white(photo.to_image(srgb))


def _three(grey: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.repeat(grey[..., None], 3, axis=2)


def _fit(image: Image.Image | None, size: int) -> Image.Image | None:
    if image is None or max(image.size) <= size:
        return image
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _chosen(showcase: Showcase, columns: Sequence[str]) -> Showcase:
    """Keep the columns asked for, originals only if there is one; rows of nothing have failed."""
    kinds = ["grey", "original", *["models"] * (len(showcase.headings) - 2)]
    kept = [
        i
        for i, kind in enumerate(kinds)
        if kind in columns
        and (kind != "original" or any(row.images[i] is not None for row in showcase.rows))
    ]
    if not kept:
        raise OptionError("`columns` asks for originals only, but no picture has colours: add grey")
    rows = [ShowcaseRow(row.name, [row.images[i] for i in kept]) for row in showcase.rows]
    shown = [row for row in rows if any(row.images)]
    grey = [
        (row.name, "has no colours of its own: add grey") for row in rows if not any(row.images)
    ]
    return Showcase([showcase.headings[i] for i in kept], shown, showcase.failed + grey)
