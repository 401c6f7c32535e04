"""Photos for the test: which are usable, and what of each is shown.

Not here: when they are shown (``study``). Original and recolouring go through the same steps to
the same kind of file of the same length, so that nothing but the colours tells them apart.
"""

from __future__ import annotations

import hashlib
import io
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.batch.find import find_pictures
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import DataError, PhotoError
from koalarize.lab.study.plan import Trial
from koalarize.photo.photo import Photo
from koalarize.photo.white import over_white

__all__ = ["FEWEST", "Chosen", "choose", "fingerprint", "images_of", "shown_pixels"]

UInt8 = npt.NDArray[np.uint8]

#: A test with fewer photos would be one of memory.
FEWEST = 4
#: Shorter side below which a photo, at the size it is shown, is too small to judge, pixels.
_TINY = 64
#: Mean chroma, Lab units, below which a photo has no colours to get right.
_GREY = 4.0
#: Chroma of the rainbow in an attention check: far from any photo, inside sRGB at mid lightness.
_RAINBOW = 45.0
_READERS = 4
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
#: What a PNG may be longer than its pixels: filters, zlib and chunk headers.
_PNG_SLACK = 1 << 16


@dataclass
class Chosen:
    """Photos for one session.

    Attributes:
        names: relative to the folder, with forward slashes.
        left_out: how many files were passed over, by reason: ``broken``, ``tiny``, ``grey``,
            ``duplicate``.
    """

    names: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def choose(folder: Path, *, count: int, size: int, seed: int) -> Chosen:
    """Draw photos from a folder and everything below it.

    Files are looked at in an order drawn by the seed, and no more than needed.

    Args:
        folder: of photos in colour.
        count: how many are wanted; there may be fewer.
        size: longer side at which they will be shown, pixels.
        seed: the same folder and seed give the same photos.

    Raises:
        DataError: if the folder is missing or holds fewer than ``FEWEST`` usable photos.
    """
    if not folder.is_dir():
        raise DataError(f"`{folder}` is no folder: give a folder of colour photos")
    found = [job for job in find_pictures([folder]) if job.problem is None]
    names = sorted(job.relative.as_posix() for job in found)
    random.Random(f"photos {seed}").shuffle(names)
    chosen, seen = Chosen(), set[str]()
    queue = iter(names)
    with ThreadPoolExecutor(_READERS) as pool:
        while len(chosen.names) < count:
            chunk = list(islice(queue, count - len(chosen.names)))
            if not chunk:
                break
            looks = pool.map(_look, [folder / name for name in chunk], repeat(size))
            for name, (digest, problem) in zip(chunk, looks, strict=True):
                problem = problem or ("duplicate" if digest in seen else None)
                if problem is not None:
                    chosen.left_out[problem] += 1
                    continue
                seen.add(digest)
                chosen.names.append(name)
    if len(chosen.names) < FEWEST:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(chosen.left_out.items()))
        raise DataError(
            f"`{folder}` holds {len(chosen.names)} usable colour photos"
            f"{f' ({reasons} left out)' if reasons else ''} but the test needs at least {FEWEST}: "
            f"add photos in colour whose shorter side is at least {_TINY} pixels"
        )
    return chosen


def _look(path: Path, size: int) -> tuple[str, str | None]:
    """Return the hash of a file, and why it is not usable."""
    try:
        data = path.read_bytes()
        pixels = shown_pixels(Photo.read(data), size)
    except (OSError, PhotoError):
        return "", "broken"
    digest = hashlib.sha256(data).hexdigest()
    if min(pixels.shape[:2]) < _TINY:
        return digest, "tiny"
    return digest, "grey" if color.mean_chroma(pixels) < _GREY else None


def fingerprint(folder: Path, names: Sequence[str]) -> str:
    """Return the sha256 over the names and contents of photos, whatever their order.

    Raises:
        DataError: if one is missing.
    """
    digest = hashlib.sha256()
    for name in sorted(set(names)):
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"the photo `{name}` of this session cannot be read in `{folder}` "
                f"({error.strerror or error}): give the folder it was begun with, as it was"
            ) from error
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def shown_pixels(photo: Photo, size: int) -> UInt8:
    """Return a photo as it is shown: (H, W, 3) uint8, longer side at most ``size``, over white."""
    image = over_white(photo.to_image(_in_colour(photo.pixels)))
    scale = size / max(image.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _in_colour(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels


def images_of(
    trial: Trial,
    *,
    read: Callable[[str], UInt8],
    colorizers: Mapping[str, Colorizer],
) -> tuple[bytes, ...]:
    """Return what a trial shows, as PNG files: one, or the left and the right one.

    Both versions are made for every trial, also where only the original is shown: a trial then
    takes the same time whatever its answer.

    Args:
        trial: from the plan.
        read: gives the shown pixels of a photo by its name.
        colorizers: by the names of the plan; at least one.

    Raises:
        PhotoError: if the photo can no longer be read.
    """
    original = read(trial.picture)
    lightness = color.srgb_to_lab(original)[..., 0]
    colorizer = colorizers[trial.model] if trial.model else next(iter(colorizers.values()))
    recoloured = _recoloured(lightness, colorizer)
    if trial.kind == "catch":
        recoloured = _rainbow(lightness)
    files = [_png(original), _png(recoloured)]
    if trial.side is None:
        return (files[0 if trial.kind == "real" else 1],)
    return tuple(files if trial.side == "left" else reversed(files))


def _recoloured(lightness: npt.NDArray[np.float32], colorizer: Colorizer) -> UInt8:
    """Colour from lightness alone; 16 bits deep, so that it is not rounded twice."""
    lab = np.zeros((*lightness.shape, 3), np.float32)
    lab[..., 0] = lightness
    grey = color.lab_to_srgb(lab, dtype=np.uint16)[..., 0]
    pixels = colorizer.photo(Photo.read(np.ascontiguousarray(grey))).photo.pixels
    return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _rainbow(lightness: npt.NDArray[np.float32]) -> UInt8:
    """Return the picture with every hue once from left to right, which no photo shows."""
    angle = np.linspace(0, 2 * np.pi, lightness.shape[1], endpoint=False, dtype=np.float32)
    lab = np.empty((*lightness.shape, 3), np.float32)
    lab[..., 0] = lightness
    lab[..., 1] = _RAINBOW * np.cos(angle)
    lab[..., 2] = _RAINBOW * np.sin(angle)
    return color.lab_to_srgb(color.map_to_gamut(lab), dtype=np.uint8)


def _png(pixels: UInt8) -> bytes:
    """Encode a picture; the length of the file depends on its width and height only.

    The rest is filled by a private ancillary chunk, which readers skip (PNG specification, 5.4).
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    data = buffer.getvalue()
    assert data.endswith(_PNG_END)
    filler = b"paDd" + bytes(pixels.nbytes + _PNG_SLACK - len(data))
    chunk = struct.pack(">I", len(filler) - 4) + filler + struct.pack(">I", zlib.crc32(filler))
    return data[: -len(_PNG_END)] + chunk + _PNG_END
