"""A small set of colour pictures for a first look: crops of scikit-image's photos, drawn scenes.

Not here: data to learn from in earnest (``coco``, or photos of one's own).
Nothing is fetched: the photos come with scikit-image, the scenes are drawn from a seed.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from koalarize.errors import OutputError
from koalarize.photo.files import write_bytes

__all__ = ["draw_scene", "make_sample"]

UInt8 = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

#: Part of the set -> photos of ``skimage.data`` to cut, crops of each, scenes to draw. All these
#: photos are free (CC0 or public domain) and lie in scikit-image's package.
_PARTS = {
    "train": (("astronaut", "coffee", "immunohistochemistry", "stereo_motorcycle"), 10, 24),
    "test": (("chelsea", "rocket"), 4, 8),
}
_SIDE = 256
_SCENE = (288, 216)


def make_sample(folder: Path) -> int:
    """Write ``train`` (64 pictures) and ``test`` (16) below a folder, and return their number.

    No photo has crops in both. Pictures of an earlier call, done or stopped, stay as they are.

    Raises:
        OutputError: if the folder holds anything else, or cannot be written.
    """
    wanted = {folder / part / name: make for part, name, make in _pictures()}
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
        for path in folder.rglob("[!.]*"):  # as far as the first that is another's
            if path not in wanted and not path.is_dir():
                raise OutputError(
                    f"`{folder}` is not empty, and holds more than a sample: choose another folder"
                )
        for path, make in wanted.items():
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                _write(make(), path)
    except OSError as error:
        raise OutputError(
            f"`{folder}` cannot be filled ({error.strerror or error}): choose another folder"
        ) from error
    return len(wanted)


def _pictures() -> Iterator[tuple[str, str, Callable[[], UInt8]]]:
    """Yield part and name of each picture, and what makes it."""
    for part, (photos, crops, scenes) in _PARTS.items():
        for photo in photos:
            cut = cache(partial(_crops, photo, crops))  # all of a photo at once, when asked for
            for number in range(crops):
                yield part, f"{photo}-{number:02d}.jpg", lambda cut=cut, n=number: cut()[n]
        for number in range(scenes):
            seed = number if part == "train" else 1000 + number
            yield part, f"scene-{number:02d}.jpg", partial(draw_scene, seed)


def _write(pixels: UInt8, path: Path) -> None:
    Image.fromarray(pixels).save(stream := io.BytesIO(), "JPEG", quality=95)
    write_bytes(stream.getvalue(), path)


def _crops(name: str, count: int) -> list[UInt8]:
    """Return square crops of a photo of scikit-image, the same ones every time."""
    import skimage.data

    loaded = getattr(skimage.data, name)()
    photo: UInt8 = loaded[0] if isinstance(loaded, tuple) else loaded
    rng = np.random.default_rng(len(name))
    height, width = photo.shape[:2]
    cut: list[UInt8] = []
    for _ in range(count):
        side = int(rng.integers(_SIDE * 2 // 3, min(height, width, _SIDE * 3 // 2) + 1))
        top, left = (int(rng.integers(0, most - side + 1)) for most in (height, width))
        crop = Image.fromarray(photo[top : top + side, left : left + side])
        cut.append(np.asarray(crop.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)))
    return cut


def draw_scene(seed: int) -> UInt8:
    """Draw a landscape (216, 288, 3) with sky, hills, meadow, trees and houses."""
    rng = np.random.default_rng(seed)
    width, height = _SCENE
    horizon = int(rng.uniform(0.35, 0.6) * height)
    image = Image.fromarray(_sky(rng, horizon))
    draw = ImageDraw.Draw(image)
    for depth in range(3):
        top = horizon - int((2 - depth) * 0.08 * height)
        hill = _color(rng, (0.25, 0.42), (0.25, 0.45), (0.3 + 0.1 * depth, 0.4 + 0.12 * depth))
        _draw_hill(draw, rng, top, hill)
    for _ in range(int(rng.integers(1, 4))):
        _draw_house(draw, rng, horizon)
    for _ in range(int(rng.integers(3, 8))):
        _draw_tree(draw, rng, horizon)
    for _ in range(int(rng.integers(20, 80))):
        x, y = rng.uniform(0, width), rng.uniform(horizon + 0.25 * height, height)
        flower = _color(rng, (-0.15, 0.17), (0.7, 1), (0.7, 1))
        draw.ellipse((x, y, x + 3, y + 3), fill=flower)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7))).astype(np.float32)
    grain = rng.normal(0, 3, (height, width, 1))  # of lightness alone, as films have it
    return (soft + grain).clip(0, 255).astype(np.uint8)


def _color(
    rng: np.random.Generator,
    hue: tuple[float, float],
    saturation: tuple[float, float],
    value: tuple[float, float],
) -> Color:
    parts = colorsys.hsv_to_rgb(
        rng.uniform(*hue) % 1, rng.uniform(*saturation), rng.uniform(*value)
    )
    red, green, blue = (round(255 * part) for part in parts)
    return red, green, blue


def _sky(rng: np.random.Generator, horizon: int) -> UInt8:
    width, height = _SCENE
    evening = rng.random() < 0.3
    above = _color(rng, (0.55, 0.62), (0.5, 0.8), (0.6, 0.9))
    below = _color(rng, (0.03, 0.12) if evening else (0.52, 0.58), (0.15, 0.5), (0.9, 1))
    share = np.linspace(0, 1, horizon)[:, None]
    rows = (1 - share) * np.array(above) + share * np.array(below)
    sky = np.broadcast_to(rows[:, None], (horizon, width, 3)).astype(np.uint8)
    image = Image.new("RGB", (width, height), below)
    image.paste(Image.fromarray(sky))
    x, y, size = rng.uniform(0, width), rng.uniform(0, horizon / 2), rng.uniform(10, 24)
    ImageDraw.Draw(image).ellipse((x, y, x + size, y + size), fill=(255, 240, 190))
    return np.asarray(image)


def _draw_hill(draw: ImageDraw.ImageDraw, rng: np.random.Generator, top: int, color: Color) -> None:
    width, height = _SCENE
    across = np.arange(0, width + 8, 8)
    waves = rng.uniform(0, 2 * np.pi, 2)
    ridge = top + 9 * np.sin(across / 37 + waves[0]) + 5 * np.sin(across / 13 + waves[1])
    edge = [(float(x), float(y)) for x, y in zip(across, ridge, strict=True)]
    draw.polygon([(0.0, float(height)), *edge, (float(width), float(height))], fill=color)


def _draw_house(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    width, height = _SCENE
    wide, high = rng.uniform(30, 60), rng.uniform(20, 36)
    left, ground = rng.uniform(0, width - 60), rng.uniform(horizon + 20, height * 0.85)
    wall = _color(rng, (0.05, 0.15), (0.05, 0.35), (0.75, 0.95))
    roof = _color(rng, (-0.02, 0.05), (0.5, 0.8), (0.4, 0.65))
    draw.rectangle((left, ground - high, left + wide, ground), fill=wall)
    ridge = (left + wide / 2, ground - 1.6 * high)
    draw.polygon([(left - 4, ground - high), ridge, (left + wide + 4, ground - high)], fill=roof)
    for number in range(2):
        x = left + wide * (0.2 + 0.4 * number)
        window = (x, ground - 0.75 * high, x + 0.2 * wide, ground - 0.4 * high)
        draw.rectangle(window, fill=(70, 85, 110))


def _draw_tree(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    width, height = _SCENE
    x, ground = rng.uniform(0, width), rng.uniform(horizon + 15, height * 0.95)
    size = rng.uniform(12, 30)
    draw.rectangle((x - 2, ground - size, x + 2, ground), fill=(92, 64, 44))
    for _ in range(12):
        leaf = _color(rng, (0.24, 0.38), (0.45, 0.8), (0.25, 0.55))
        dx, dy = rng.normal(0, size / 3, 2)
        r = size / 3
        middle = (x + dx, ground - 1.4 * size + dy)
        box = (middle[0] - r, middle[1] - r, middle[0] + r, middle[1] + r)
        draw.ellipse(box, fill=leaf)
