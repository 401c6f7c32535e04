"""Make the example pictures: black-and-white versions of free photographs in scikit-image.

Run ``python examples/make_examples.py`` in an environment with scikit-image. Each grey level has
the CIELAB lightness of the color it replaces, so coloring starts from the true lightness.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import skimage.data
from PIL import Image

from koalarize.color import grey_to_lightness, srgb_to_lab

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def grey_of_equal_lightness(srgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the (H, W) uint8 grey whose L* is nearest to that of (H, W, 3) sRGB."""
    levels = grey_to_lightness(np.arange(256, dtype=np.uint8))
    halfway = (levels[1:] + levels[:-1]) / 2
    return np.searchsorted(halfway, srgb_to_lab(srgb)[..., 0]).astype(np.uint8)


def main() -> None:
    """Write the pictures beside this script."""
    for name in NAMES:
        grey = grey_of_equal_lightness(getattr(skimage.data, name)())
        Image.fromarray(grey).save(Path(__file__).with_name(f"{name}.jpg"), quality=92)


if __name__ == "__main__":
    main()
