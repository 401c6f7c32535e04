"""How far each format moves a coloured photo's lightness: the figures of README and formats.md.

    python scripts/measure_lossy.py [PICTURE ...]

Each picture (by default those of ``examples/``) is coloured, written in each format and read again;
its grey level is compared with that of the original. Printed are the share of pixels within one
grey level, within two, the mean and the largest difference, and bytes a pixel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from koalarize.color import grey_to_lightness
from koalarize.colorizer.colorizer import Colorizer
from koalarize.photo.photo import Photo

KINDS = ("PNG", "TIFF", "JPEG", "WEBP", "AVIF", "GIF")
EXAMPLES = Path(__file__).parents[1] / "examples"


def grey_levels(photo: Photo) -> npt.NDArray[np.float64]:
    """Return (H, W) the grey level, 0 to 255, that has a photo's lightness."""
    table = grey_to_lightness(np.arange(256, dtype=np.uint8))
    return np.interp(photo.lightness(), table, np.arange(256))


def main() -> None:
    """Print a table."""
    given = sys.argv[1:] or sorted(map(str, EXAMPLES.glob("*.jpg")))
    colorizer = Colorizer.load()
    print("| format | within 1 | within 2 | mean | most | bytes a pixel |")
    print("| --- | --- | --- | --- | --- | --- |")
    pictures = [Photo(Photo.read(name).pixels) for name in given if ".color" not in name]
    colored = [colorizer.photo(photo).photo.pixels for photo in pictures]
    for kind in KINDS:
        off: list[npt.NDArray[np.float64]] = []
        size = 0
        for photo, srgb in zip(pictures, colored, strict=True):
            data = photo.encode(srgb, format=kind)
            size += len(data)
            off.append(np.abs(grey_levels(Photo.read(data)) - grey_levels(photo)).ravel())
        all_off = np.rint(np.concatenate(off))
        within = [f"{(all_off <= most).mean():.2%}" for most in (1, 2)]
        figures = (*within, f"{np.concatenate(off).mean():.2f}", f"{all_off.max():.0f}")
        print(f"| {kind} | {' | '.join(figures)} | {size / len(all_off):.2f} |")


if __name__ == "__main__":
    main()
