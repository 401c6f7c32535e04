"""Read a data set of colour pictures: folders, Parquet files and tar shards, alone or mixed.

Not here: crops and hints (``batches``), how tar and Parquet files are read (``shards``,
``parquet``), what a run keeps in memory (``kept``), fetching (``coco``).
Broken, tiny and grey pictures are left out and counted by reason, never a crash.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import stat
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from koalarize import color
from koalarize.errors import DataError
from koalarize.lab.datasets.hub import hub_pictures, is_on_hub
from koalarize.lab.datasets.own_set import check_own_set, is_own_set, own_pictures
from koalarize.lab.datasets.parquet import parquet_pictures
from koalarize.lab.datasets.places import Place
from koalarize.lab.datasets.shards import PICTURE_SUFFIXES, SHARD_SUFFIXES, expand_braces, is_hidden
from koalarize.lab.datasets.shards import shard_pictures as _shard_pictures
from koalarize.photo.profiles import through_profile
from koalarize.photo.white import over_white

__all__ = [
    "MIN_SIDE",
    "Fit",
    "Located",
    "Pictures",
    "check_found",
    "check_there",
    "decode_picture",
    "encoded_pictures",
    "load_pictures",
    "located_pictures",
    "named_pictures",
    "passed_over",
]

#: Pictures with a shorter side count as tiny.
MIN_SIDE = 16
#: Larger files are no pictures anybody learns from; they count as broken and are not read.
MOST_BYTES = 1 << 28
#: What brings an opaque sRGB picture to the size it is wanted in.
Fit = Callable[[Image.Image], Image.Image]

log = logging.getLogger(__name__)

_FILM_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg")
_DECODERS = 4
_PROFILED = ("RGB", "RGBA", "RGBX", "P")  # modes whose ICC profile is one of an RGB space
#: What Pillow's decoders raise for damaged files.
_DECODE_ERRORS = (
    *(OSError, ValueError, SyntaxError, TypeError, EOFError, LookupError, ArithmeticError),
    *(AttributeError, struct.error, zlib.error, MemoryError),
)


@dataclass
class Pictures:
    """Colour pictures.

    Attributes:
        arrays: one (H, W, 3) uint8 sRGB array a picture.
        left_out: how many were left out, by reason: ``broken``, ``tiny``, ``grey``, ``huge``.
        sha256: over the encoded bytes of all that were looked at, in order; None if not known.
    """

    arrays: Sequence[npt.NDArray[np.uint8]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    sha256: str | None = None

    def __len__(self) -> int:
        return len(self.arrays)


def load_pictures(
    source: Path,
    *,
    limit: int | None = None,
    max_side: int | None = None,
    min_chroma: float = 0.0,
    fit: Fit | None = None,
) -> Pictures:
    """Load colour pictures into memory.

    Args:
        source: as for ``named_pictures``.
        limit: at most this many pictures, the first ones in order.
        max_side: pictures with a longer short side are brought down to it; None keeps them.
        min_chroma: pictures whose mean chroma (Lab units) is below count as grey.
        fit: brings a picture to its size, instead of ``max_side``.

    Raises:
        DataError: if the source is missing or holds no usable picture.
    """
    arrays: list[npt.NDArray[np.uint8]] = []
    left_out: Counter[str] = Counter()
    digest = hashlib.sha256()

    def decode(data: bytes) -> npt.NDArray[np.uint8] | str:
        return decode_picture(data, max_side=max_side, min_chroma=min_chroma, fit=fit)

    with ThreadPoolExecutor(_DECODERS) as pool:
        stream = encoded_pictures(source)
        while limit is None or len(arrays) < limit:
            wanted = 256 if limit is None else min(256, limit - len(arrays))
            chunk = list(islice(stream, wanted))
            if not chunk:
                break
            for data in chunk:
                digest.update(data)
            for result in pool.map(decode, chunk):
                if isinstance(result, str):
                    left_out[result] += 1
                else:
                    arrays.append(result)
    pictures = Pictures(arrays, left_out, digest.hexdigest())
    check_found(pictures, source)
    return pictures


def check_found(pictures: Pictures, source: Path) -> None:
    """Check that a source gave at least one picture.

    Raises:
        DataError: if it did not; it counts those left out by reason.
    """
    if not len(pictures):
        reasons = ", ".join(f"{count} {reason}" for reason, count in pictures.left_out.items())
        next_step = "give a folder of pictures, of Parquet files or of tar shards"
        if is_own_set(source):
            next_step = f"it must yield some; its relative paths begin at `{Path.cwd()}`"
        raise DataError(
            f"`{source}` holds no colour picture ({reasons or 'nothing found'}): {next_step}"
        )


def check_there(source: Path) -> None:
    """Check that a source is there and of a kind that is read, without a look into its files.

    Args:
        source: as for ``named_pictures``; of a set on the hub nothing is asked.

    Raises:
        DataError: if not.
    """
    if is_own_set(source):
        check_own_set(source)
    elif not (is_on_hub(source) or source.is_dir()):
        _files(source)


def encoded_pictures(source: Path) -> Iterator[bytes]:
    """Yield the encoded bytes of every picture of a source, as ``named_pictures`` does."""
    for _, data in named_pictures(source):
        yield data


def named_pictures(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and encoded bytes of every picture of a source, in a fixed order.

    What cannot be read is yielded with empty bytes, which no decoder takes for a picture.

    Args:
        source: a folder, searched through (also where it links to), for picture files, Parquet
            files in the layout of Hugging Face's image sets and tar shards in WebDataset's; or one
            such Parquet file or shard; or shards by a pattern, as ``photos-{000..015}.tar``; or a
            set of the Hugging Face hub, as ``hf:OWNER/NAME:SPLIT``; or a function of one's own, as
            ``MODULE:NAME``.
            Hidden files and ``__MACOSX`` are passed over.

    Raises:
        DataError: if the source is missing, of another kind, or a Parquet file is damaged or of
            another layout.
    """
    for one in located_pictures(source):
        yield one.name, one.data


@dataclass(frozen=True)
class Located:
    """A picture of a source.

    Attributes:
        name: of the file, and within it.
        data: its encoded bytes; empty if it cannot be read.
        place: where the same bytes can be read again; None if they are compressed there.
    """

    name: str
    data: bytes
    place: Place | None


def located_pictures(source: Path) -> Iterator[Located]:
    """Yield every picture of a source with its place, as ``named_pictures`` does."""
    if is_on_hub(source):
        for name, data in hub_pictures(source):
            yield Located(name, data, None)
        return
    if is_own_set(source):
        for name, data in own_pictures(source):
            yield Located(name, data, None)
        return
    for path in _files(source):
        name = path.relative_to(source).as_posix() if source in path.parents else path.name
        suffix = path.suffix.lower()
        if suffix == ".parquet":
            for row, data, start in parquet_pictures(path):
                yield Located(f"{name}/{row}", data, _place(path, start, data))
        elif path.name.lower().endswith(SHARD_SUFFIXES):
            for member, data, start in _shard_pictures(path, MOST_BYTES):
                yield Located(f"{name}/{member}", data, _place(path, start, data))
        else:
            yield Located(name, _read(path), Place(path))


def _place(path: Path, start: int | None, data: bytes) -> Place | None:
    """Return where bytes lie in a file, if they do lie there as they are."""
    place = None if start is None else Place(path, start, len(data))
    return place if place is not None and place.read() == data else None


def decode_picture(
    data: bytes,
    *,
    max_side: int | None = None,
    min_chroma: float = 0.0,
    fit: Fit | None = None,
) -> npt.NDArray[np.uint8] | str:
    """Decode a picture for learning, or say why it cannot be used.

    Turned upright by its EXIF orientation; the first frame of an animation; transparent parts
    over white; RGB brought to sRGB by its ICC profile; 16-bit grey scaled to 8 bits; CMYK by
    Pillow's plain conversion.

    Args:
        data: the encoded picture.
        max_side: a longer short side is brought down to it.
        min_chroma: the least mean chroma (Lab units); 0 takes grey pictures too.
        fit: brings it to its size, instead of ``max_side``.

    Returns:
        (H, W, 3) uint8 sRGB, or ``"broken"``, ``"huge"`` (above Pillow's limit against
        decompression bombs), ``"tiny"`` (a side under ``MIN_SIDE``) or ``"grey"``.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            icc = image.info.get("icc_profile") if image.mode in _PROFILED else None
            upright = _opaque(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        return "huge"
    except _DECODE_ERRORS:
        return "broken"
    short = min(upright.size)
    if short < MIN_SIDE:
        return "tiny"
    if fit is not None:
        upright = fit(upright)
    elif max_side is not None and short > max_side:
        size = [max(1, round(side * max_side / short)) for side in upright.size]
        upright = upright.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    pixels = np.asarray(upright)
    if icc and not _says_srgb(icc):  # last, of as few pixels as there are
        pixels, _ = through_profile(np.array(pixels), icc)
    if min_chroma > 0 and color.mean_chroma(pixels) < min_chroma:
        return "grey"
    return pixels


@lru_cache(maxsize=64)
def _says_srgb(icc: bytes) -> bool:
    """Tell whether a profile moves no colour or cannot be used; whole data sets share one."""
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(6, 36, 3)
    found, notes = through_profile(colors.copy(), icc)
    for note in notes:
        log.warning("a picture to learn from: %s", note)
    return np.array_equal(found, colors)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
        deep = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray((deep >> 8).astype(np.uint8)).convert("RGB")
    return over_white(image)


def _files(source: Path) -> list[Path]:
    """Return the files of a source, sorted by path."""
    if source.is_dir():
        return sorted(path for path in _walk(source) if _is_read(path))
    if source.exists():
        _check_kind(source)
        return [source]
    shards = [Path(name) for name in expand_braces(str(source))]
    for shard in shards:
        if not shard.exists():
            raise DataError(
                f"`{shard}` does not exist: give a folder of pictures, of Parquet files or of tar "
                "shards"
            )
        _check_kind(shard)
    return shards


def _check_kind(path: Path) -> None:
    if not path.is_file() or not path.name.lower().endswith((".parquet", *SHARD_SUFFIXES)):
        step = "give a folder of pictures"
        if path.suffix.lower() in PICTURE_SUFFIXES:
            step = f"give the folder that it lies in, `{path.parent}`"
        elif path.suffix.lower() in _FILM_SUFFIXES:
            step = f"give pictures of it (`ffmpeg -i {path.name} -vf fps=1 FOLDER/%06d.png`)"
        raise DataError(f"`{path}` is not a folder, a .parquet file or a .tar shard: {step}")


def passed_over(source: Path) -> Counter[str]:
    """Count the files of a folder that are not read as pictures, by their ending in lower case.

    Args:
        source: as for ``named_pictures``; what is no folder passes nothing over.
    """
    files = () if is_on_hub(source) or not source.is_dir() else _walk(source)
    others = (path.suffix.lower() or "(no ending)" for path in files if not _is_read(path))
    return Counter(sorted(others))  # the order of a folder is chance


def _is_read(path: Path) -> bool:
    return path.name.lower().endswith((*PICTURE_SUFFIXES, ".parquet", *SHARD_SUFFIXES))


def _walk(folder: Path) -> Iterator[Path]:
    """Yield all files of a folder but hidden ones."""
    seen: set[tuple[int, int]] = set()
    _is_new(folder, seen)
    for parent, folders, files in os.walk(folder, followlinks=True):
        kept: list[str] = []
        for name in sorted(folders):
            if not is_hidden(name) and _is_new(Path(parent, name), seen):
                kept.append(name)
        folders[:] = kept
        for name in files:
            if not is_hidden(name):
                yield Path(parent, name)


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Tell whether a folder has not been met yet: links may lead round in a circle."""
    try:
        facts = folder.stat()
    except OSError:
        return False
    key = (facts.st_dev, facts.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def _read(path: Path) -> bytes:
    try:
        facts = path.stat()  # a dead link fails; a pipe or a device would never end
        if stat.S_ISREG(facts.st_mode) and facts.st_size <= MOST_BYTES:
            return path.read_bytes()
    except OSError:
        pass
    return b""
